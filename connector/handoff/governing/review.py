"""The review of a period: figures against targets, what nobody reads, what never fired, what repeats, what to change.

Not here: reading the store (``engine.reviewing``) and what it looks like on paper (``cli.review_paper``). All of it
follows from the figures, the trail and the policy; nothing is judged by fewer cases than the policy calls few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from connector.handoff.governing.breaches import Ruling
from connector.handoff.governing.fold import Evidence, Touched
from connector.handoff.governing.periods import Period
from connector.handoff.governing.readers import readers
from connector.handoff.governing.silent import Silent, silent
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.model import Measure
from connector.handoff.measures.summing import NOTHING, Sum, aim, few, on_target
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import Targets

REPEATS = 2
"""From so many on an exception is one that repeats."""


@dataclass(frozen=True, slots=True)
class Line:
    """One measure in this period and those before it, the newest first. ``good``: on target; None where nobody can say,
    because nothing counts or nothing is aimed at. ``few``: too few cases to judge anybody by."""

    measure: Measure
    sums: tuple[Sum, ...]
    good: bool | None
    few: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """One required field, by whom its answer is used, and what else is known: of how many deals it was required, on how
    many it was missing, how often a CSM was told that it changed."""

    field: str
    label: str
    used_by: tuple[str, ...]
    asked: int
    lacked: int
    changed: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """Exceptions that have something in common: who asked, which field, who approved; and the deals."""

    what: str
    who: str
    deals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rated:
    """How one AE's handoffs were rated, and how often their customers were asked again."""

    name: str
    rating: Sum
    repeat_asks: Sum
    accepted_first: Sum


@dataclass(frozen=True, slots=True)
class Lost:
    """One customer who left within 90 days, and what their handoff lacked."""

    deal_id: str
    account: str
    ae: str
    csm: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read for one review: the sums of each measure by period, the newest first, and the rest."""

    system: str
    periods: tuple[Period, ...]
    sums: Mapping[str, tuple[Sum, ...]]
    rulings: tuple[Ruling, ...]
    evidence: Evidence
    figures: tuple[Figure, ...] = ()
    rated: tuple[Rated, ...] = ()
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """One thing to change: what, why, and the key to edit."""

    change: str
    evidence: str
    key: str


@dataclass(frozen=True, slots=True)
class Review:
    """The review of one system's period. ``partial``: it is not over yet."""

    system: str
    period: Period
    before: tuple[Period, ...]
    partial: bool
    lines: tuple[Line, ...]
    rulings: tuple[Ruling, ...]
    fields: tuple[Unread, ...]
    silent: tuple[Silent, ...]
    repeats: tuple[Repeat, ...]
    excused: int
    touched: tuple[Touched, ...]
    rated: tuple[Rated, ...]
    comments: tuple[tuple[str, str], ...]
    lost: tuple[Lost, ...]
    deals: int
    titles: Mapping[str, str] = field(default_factory=dict)
    """What deals are called, by id."""

    @property
    def unread(self) -> tuple[Unread, ...]:
        """The required fields whose answers nothing uses."""
        return tuple(one for one in self.fields if not one.used_by)


def review(policy: Policy, seen: Seen, measures: Iterable[Measure], *, partial: bool) -> Review:
    """The review of what was read."""
    return Review(
        system=seen.system,
        period=seen.periods[0],
        before=seen.periods[1:],
        partial=partial,
        lines=tuple(_line(one, seen.sums.get(one.key, ()), policy.targets) for one in measures),
        rulings=seen.rulings,
        fields=_fields(policy, seen.evidence),
        silent=silent(policy, seen.evidence),
        repeats=repeats(seen.evidence, {one.deal_id: one for one in seen.figures}),
        excused=len(seen.evidence.excused),
        touched=seen.evidence.touched,
        rated=seen.rated,
        comments=seen.evidence.comments,
        lost=seen.lost,
        deals=seen.evidence.deals,
        titles={one.deal_id: one.account_name or one.title for one in seen.figures},
    )


def repeats(evidence: Evidence, figures: Mapping[str, Figure]) -> tuple[Repeat, ...]:
    """Exceptions that come again: by AE, by field, by approver; the most frequent first."""
    by: dict[tuple[str, str], list[str]] = {}
    for one in evidence.excused:
        figure = figures.get(one.deal_id)
        keys = [("AE", figure.ae.name)] if figure and figure.ae.name else []
        keys += [("field", label) for label in one.missing]
        keys += [("approver", one.by)] if one.by else []
        for key in keys:
            by.setdefault(key, []).append(one.deal_id)
    found = [Repeat(what, who, tuple(deals)) for (what, who), deals in by.items() if len(deals) >= REPEATS]
    return tuple(sorted(found, key=lambda one: (-len(one.deals), one.what, one.who)))


def lacks_of(lost: Sequence[Lost]) -> Counter[str]:
    """What the handoffs of lost customers lacked, and how many lacked it."""
    return Counter(lack for one in lost for lack in dict.fromkeys(one.lacks))


def _line(measure: Measure, sums: tuple[Sum, ...], targets: Targets) -> Line:
    now = sums[0] if sums else NOTHING
    return Line(measure, sums, on_target(measure, now, aim(measure, targets)), few(now, least=targets.few))


def _fields(policy: Policy, evidence: Evidence) -> tuple[Unread, ...]:
    found = []
    for name, places in readers(policy).items():
        rule = policy.fields.get(name)
        label = rule.label if rule else name
        changed = sum(label in said for said in evidence.told_changes)
        asked, lacked = evidence.asked.get(name, 0), evidence.lacked.get(label, 0)
        found.append(Unread(name, label, places, asked, lacked, changed))
    return tuple(found)
