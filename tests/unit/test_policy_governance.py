"""[governance] of process.toml as thresholds: numbers, targets in the measure's own unit, and what is left out."""

from __future__ import annotations

from decimal import Decimal

from connector.errors import Problem
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.governance import Cadence
from connector.policy.conditions import Scope, Vocabulary
from connector.policy.governance import governance
from connector.policy.model.governance import GovernanceSpec
from connector.policy.model.watch import TargetsSpec
from connector.settings.spans import Source

OWNER = "revops@seller.example"


def built(**tables: object) -> tuple[object, list[Problem]]:
    problems: list[Problem] = []
    words = Vocabulary(types={}, choices={}, lacking={}, segments=())
    scope = Scope(Source("process.toml", {}, ""), words, problems)
    spec = GovernanceSpec.model_validate({"owner": OWNER, **tables})
    return governance(spec, scope=scope, day=Decimal(8), targets=TargetsSpec()), problems


def test_without_the_table_there_is_none() -> None:
    scope = Scope(Source("process.toml", {}, ""), Vocabulary({}, {}, {}, ()), [])
    assert governance(None, scope=scope, day=Decimal(8), targets=TargetsSpec()) is None


def test_targets_count_in_the_unit_of_their_measure() -> None:
    rows = (
        {"name": "completion", "measure": "completion", "below": "completion_red_percent", "for": 2},
        {"name": "writing", "measure": "ae_hours", "above": "ae_writing_minutes"},
        {"name": "touch", "measure": "ttft", "above": "first_touch_alarm_hours"},
        {"name": "kickoff", "measure": "kickoff", "above": "kickoff_working_days"},
        {"name": "kept", "measure": "retention90", "below": "churn_90_days_percent"},
        {"name": "rating", "measure": "rating", "below": Decimal("3.5")},
    )
    made, problems = built(monthly=rows)
    assert problems == []
    found = {one.name: one for one in made.thresholds}  # type: ignore[attr-defined]
    assert {name: one.limit for name, one in found.items()} == {
        "completion": 85,
        "writing": Decimal(20) / 60,
        "touch": 48,
        "kickoff": 5,
        "kept": 95,
        "rating": Decimal("3.5"),
    }
    assert (found["completion"].runs, found["completion"].over, found["writing"].over) == (2, False, True)
    assert found["completion"].target == "completion_red_percent"


def test_weeks_months_and_quarters_stand_in_lists_of_their_own() -> None:
    made, problems = built(
        hypercare=({"name": "w1", "week": 1, "measure": "completion", "below": "hypercare_week1_percent"},),
        monthly=({"name": "m", "measure": "drop", "above": "drop_percent"},),
        quarterly=({"name": "q", "measure": "nps", "below": "nps", "at_least": 5},),
    )
    assert problems == []
    assert [(one.cadence, one.week, one.limit, one.at_least) for one in made.thresholds] == [  # type: ignore[attr-defined]
        (Cadence.HYPERCARE, 1, 50, 1),
        (Cadence.MONTH, 0, 15, 1),
        (Cadence.QUARTER, 0, 50, 5),
    ]
    assert made.within == Limit(Decimal(16), Clock.BUSINESS)  # type: ignore[attr-defined]
