"""What events of a portal mean, which deals records hang on, and which way changes are heard by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hubspot_portal import Asked, Passing, Portal, Reply, a_map, a_portal

from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.live.meaning import (
    CALL,
    COMPANY,
    DEAL,
    EMAIL,
    KINDS,
    MEETING,
    NOTE,
    TASK,
    Action,
    Event,
    Meaning,
    ref_of,
    type_of,
)
from connector.crm.hubspot.live.whereabouts import deals_of
from connector.crm.hubspot.login import StaticToken
from connector.crm.hubspot.session import Session, Waits
from connector.crm.live import Sighting
from connector.errors import CrmError
from connector.handoff.model import Kind, Ref, SystemName
from connector.handoff.rulebook.fields import FieldOwner

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def meaning() -> Meaning:
    """Of a mapping in which people say why they bought, and the connector keeps the rest."""
    fields = a_map().fields
    said = replace(fields["why_bought"], owner=FieldOwner.HUMAN)
    crm_map = a_map(fields={**fields, "why_bought": said})
    return Meaning(Fields(crm_map), crm_map, SystemName("hs"))


def seen(object_type: str, action: Action, *changed: str, **more: Any) -> Sighting:
    (found,) = meaning().of(Event(object_type, "5", action, AT, changed=frozenset(changed), **more))
    return found


@pytest.mark.parametrize(
    ("action", "changed", "minor"),
    [
        (Action.UPDATE, ("dealstage",), False),
        (Action.UPDATE, ("handoff_why_bought",), False),
        (Action.UPDATE, ("closedate", "hs_x"), False),
        (Action.UPDATE, ("notes_last_contacted",), False),
        (Action.UPDATE, (), False),
        (Action.UPDATE, ("hs_lastmodifieddate",), True),
        (Action.UPDATE, ("handoff_gate", "handoff_percent"), True),
        (Action.UPDATE, ("handoff_gate", "dealstage"), False),
        (Action.UPDATE, ("lead_score", "hs_lastmodifieddate"), True),
        (Action.CREATE, ("lead_score",), False),
        (Action.DELETE, (), False),
        (Action.RESTORE, (), False),
        (Action.MERGE, (), False),
        (Action.ASSOCIATION, (), True),
        (Action.OTHER, (), False),
    ],
)
def test_a_deal_names_itself_and_can_wait_when_nothing_that_is_read_changed(
    action: Action, changed: tuple[str, ...], minor: bool
) -> None:
    found = seen(DEAL, action, *changed)
    assert found == Sighting(Ref(Kind.DEAL, "5"), AT, ("5",), minor=minor)


@pytest.mark.parametrize(
    ("object_type", "action", "changed", "ask"),
    [
        (TASK, Action.UPDATE, ("hs_task_status",), True),
        (TASK, Action.UPDATE, ("hs_task_unheard",), False),
        (TASK, Action.UPDATE, (), True),
        (TASK, Action.RESTORE, (), True),
        (TASK, Action.DELETE, ("hs_task_status",), False),
        (CALL, Action.CREATE, (), True),
        (EMAIL, Action.CREATE, (), True),
        (MEETING, Action.UPDATE, ("hs_meeting_outcome",), True),
        (MEETING, Action.DELETE, (), False),
        (NOTE, Action.UPDATE, ("hs_note_body",), False),
        (COMPANY, Action.UPDATE, ("handoff_csm",), True),
        (COMPANY, Action.UPDATE, ("description",), False),
        (COMPANY, Action.MERGE, (), True),
    ],
)
def test_the_portal_is_asked_about_others_only_when_it_matters(
    object_type: str, action: Action, changed: tuple[str, ...], ask: bool
) -> None:
    found = seen(object_type, action, *changed)
    assert (found.ask, found.deal_ids, found.ref) == (ask, (), ref_of(object_type, "5"))
    assert not seen(object_type, action, *changed, by_self=True).ask, "of an own change only what the ledger knows"


def test_merged_records_and_the_far_end_of_an_association_are_looked_at_too() -> None:
    merged = meaning().of(Event(DEAL, "5", Action.MERGE, AT, also=("6", "7", "5")))
    assert [each.deal_ids for each in merged] == [("5",), ("6",), ("7",)]
    linked = meaning().of(Event(TASK, "8", Action.ASSOCIATION, AT, also=(f"{DEAL}:5", "0-1:9")))
    assert [(each.ref, each.minor) for each in linked] == [(Ref(Kind.DEAL, "5"), True)]
    (account,) = meaning().of(Event(DEAL, "5", Action.ASSOCIATION, AT, also=(f"{COMPANY}:9",)))
    assert not account.minor, "whose account it is decides who the CSM is"
    (elsewhere,) = meaning().of(Event(TASK, "8", Action.ASSOCIATION, AT, also=("0-1:9",)))
    assert (elsewhere.ref, elsewhere.ask) == (Ref(Kind.TASK, "8"), False)


@pytest.mark.parametrize("object_type", ["0-1", "0-5", "2-123", "", "deal"])
def test_what_is_not_watched_means_nothing(object_type: str) -> None:
    assert meaning().of(Event(object_type, "5", Action.UPDATE, AT)) == ()
    assert meaning().followed(object_type) == frozenset()


@pytest.mark.parametrize("object_type", [COMPANY, TASK, NOTE])
def test_fresh_companies_tasks_and_notes_have_nothing_to_say(object_type: str) -> None:
    """Every handoff makes a handful of them."""
    assert meaning().of(Event(object_type, "5", Action.CREATE, AT, changed=frozenset({"hs_task_status"}))) == ()


def test_properties_that_the_portal_does_not_have_are_not_followed() -> None:
    crm_map = a_map()
    fields = Fields(crm_map)
    fields.learn(Kind.DEAL, ["dealname", "dealstage", "handoff_risks"])
    followed = Meaning(fields, crm_map, SystemName("hs")).followed(DEAL)
    assert {"dealstage", "handoff_risks", "pipeline"} <= followed
    assert "handoff_why_bought" not in followed


def test_a_ref_leads_back_to_its_type() -> None:
    refs = {each: ref_of(each, "5") for each in KINDS}
    assert len(set(refs.values())) == len(KINDS), "a call and a meeting may bear the same number"
    assert {each: type_of(ref) for each, ref in refs.items()} == {each: (each, "5") for each in KINDS}
    with pytest.raises(KeyError):
        ref_of("0-1", "5")


# whereabouts


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as made:
        yield made


def a_session(portal: Portal) -> Session:
    time = Passing()
    waits = Waits(clock=time.clock, monotonic=time.monotonic, wait=time.wait)
    return Session(login=StaticToken("pat-test"), base_url=portal.url, waits=waits)


LINKS: dict[str, dict[str, tuple[str, ...]]] = {
    "calls": {"1": ("50", "51")},
    "meetings": {"1": ("52",)},
    "companies": {"7": ("50", "50", "53")},
}


def linked(asked: Asked) -> Reply:
    """Links as the vendor lists them; one without any is an error of its row."""
    links = LINKS.get(asked.path.split("/")[-4], {})
    ids = [each["id"] for each in asked.body["inputs"]]
    results = [
        {"from": {"id": each}, "to": [{"toObjectId": int(to)} for to in links[each]]} for each in ids if each in links
    ]
    error = {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND", "message": "none", "context": {}}
    errors = [error for each in ids if each not in links]
    return Reply({"results": results, "numErrors": len(errors), "errors": errors}, status=207 if errors else 200)


def test_the_deals_of_records_are_asked_for_in_one_call_a_type(portal: Portal) -> None:
    portal.otherwise = linked
    refs = [ref_of(CALL, "1"), ref_of(CALL, "2"), ref_of(MEETING, "1"), ref_of(COMPANY, "7"), ref_of(TASK, "1")]
    assert deals_of(a_session(portal), refs) == {
        refs[0]: ("50", "51"),
        refs[2]: ("52",),
        refs[3]: ("50", "53"),
    }
    assert sorted(each.path.split("/")[-4] for each in portal.asked) == ["calls", "companies", "meetings", "tasks"]


def test_a_type_that_may_not_be_seen_does_not_keep_the_others_from_being_found(portal: Portal) -> None:
    lacking = Reply({"message": "This app lacks a scope", "category": "MISSING_SCOPES"}, status=403)
    portal.otherwise = lambda asked: lacking if "/calls/" in asked.path else linked(asked)
    refs = [ref_of(CALL, "1"), ref_of(MEETING, "1")]
    assert deals_of(a_session(portal), refs) == {refs[1]: ("52",)}
    portal.otherwise = lambda asked: Reply({"message": "away"}, status=503)
    with pytest.raises(CrmError):
        deals_of(a_session(portal), refs)
