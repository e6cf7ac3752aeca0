"""The Salesforce cursor: seconds that are not over, lookback, and statements that fit in an address."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from salesforce_wire import DATA, NOW, USER, a_rig, records, wire_time

from connector.crm.salesforce import feeds, soql
from connector.crm.salesforce.feeds import Cursor
from connector.errors import CrmError


class Org:
    """Answers feed queries from rows it holds, at a time the test sets."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.now = NOW
        self.rows: dict[str, tuple[datetime, str]] = {}
        self.asked: list[str] = []
        self.open_since: datetime | None = None
        self.replicates = True
        self.before_telling: Callable[[], None] = lambda: None
        self.safe_dates = 0
        mock.add_callback(responses.GET, DATA + "queryAll/", callback=self._answer)
        mock.add_callback(responses.GET, DATA + "sobjects/Opportunity/updated/", callback=self._updated)
        mock.add_callback(responses.GET, DATA + "limits/", callback=lambda _request: (200, self._headers(), "{}"))

    def _updated(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.safe_dates += 1
        self.before_telling()
        if not self.replicates:
            refusal = [{"errorCode": "INVALID_TYPE", "message": "not replicateable"}]
            return 400, self._headers(), json.dumps(refusal)
        end = datetime.fromisoformat(parse_qs(urlsplit(str(request.url)).query)["end"][0])
        covered = min(end, self.open_since or end)
        return 200, self._headers(), json.dumps({"ids": [], "latestDateCovered": wire_time(covered)})

    def put(self, row_id: str, *, ago: float = 0, by: str = "005-person") -> None:
        """A row changes so many seconds ago."""
        self.rows[row_id] = (self.now - timedelta(seconds=ago), by)

    def _headers(self) -> dict[str, str]:
        return {"Date": format_datetime(self.now, usegmt=True)}

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        statement = parse_qs(urlsplit(str(request.url)).query)["q"][0]
        self.asked.append(statement)
        after = statement.partition("Id > '")[2].partition("'")[0]
        low = datetime.fromisoformat(re.findall(r"SystemModstamp >?= (\S+)", statement)[0])
        rows = [
            {"Id": row_id, "SystemModstamp": wire_time(at), "LastModifiedById": by}
            for row_id, (at, by) in sorted(self.rows.items(), key=lambda item: (item[1][0], item[0]))
            if (at, row_id) > (low, after)
        ]
        return 200, self._headers(), json.dumps(records(*rows[: int(statement.rpartition(" ")[2])]))


@pytest.fixture
def org() -> Iterator[Org]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        org = Org(mock)
        org.rig = a_rig(mock)  # type: ignore[attr-defined]
        yield org


def read(org: Org, cursor: str) -> tuple[list[str], str]:
    page = org.rig.crm.changes("deal", cursor)  # type: ignore[attr-defined]
    assert not page.more
    return [change.deal_id for change in page.changes], page.cursor


def test_a_second_that_is_not_over_is_told_again_so_that_a_second_edit_in_it_is_not_lost(org: Org) -> None:
    org.put("006-fresh")
    org.put("006-settled", ago=10)
    told, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    assert told == ["006-settled", "006-fresh"]
    told, cursor = read(org, cursor)
    assert told == ["006-fresh"]
    org.now += timedelta(seconds=5)
    told, cursor = read(org, cursor)
    assert told == ["006-fresh"]
    told, cursor = read(org, cursor)
    assert told == []


def test_a_row_that_shows_up_below_the_mark_is_told_by_the_next_deep_scan(org: Org) -> None:
    _, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    org.now += timedelta(seconds=20)
    org.put("006-late", ago=400)
    told = []
    for _ in range(5):
        org.now += timedelta(seconds=30)
        more, cursor = read(org, cursor)
        told += more
    assert told == ["006-late"]


def test_the_window_moves_with_the_vendors_clock_so_that_an_old_burst_is_left_behind(org: Org) -> None:
    for number in range(50):
        org.put(f"006-{number}", ago=5)
    told, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    assert len(told) == 50
    org.now += timedelta(minutes=11)
    for _ in range(3):
        _, cursor = read(org, cursor)
    assert Cursor.parse(cursor).seen == {}
    read(org, cursor)
    assert soql.moment(org.now - timedelta(minutes=11)) not in org.asked[-1]


def test_nothing_before_the_feeds_beginning_is_asked_for(org: Org) -> None:
    org.put("006-old", ago=300)
    begin = org.rig.crm.start_cursor("deal", NOW)  # type: ignore[attr-defined]
    org.now += timedelta(minutes=5)
    told, _ = read(org, begin)
    assert told == []


def test_our_own_writes_are_told_as_ours(org: Org) -> None:
    org.put("006-ours", ago=10, by=USER)
    org.put("006-theirs", ago=10)
    page = org.rig.crm.changes("deal", Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())  # type: ignore[attr-defined]
    assert {change.deal_id: change.by_self for change in page.changes} == {"006-ours": True, "006-theirs": False}


def test_a_row_without_a_stamp_is_an_outage_not_a_crash() -> None:

    with responses.RequestsMock() as mock:
        mock.add(responses.GET, DATA + "queryAll/", json=records({"Id": "006", "LastModifiedById": "x"}))
        rig = a_rig(mock)
        mock.add(responses.GET, DATA + "limits/", json={}, headers={"Date": "Mon, 02 Nov 2026 09:30:20 GMT"})
        with pytest.raises(CrmError):
            rig.crm.changes("deal", Cursor(NOW, NOW, NOW).dump())


def test_a_literal_cannot_leave_its_quotes() -> None:
    assert soql.literal("O'Hara\\' OR Name != '") == r"'O\'Hara\\\' OR Name != \''"
    assert soql.literal("a\nb") == r"'a\nb'"
    assert soql.moment(datetime(2026, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
    assert soql.day(date(2026, 1, 2)) == "2026-01-02"


def test_a_list_is_cut_where_the_address_would_grow_too_long() -> None:
    ids = [f"006000000000{number:03}AAA" for number in range(2000)]
    statement = soql.select(["Id", "Name", "id"], of="Opportunity", where="Id IN ")
    assert statement == "SELECT Id, Name FROM Opportunity WHERE Id IN "
    parts = list(soql.in_lists(ids, around=statement))
    assert [each for part in parts for each in part.strip("()").replace("'", "").split(",")] == ids
    lengths = [len(f"{DATA}{soql.query_path(statement + part)}") for part in parts]
    assert max(lengths) <= soql.URI_LIMIT
    assert len(parts) == 3


def test_a_field_as_id_column_survives_double_naming() -> None:
    assert soql.columns(["Id", "NAME", "Name", "Account.Name"]) == "Id, NAME, Account.Name"


def poll_for(org: Org, cursor: str, minutes: int) -> tuple[list[str], str]:
    told: list[str] = []
    for _ in range(minutes * 2):
        org.now += timedelta(seconds=30)
        more, cursor = read(org, cursor)
        told += more
    return told, cursor


def test_a_transaction_of_forty_minutes_is_waited_for(org: Org) -> None:
    begin = NOW - timedelta(hours=1)
    _, cursor = read(org, Cursor(begin, NOW, NOW).dump())
    org.open_since = NOW + timedelta(seconds=30)
    told, cursor = poll_for(org, cursor, 40)
    assert told == []
    org.rows["006-import"] = (org.open_since, "005-person")
    org.open_since = None
    told, cursor = poll_for(org, cursor, 12)
    assert told == ["006-import"]
    assert Cursor.parse(cursor).covered is not None
    assert org.now - Cursor.parse(cursor).covered < timedelta(minutes=12)  # type: ignore[operator]


def test_asking_how_far_to_trust_costs_a_call_in_five_minutes(org: Org) -> None:
    _, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    poll_for(org, cursor, 60)
    assert org.safe_dates <= 1 + 12


def test_where_the_platform_does_not_say_it_is_asked_once(org: Org) -> None:
    org.replicates = False
    _, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    org.put("006-late", ago=400)
    told, _ = poll_for(org, cursor, 30)
    assert told == ["006-late"]
    assert org.safe_dates == 1


def test_a_cursor_of_the_last_version_is_understood() -> None:
    old = json.dumps([[soql.moment(NOW)] * 3 + [None], None, {}])
    assert Cursor.parse(old).covered is None


def test_a_transaction_that_ends_between_a_scan_and_the_next_safe_date_is_not_passed_over(org: Org) -> None:
    _, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    begun = NOW + timedelta(seconds=30)
    org.open_since = begun
    _, cursor = poll_for(org, cursor, 40)

    def commit() -> None:
        org.rows["006-import"] = (begun, "005-person")
        org.open_since = None

    org.before_telling = commit
    told, cursor = poll_for(org, cursor, 15)
    assert told == ["006-import"]
    covered = Cursor.parse(cursor).covered
    assert covered is not None
    assert org.now - covered < timedelta(minutes=12)


def test_a_transaction_that_never_ends_is_not_read_back_to_for_ever(org: Org) -> None:
    _, cursor = read(org, Cursor(NOW - timedelta(days=30), NOW, NOW).dump())
    org.open_since = NOW - timedelta(days=9)
    _, cursor = poll_for(org, cursor, 10)
    lowest = min(asked.partition("SystemModstamp >= ")[2].partition(" ")[0] for asked in org.asked)
    assert NOW - datetime.fromisoformat(lowest) <= feeds.COVER_MOST
    org.put("006-new")
    told, _ = poll_for(org, cursor, 2)
    assert told == ["006-new"]


@pytest.mark.parametrize("minutes", [1, 12])
def test_a_clock_that_was_ahead_for_a_while_hides_nothing_once_it_is_right(org: Org, minutes: int) -> None:
    _, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW).dump())
    org.now += timedelta(hours=2)
    _, cursor = poll_for(org, cursor, minutes)
    org.now -= timedelta(hours=2)
    org.put("006-new")
    told, cursor = poll_for(org, cursor, 2)
    assert told == ["006-new"]
    assert Cursor.parse(cursor).mark <= org.now


def test_a_mass_update_is_told_once_even_when_it_is_more_than_can_be_remembered(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SEEN_LIMIT", 50)
    for number in range(300):
        org.put(f"006-{number:03}", ago=90 + number)
    told, cursor = read(org, Cursor(NOW - timedelta(hours=1), NOW, NOW - timedelta(hours=1)).dump())
    assert len(told) == 300
    assert len(Cursor.parse(cursor).seen) == 50
    org.put("006-new")
    told, cursor = poll_for(org, cursor, 5)
    assert set(told) == {"006-new"}


def test_a_scan_of_many_pages_does_not_carry_all_it_told(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "SEEN_LIMIT", 50)
    for number in range(5000):
        org.put(f"006-{number:04}", ago=9000 - number)
    cursor, more, told = Cursor(NOW - timedelta(hours=9), NOW - timedelta(hours=8), NOW).dump(), True, 0
    while more:
        page = org.rig.crm.changes("deal", cursor)  # type: ignore[attr-defined]
        cursor, more, told = page.cursor, page.more, told + len(page.changes)
        assert len(Cursor.parse(cursor).seen) <= 50
    assert told == 5000
