"""Results of a job as no well-behaved sandbox writes them: every shape leads to an outcome per row or to a fault."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import responses
from salesforce_wire import DATA, HTML, Rig, a_rig

from connector.crm.writing import Applied, Operation, Refused, Unknown, Write, WriteOutcome
from connector.errors import Advice, CrmError
from connector.handoff.model import Kind

JOB = "750000000000001AAA"
ONE, TWO, THREE = "006000000000001AAA", "006000000000002AAA", "006000000000003AAA"
HEAD = '"sf__Id","sf__Created","Id","Handoff_Percent__c"\n'
ERRORS = '"sf__Id","sf__Error","Id","Handoff_Percent__c"\n'


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


def outcomes(
    mock: responses.RequestsMock,
    ids: list[str],
    *,
    ok: str | bytes = HEAD,
    failed: str | bytes = ERRORS,
    left: str = "",
) -> tuple[tuple[WriteOutcome, ...], Rig]:
    rig = a_rig(mock)
    for path, body in (("successfulResults", ok), ("failedResults", failed), ("unprocessedrecords", left)):
        mock.add(responses.GET, f"{DATA}jobs/ingest/{JOB}/{path}", body=body, content_type="text/csv")
    writes = [Write(Kind.DEAL, Operation.UPDATE, {"percent": Decimal(1)}, record_id=each) for each in ids]
    return rig.crm.jobs.results(JOB, writes), rig


def applied(record_id: str) -> str:
    return f'"{record_id}","false","{record_id}","1"\n'


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_marks_and_line_ends_of_any_kind_are_read(start: str, end: str, mock: responses.RequestsMock) -> None:
    body = (start + HEAD + applied(ONE)).replace("\n", end).encode()
    assert outcomes(mock, [ONE], ok=body)[0] == (Applied(ONE),)


def test_quotes_and_line_ends_within_a_cell_are_the_cells(mock: responses.RequestsMock) -> None:
    body = (
        '"sf__Id","sf__Created","Id","Note"\n' + f'"{ONE}","false","{ONE}","a ""b"",\nc"\n"{TWO}","false","{TWO}",""\n'
    )
    assert outcomes(mock, [ONE, TWO], ok=body)[0] == (Applied(ONE), Applied(TWO))


@pytest.mark.parametrize("body", [HTML, "{}", '"Id"\n"006000000000001AAA"\n', b"\xff\xfe"], ids=range(4))
def test_an_answer_that_is_no_result_is_asked_for_again(body: str | bytes, mock: responses.RequestsMock) -> None:
    """A proxy's page with status 200, say. It must be a fault like any other, and not end the pass for ever."""
    with pytest.raises(CrmError) as caught:
        outcomes(mock, [ONE], ok=body)
    assert caught.value.fault.advice is Advice.RETRY


@pytest.mark.parametrize("body", ["", "\n", HEAD, HEAD + '"006', HEAD + '"006000000000002AAA"\n'], ids=range(5))
def test_where_nothing_is_told_of_a_row_it_is_looked_up(body: str, mock: responses.RequestsMock) -> None:
    [outcome] = outcomes(mock, [ONE], ok=body, failed="")[0]
    assert isinstance(outcome, Unknown)


def test_what_is_left_after_a_kill_is_told_row_by_row(mock: responses.RequestsMock) -> None:
    """Some rows were booked already, so the job tells of more than are asked about; the refusals count all the same."""
    told, _ = outcomes(
        mock,
        [THREE],
        ok=HEAD + applied(ONE) + applied(TWO),
        failed=ERRORS + f'"{THREE}","A_RULE:Ask Finance first:--","{THREE}","1"\n',
    )
    [outcome] = told
    assert isinstance(outcome, Refused)
    assert (outcome.fault.vendor_code, outcome.fault.message) == ("A_RULE", "Ask Finance first")


def test_a_row_without_an_id_or_told_twice_is_no_one_elses(mock: responses.RequestsMock) -> None:
    failed = ERRORS + '"","INVALID_FIELD:no:--","","1"\n' + f'"{TWO}","A_RULE:first:--","{TWO}","1"\n'
    told, rig = outcomes(mock, [ONE, TWO], ok=HEAD + applied(TWO), failed=failed)
    assert isinstance(told[0], Unknown)
    assert isinstance(told[1], Refused), "one of the two lines is a refusal: the write is not taken for done"
    assert rig.calls["bulk.results"] == 3


def test_a_job_without_a_single_success_tells_of_every_refusal(mock: responses.RequestsMock) -> None:
    failed = ERRORS + "".join(f'"{each}","A_RULE:no:--","{each}","1"\n' for each in (ONE, TWO, THREE))
    told, _ = outcomes(mock, [ONE, TWO, THREE], failed=failed)
    assert all(isinstance(each, Refused) and each.fault.advice is Advice.PARK for each in told)


def test_half_a_letter_does_not_keep_a_job_from_being_loaded(mock: responses.RequestsMock) -> None:
    """JSON may hold half of a pair of code units; UTF-8 cannot. One such deal must not stop all others."""
    rig = a_rig(mock)
    put = mock.add(responses.PUT, f"{DATA}jobs/ingest/{JOB}/batches", status=201)
    mock.add(responses.PATCH, f"{DATA}jobs/ingest/{JOB}", json={"id": JOB})
    rig.crm.jobs.load(JOB, [Write(Kind.DEAL, Operation.UPDATE, {"risks": "a\ud83d b"}, record_id=ONE)])
    assert b"a? b" in put.calls[0].request.body
