"""The Metadata API's wire when it misbehaves: expired tokens, faults, lost answers, packages that are none."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests
import responses
from salesforce_wire import DATA, EXPIRED, HOST, NOW, TOKEN, token

from connector.clock import ManualClock
from connector.crm.retry import ReadRetry
from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.salesforce.provision.apply import DEPLOY_PATIENCE, LeftRunning, Progress, deploy
from connector.crm.salesforce.provision.metadata import LONGEST_POLL, MetadataLine, waits
from connector.crm.salesforce.provision.org import components_of
from connector.crm.salesforce.session import SalesforceSession
from connector.errors import Advice, CrmError, FaultCode

SOAP = f"{HOST}/services/Soap/m/67.0"
DEPLOY = f"{DATA}metadata/deployRequest"
JOB = "0Af000000000001AAA"
FAULT = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>sf:{code}</faultcode>'
    "<faultstring>{words}</faultstring></e:Fault></e:Body></e:Envelope>"
)


@dataclass
class Line:
    """A line to a played org, and the waits it asked for."""

    metadata: MetadataLine
    waits: list[float] = field(default_factory=list)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add(responses.POST, TOKEN, json=token())
        yield mock


@pytest.fixture
def line(mock: responses.RequestsMock) -> Line:  # the wire must be played before a session opens
    clock, waited = ManualClock(NOW), list[float]()
    session = SalesforceSession(
        SalesforceLogin(HOST, client_id="app", client_secret="hush"),
        on_call=lambda _: None,
        clock=clock,
        retry=ReadRetry(clock=clock, sleep=waited.append),
    )
    return Line(MetadataLine(session, now=clock.now, sleep=waited.append), waited)


def _answer(call: str, inner: str) -> str:
    return (
        '<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns="http://soap.sforce.com/2006/04/metadata"><e:Body><{call}Response>{inner}</{call}Response></e:Body>'
        "</e:Envelope>"
    )


def _zip(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return held.getvalue()


def _status(**told: object) -> dict[str, object]:
    return {"id": JOB, "deployResult": {"done": True, "success": True, "status": "Succeeded", **told}}


def test_a_retrieve_waits_until_it_is_done_and_tells_what_was_not_found(
    mock: responses.RequestsMock, line: Line
) -> None:
    archive = base64.b64encode(_zip(**{"layouts/A.layout": "<Layout/>"})).decode()
    mock.add(responses.POST, SOAP, body=_answer("retrieve", "<result><done>false</done><id>09S1</id></result>"))
    mock.add(responses.POST, SOAP, body=_answer("checkRetrieveStatus", "<result><done>false</done></result>"))
    done = (
        "<result><done>true</done><messages><fileName>package.xml</fileName><problem>no X</problem></messages>"
        f"<status>Succeeded</status><zipFile>{archive}</zipFile></result>"
    )
    mock.add(responses.POST, SOAP, body=_answer("checkRetrieveStatus", done))
    found = line.metadata.retrieve({"Layout": ["A&B"], "Report": []})
    assert found.warnings == ("no X",)
    assert [one.key for one in components_of(found.archive)] == [("Layout", "A")]
    asked = str(mock.calls[1].request.body)
    assert "A&amp;B" in asked
    assert "Report" not in asked
    assert len(line.waits) == 1


def test_an_expired_token_costs_one_renewal(mock: responses.RequestsMock, line: Line) -> None:
    mock.add(responses.POST, SOAP, status=500, body=FAULT.format(code="INVALID_SESSION_ID", words="Invalid"))
    mock.add(responses.POST, SOAP, body=_answer("listMetadata", ""))
    assert list(line.metadata.listed(["Layout"])) == []
    assert sum(call.request.url == TOKEN for call in mock.calls) == 2


def test_a_refusal_keeps_the_vendors_code_and_words(mock: responses.RequestsMock, line: Line) -> None:
    body = FAULT.format(
        code="INSUFFICIENT_ACCESS", words="use of the Metadata API requires a user with Modify Metadata"
    )
    mock.add(responses.POST, SOAP, status=500, body=body)
    with pytest.raises(CrmError) as caught:
        line.metadata.retrieve({"Layout": ["A"]})
    assert caught.value.fault.code is FaultCode.NOT_PERMITTED
    assert "Modify Metadata" in caught.value.fault.message


@pytest.mark.parametrize(
    "body",
    [
        "<html>down",
        "",
        '<!DOCTYPE e [<!ENTITY a SYSTEM "file:///etc/passwd">]><e>&a;</e>',
    ],
)
def test_an_answer_that_is_no_soap_is_an_outage_and_never_expanded(
    mock: responses.RequestsMock, line: Line, body: str
) -> None:
    mock.add(responses.POST, SOAP, body=body)
    with pytest.raises(CrmError) as caught:
        line.metadata.retrieve({"Layout": ["A"]})
    assert caught.value.fault.code is FaultCode.UNAVAILABLE
    assert "root:" not in str(caught.value)


def test_a_package_that_cannot_be_read_is_told(line: Line) -> None:
    assert line
    for broken in (b"no zip", _zip(**{"layouts/A.layout": "<Layout>"})):
        with pytest.raises(CrmError):
            list(components_of(broken))


def test_the_files_of_a_package_are_components() -> None:
    part = "<fields><fullName>Handoff_A__c</fullName></fields><validationRules><fullName>R</fullName></validationRules>"
    found = components_of(
        _zip(
            **{
                "package.xml": "<Package/>",
                "objects/Opportunity.object": f"<CustomObject><label>Deal</label>{part}</CustomObject>",
                "objects/Handoff_Effect__c.object": f"<CustomObject><label>Effect</label>{part}</CustomObject>",
                "layouts/Opportunity-Sales %28EU%29.layout": "<Layout/>",
                "reports/Handoff_Reports-meta.xml": "<ReportFolder/>",
                "reports/Handoff_Reports/One.report": "<Report/>",
                "dashboards/D.dashboardFolder-meta.xml": "<DashboardFolder/>",
                "unpackaged/duplicateRules/Account.Same.duplicateRule": "<DuplicateRule/>",
            }
        )
    )
    assert {one.key for one in found} == {
        ("CustomField", "Opportunity.Handoff_A__c"),
        ("ValidationRule", "Opportunity.R"),
        ("CustomObject", "Handoff_Effect__c"),
        ("CustomField", "Handoff_Effect__c.Handoff_A__c"),
        ("ValidationRule", "Handoff_Effect__c.R"),
        ("Layout", "Opportunity-Sales %28EU%29"),
        ("ReportFolder", "Handoff_Reports"),
        ("Report", "Handoff_Reports/One"),
        ("DashboardFolder", "D"),
        ("DuplicateRule", "Account.Same"),
    }


def test_a_deploy_is_checked_by_options_and_waited_for(mock: responses.RequestsMock, line: Line) -> None:
    mock.add(responses.POST, DEPLOY, json={"id": JOB})
    for _ in range(30):
        mock.add(responses.GET, f"{DEPLOY}/{JOB}", json=_status(done=False, success=False, status="InProgress"))
    mock.add(
        responses.GET, f"{DEPLOY}/{JOB}", status=503, json=[{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}]
    )
    mock.add(responses.GET, f"{DEPLOY}/{JOB}", json=_status())
    told: list[Progress] = []
    outcome = deploy(line.metadata, b"zip", check_only=True, told=told.append, sleep=line.waits.append)
    assert outcome.ok
    assert outcome.job == JOB
    assert len(told) == 32
    assert max(line.waits) == LONGEST_POLL
    body = mock.calls[1].request.body
    assert isinstance(body, bytes)
    assert b'"checkOnly": true' in body
    assert b'"rollbackOnError": true' in body
    assert b'"singlePackage": true' in body


@pytest.mark.parametrize("several", [True, False])
def test_failures_are_told_with_file_line_and_the_vendors_words(
    mock: responses.RequestsMock, line: Line, *, several: bool
) -> None:
    failure = {
        "componentType": "ValidationRule",
        "fullName": "Opportunity.Handoff_Req_X",
        "fileName": "objects/Opportunity.object",
        "lineNumber": "7",
        "problem": "Field X does not exist.",
    }
    mock.add(responses.POST, DEPLOY, json={"id": JOB})
    details = {"componentFailures": [failure] if several else failure}
    mock.add(responses.GET, f"{DEPLOY}/{JOB}", json=_status(success=False, status="Failed", details=details))
    outcome = deploy(line.metadata, b"zip", check_only=True, told=lambda _: None, sleep=line.waits.append)
    assert not outcome.ok
    (told,) = outcome.failures
    assert (told.type, told.file, told.line) == ("ValidationRule", "objects/Opportunity.object", 7)
    assert told.problem == "Field X does not exist."


def test_a_deploy_whose_answer_is_lost_may_be_under_way(mock: responses.RequestsMock, line: Line) -> None:
    mock.add(responses.POST, DEPLOY, body=requests.ReadTimeout("late"))
    with pytest.raises(CrmError) as caught:
        deploy(line.metadata, b"zip", check_only=False, told=lambda _: None)
    assert caught.value.fault.advice is Advice.VERIFY


def test_a_refused_deploy_is_no_more_than_refused(mock: responses.RequestsMock, line: Line) -> None:
    mock.add(responses.POST, DEPLOY, status=401, json=EXPIRED)
    mock.add(responses.POST, DEPLOY, status=403, json=[{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}])
    with pytest.raises(CrmError) as caught:
        deploy(line.metadata, b"zip", check_only=False, told=lambda _: None)
    assert caught.value.fault.code is FaultCode.NOT_PERMITTED
    assert sum(call.request.url == TOKEN for call in mock.calls) == 2


def test_ctrl_c_leaves_the_deploy_running_and_tells_its_id(mock: responses.RequestsMock, line: Line) -> None:
    mock.add(responses.POST, DEPLOY, json={"id": JOB})
    mock.add(responses.GET, f"{DEPLOY}/{JOB}", json=_status(done=False))

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(LeftRunning) as caught:
        deploy(line.metadata, b"zip", check_only=False, told=lambda _: None, sleep=interrupted)
    assert caught.value.job == JOB
    assert not any(call.request.method == "DELETE" for call in mock.calls)


def test_a_deploy_that_takes_too_long_is_left_to_the_org_and_told(mock: responses.RequestsMock, line: Line) -> None:
    mock.add(responses.POST, DEPLOY, json={"id": JOB})
    mock.add(responses.GET, f"{DEPLOY}/{JOB}", json=_status(done=False, success=False, status="Pending"))
    with pytest.raises(LeftRunning) as caught:
        deploy(line.metadata, b"zip", check_only=False, told=lambda _: None, sleep=line.waits.append)
    assert (caught.value.job, caught.value.check_only) == (JOB, False)
    assert caught.value.fault is not None
    assert "60 minutes" in caught.value.fault.message
    assert DEPLOY_PATIENCE < sum(line.waits) <= DEPLOY_PATIENCE + LONGEST_POLL


def test_waits_grow_to_a_limit() -> None:
    first = [next(each) for each in [waits()] for _ in range(20)]
    assert first == sorted(first)
    assert first[-1] == LONGEST_POLL
