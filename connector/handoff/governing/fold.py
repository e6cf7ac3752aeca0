"""What the trail and the latest decisions say of a period: what fired, what was let through, what people touched.

Not here: reading the store, and what follows from it (``silent``, ``proposals``). Decisions of a release that kept less
lack some of it; what is not known counts as nothing and is said to be so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.handoff.byhand import Touch
from connector.handoff.ownership import REVERT_STEP
from connector.handoff.plan import KEPT

DECIDED, OVERRIDDEN = "decided", "overridden"
"""The kinds of rows of the trail that are read here."""

CHANGES, ASSIGNMENT = "changes", "assignment"


@dataclass(frozen=True, slots=True)
class Told:
    """One row of the trail."""

    at: datetime
    deal_id: str
    generation: int
    kind: str
    by: str
    reason: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Excused:
    """One deal that was let through with gaps: by whom, why, and the labels of what was missing."""

    deal_id: str
    by: str
    reason: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Touched:
    """One kind of touch on one step, and the deals on which it happened."""

    step: str
    touch: Touch
    deals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. Counts are of deals: by segment, by the rule that chose the CSM, by field that was required
    (``asked``), by label of what was missing (``lacked``), by step that was made, by milestone reached.
    ``rules_known``: some row names the rule that chose. ``told_changes`` are the sentences in which CSMs were told of
    changed answers."""

    deals: int = 0
    segments: Mapping[str, int] = field(default_factory=dict)
    chosen_by: Mapping[str, int] = field(default_factory=dict)
    rules_known: bool = False
    asked: Mapping[str, int] = field(default_factory=dict)
    lacked: Mapping[str, int] = field(default_factory=dict)
    made: Mapping[str, int] = field(default_factory=dict)
    steps_of_books: Mapping[str, int] = field(default_factory=dict)
    reached: Mapping[str, int] = field(default_factory=dict)
    excused: tuple[Excused, ...] = ()
    touched: tuple[Touched, ...] = ()
    comments: tuple[tuple[str, str], ...] = ()
    told_changes: tuple[str, ...] = ()


def fold(rows: Iterable[Told], plans: Mapping[str, Mapping[str, Any]]) -> Evidence:
    """The evidence of a period, from its rows of the trail, oldest first, and the latest decision of each deal won in
    it, by deal id."""
    trail = _Trail()
    for row in rows:
        trail.add(row)
    touched = _touched_in(plans)
    for key, deals in trail.touched().items():
        touched[key] |= deals
    segments = Counter(str(plan.get("segment") or "") for plan in plans.values())
    return Evidence(
        deals=len(plans),
        segments=dict(segments),
        chosen_by={name: len(deals) for name, deals in trail.chosen.items()},
        rules_known=bool(trail.chosen),
        asked=_asked(plans),
        # Of the same deals as ``asked``: the trail also tells of wins of other periods, and of those only observed.
        lacked={label: found for label, deals in trail.lacked.items() if (found := len(deals & plans.keys()))},
        made={step: len(deals) for step, deals in trail.made.items()},
        steps_of_books=dict(Counter(task["step"] for plan in plans.values() for task in plan.get("tasks", ()))),
        reached=dict(Counter(name for plan in plans.values() for name in plan.get("reached", ()))),
        excused=tuple(trail.excused.values()),
        touched=tuple(
            Touched(step, touch, tuple(sorted(deals))) for (step, touch), deals in sorted(touched.items()) if deals
        ),
        comments=tuple((deal, text) for deal, plan in plans.items() for text in plan.get("comments", ())),
        told_changes=tuple(trail.changes),
    )


class _Trail:
    """What rows come to, one after the other."""

    def __init__(self) -> None:
        self.chosen: dict[str, set[str]] = defaultdict(set)
        self.lacked: dict[str, set[str]] = defaultdict(set)
        self.made: dict[str, set[str]] = defaultdict(set)
        self.excused: dict[tuple[str, int], Excused] = {}
        self.changes: list[str] = []
        self._csm: dict[tuple[str, int], str] = {}
        self._put_back: Counter[str] = Counter()
        self._moved: set[str] = set()
        self._reassigned: set[str] = set()

    def add(self, row: Told) -> None:
        key = row.deal_id, row.generation
        if row.kind == OVERRIDDEN:
            missing = tuple(str(label) for label in row.data.get("missing", ()))
            self.excused[key] = Excused(row.deal_id, row.by, row.reason, missing)
        if row.kind != DECIDED:
            return
        if rule := row.data.get("chosen_by"):
            self.chosen[str(rule)].add(row.deal_id)
        if row.data.get("gate") not in (None, ""):
            for label in row.data.get("missing", ()):
                self.lacked[str(label)].add(row.deal_id)
        self._follow_csm(key, row)
        for action in row.data.get("actions", ()):
            step = str(action.get("step", ""))
            self.made[step].add(row.deal_id)
            if step == REVERT_STEP:
                if self._put_back[row.deal_id]:
                    self._moved.add(row.deal_id)
                self._put_back[row.deal_id] += 1
            if "is told what changed" in str(action.get("reason", "")):
                self.changes.append(str(action["reason"]))

    def _follow_csm(self, key: tuple[str, int], row: Told) -> None:
        """Whether somebody else is CSM now, whom no rule chose."""
        csm, before = row.data.get("csm"), self._csm.get(key)
        if not csm:
            return
        if before is not None and csm != before and row.data.get("chosen_by", KEPT) == KEPT:
            self._reassigned.add(row.deal_id)
        self._csm[key] = str(csm)

    def touched(self) -> dict[tuple[str, Touch], set[str]]:
        return {
            (ASSIGNMENT, Touch.REASSIGNED): self._reassigned,
            ("gate", Touch.MOVED): self._moved,
        }


def _touched_in(plans: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, Touch], set[str]]:
    found: dict[tuple[str, Touch], set[str]] = defaultdict(set)
    for deal_id, plan in plans.items():
        for one in plan.get("by_hand", ()):
            found[str(one["step"]), Touch(one["touch"])].add(deal_id)
    return found


def _asked(plans: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Of how many deals each field was required."""
    found: dict[str, set[str]] = defaultdict(set)
    for deal_id, plan in plans.items():
        for finding in plan.get("findings", ()):
            for check in finding.get("checks", ()):
                found[str(check["field"])].add(deal_id)
    return {name: len(deals) for name, deals in found.items()}
