"""A deal's course through the won stages: by stage times, by histories whole, cut short, missing and late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.crm.hubspot import wire
from connector.crm.hubspot.history import Course, StageTimes, from_history, stage_times, was_won, win_from_times
from connector.crm.hubspot.movers import mover_of, own_sources
from connector.handoff.model import Stage
from connector.handoff.moves import NOBODY_KNOWN, Mover, MoverKind, Passing

WON = Stage(id="closedwon", label="Won", is_won=True, is_closed=True, pipeline="default")
OPEN = Stage(id="contractsent", label="Contract", is_won=False, is_closed=False, pipeline="default")
EARLY = Stage(id="Custom-Stage-9", label="Early", is_won=False, is_closed=False, pipeline="default")
LOST = Stage(id="closedlost", label="Lost", is_won=False, is_closed=True, pipeline="default")
RENEWED = Stage(id="880100103", label="Renewed", is_won=True, is_closed=True, pipeline="8801001")
TALKING = Stage(id="880100102", label="In negotiation", is_won=False, is_closed=False, pipeline="8801001")
STAGES = {stage.id: stage for stage in (WON, OPEN, EARLY, LOST, RENEWED, TALKING)}
AT = datetime(2026, 11, 19, 14, 5, 6, 789000, tzinfo=UTC)

PROPERTIES = (
    "hs_v2_date_entered_closedwon",
    "hs_v2_date_entered_880100103",
    "hs_v2_date_exited_closedwon",
    "hs_v2_date_exited_contractsent",
    "hs_v2_date_exited_closedlost",
    "hs_v2_date_exited_custom_stage_9_1712",
    "hs_v2_date_entered_current_stage",
)
TIMES = stage_times(PROPERTIES, tuple(STAGES.values()))
APP = {"sourceType": "INTEGRATION", "sourceId": "4711", "sourceLabel": "handoff"}
FLOW = {
    "sourceType": "AUTOMATION_PLATFORM",
    "sourceId": "enrollmentId:8;actionExecutionIndex:0",
    "sourceLabel": "Robot",
}
REP = {"sourceType": "CRM_UI", "sourceId": "userId:9001", "updatedByUserId": 9001}
OURS = frozenset({("INTEGRATION", "4711")})


def hours(number: float) -> datetime:
    return AT + timedelta(hours=number)


def a_deal(*, times: StageTimes = TIMES, **late: float) -> wire.Obj:
    """A deal with stage times so many seconds after `AT`, changed an hour later."""
    read = {f"hs_v2_date_{name}": wire.iso(AT + timedelta(seconds=seconds)) for name, seconds in late.items()}
    assert set(read) <= set(times.names)
    return wire.Obj("1", read, updated_at=hours(1))


def told(*steps: str | tuple[str, dict[str, Any]]) -> wire.Obj:
    """A history with a step an hour, the first at `AT`."""
    entries = []
    for number, step in enumerate(steps):
        stage, source = (step, {}) if isinstance(step, str) else step
        entries.append({"value": stage, "timestamp": wire.iso(hours(number)), **source})
    return wire.obj({"id": "1", "propertiesWithHistory": {"dealstage": entries[::-1]}})


def course(history: wire.Obj, stage: Stage, *, row: wire.Obj | None = None, times: StageTimes = TIMES) -> Course:
    return from_history(history, row=row or a_deal(), stage=stage, times=times, stage_of=STAGES.get, own=OURS)


# by stage times


def test_stage_time_properties_are_found_in_the_list_suffix_and_mangling_included() -> None:
    assert TIMES.entered == {"closedwon": PROPERTIES[0], "880100103": PROPERTIES[1]}
    assert TIMES.exited["Custom-Stage-9"] == "hs_v2_date_exited_custom_stage_9_1712"
    assert TIMES.complete
    assert not stage_times(PROPERTIES[1:], tuple(STAGES.values())).complete


@pytest.mark.parametrize(
    ("properties", "win"),
    [
        ({"entered_closedwon": 0, "exited_contractsent": 0}, Course(AT, "contractsent")),
        (
            {"entered_closedwon": 0, "exited_contractsent": 1, "exited_custom_stage_9_1712": -900},
            Course(AT, "contractsent"),
        ),
        ({"entered_closedwon": 0, "exited_closedwon": -60, "exited_contractsent": 0}, Course(AT, "contractsent")),
        ({"entered_closedwon": 0, "exited_closedwon": 60, "exited_contractsent": 0}, Course()),
        ({"entered_closedwon": 0, "exited_contractsent": 0, "exited_custom_stage_9_1712": 1}, Course(AT)),
        ({"entered_closedwon": 0, "exited_closedlost": 0}, Course(AT)),
        ({"entered_closedwon": 0}, Course(AT)),
        ({}, Course()),
    ],
)
def test_a_win_is_taken_from_stage_times_only_where_they_agree(properties: dict[str, int], win: Course) -> None:
    assert win_from_times(a_deal(**properties), WON, TIMES) == win


@pytest.mark.parametrize(
    ("row", "times", "asked"),
    [
        (a_deal(), TIMES, False),
        (a_deal(exited_contractsent=0), TIMES, False),
        (a_deal(entered_closedwon=0), TIMES, True),
        (a_deal(entered_880100103=0), TIMES, True),
        (a_deal(), stage_times((), (WON, OPEN)), True),
    ],
)
def test_an_open_deal_is_asked_for_its_history_only_when_it_may_have_been_won(
    row: wire.Obj, times: StageTimes, asked: bool
) -> None:
    assert was_won(row, times) is asked


# by history


@pytest.mark.parametrize(
    ("steps", "at", "before"),
    [
        (("contractsent", "closedwon"), hours(1), "contractsent"),
        (("closedwon", "contractsent", "closedwon"), hours(2), "contractsent"),
        (("contractsent", "closedwon", "closedwon"), hours(1), "contractsent"),
        (("contractsent", "closedlost", "closedwon"), hours(2), "contractsent"),
        (("contractsent", "a-deleted-stage", "closedwon"), hours(2), "contractsent"),
        (("880100102", "closedwon"), hours(1), "880100102"),
        (("880100102", "880100103", "closedwon"), hours(1), "880100102"),
        (("closedwon",), hours(0), None),
        (("a-deleted-stage", "closedwon"), hours(1), None),
        ((), None, None),
        # What happened between the two readings is left to the next look.
        (("contractsent", "closedwon", "contractsent"), hours(1), "contractsent"),
    ],
)
def test_a_win_by_history_is_its_last_entry_and_the_last_open_stage_before(
    steps: tuple[str, ...], at: datetime | None, before: str | None
) -> None:
    found = course(told(*steps), WON)
    assert (found.at, found.before) == (at, before)


def test_a_win_that_the_history_knows_only_in_part_is_completed_by_the_stage_times() -> None:
    row = a_deal(entered_closedwon=0.4, exited_contractsent=0)
    cut = course(told("closedwon"), WON, row=row)
    assert (cut.at, cut.before) == (AT + timedelta(seconds=0.4), "contractsent")
    assert course(wire.obj({"id": "1"}), WON, row=row) == Course(AT + timedelta(seconds=0.4), "contractsent")


def test_the_history_wins_where_the_stage_times_know_another_entry() -> None:
    assert course(told("closedwon", "contractsent", "closedwon"), WON, row=a_deal(entered_closedwon=0)).at == hours(2)


def test_a_win_that_was_left_again_is_a_passing_with_both_movers() -> None:
    found = course(told("contractsent", ("closedwon", FLOW), ("contractsent", APP)), OPEN)
    assert found == Course(
        passed=(
            Passing(
                hours(1),
                hours(2),
                "contractsent",
                "contractsent",
                Mover(MoverKind.AUTOMATION, "Robot"),
                Mover(MoverKind.SELF, "4711"),
            ),
        )
    )


def test_every_win_of_a_fight_is_told_in_order_and_the_present_one_apart() -> None:
    back, again = ("contractsent", APP), ("closedwon", FLOW)
    found = course(told("contractsent", ("closedwon", REP), back, again, back, again), WON)
    assert (found.at, found.before, found.by.kind) == (hours(5), "contractsent", MoverKind.AUTOMATION)
    assert [(each.entered_by.kind, each.left_by.kind) for each in found.passed] == [
        (MoverKind.PERSON, MoverKind.SELF),
        (MoverKind.AUTOMATION, MoverKind.SELF),
    ]


def test_a_step_from_one_won_stage_to_another_pipelines_is_one_stay() -> None:
    found = course(told("880100102", "880100103", "closedwon", "contractsent"), OPEN)
    assert [(each.entered_at, each.left_at, each.came_from) for each in found.passed] == [
        (hours(1), hours(3), "880100102")
    ]


def test_a_win_by_id_closedwon_in_a_stage_that_is_no_win_is_none() -> None:
    drifted = {**STAGES, "closedwon": Stage("closedwon", "Lost, really", is_won=False, is_closed=True)}
    found = from_history(
        told("contractsent", "closedwon", "contractsent"),
        row=a_deal(),
        stage=OPEN,
        times=TIMES,
        stage_of=drifted.get,
        own=OURS,
    )
    assert found.passed == ()


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (a_deal(entered_closedwon=0, exited_closedwon=30), AT + timedelta(seconds=30)),
        (a_deal(entered_closedwon=0, exited_closedwon=-30), hours(1)),
        (a_deal(entered_closedwon=0), hours(1)),
    ],
)
def test_without_a_history_the_stage_times_tell_of_a_win_that_was_left(row: wire.Obj, left: datetime) -> None:
    assert course(wire.obj({"id": "1"}), OPEN, row=row) == Course(passed=(Passing(AT, left, None, "contractsent"),))


def test_a_history_that_does_not_show_the_leaving_yet_is_ended_by_the_deals_last_change() -> None:
    (found,) = course(told("contractsent", ("closedwon", REP)), EARLY).passed
    assert (found.entered_at, found.went_to, found.entered_by.kind) == (hours(1), EARLY.id, MoverKind.PERSON)
    assert found.left_at > found.entered_at


# movers


@pytest.mark.parametrize(
    ("source", "mover"),
    [
        (REP, Mover(MoverKind.PERSON, "9001")),
        ({"sourceType": "MOBILE_IOS", "sourceId": "userId:9001"}, Mover(MoverKind.PERSON, "9001")),
        ({"sourceType": "CRM_UI"}, Mover(MoverKind.PERSON)),
        (FLOW, Mover(MoverKind.AUTOMATION, "Robot")),
        ({"sourceType": "WORKFLOWS", "sourceId": "12"}, Mover(MoverKind.AUTOMATION, "12")),
        (APP, Mover(MoverKind.SELF, "4711")),
        ({**APP, "sourceId": "4712", "sourceLabel": "Billing"}, Mover(MoverKind.INTEGRATION, "Billing")),
        ({"sourceType": "API", "sourceId": "4712"}, Mover(MoverKind.INTEGRATION, "4712")),
        ({"sourceType": "IMPORT", "sourceId": "61"}, Mover(MoverKind.IMPORT, "61")),
        ({"sourceType": "SOMETHING_NEW", "sourceId": "61"}, NOBODY_KNOWN),
        ({}, NOBODY_KNOWN),
    ],
)
def test_who_moved_a_deal_is_read_from_the_source(source: dict[str, Any], mover: Mover) -> None:
    (entry,) = told(("closedwon", source)).history["dealstage"]
    assert mover_of(entry, OURS) == mover


def test_our_own_app_is_known_by_the_mark_that_only_it_writes() -> None:
    marks = told(("Held", APP), ("typed over", REP), ("Held", FLOW), ("Held", {"sourceType": "API"}))
    assert own_sources(marks.history["dealstage"]) == OURS
