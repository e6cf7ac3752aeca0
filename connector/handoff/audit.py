"""What the gate would say of deals that were won before anybody installed it: gaps, answers, first touches. Pure.

Not here: reading the deals (``engine.audit``) and the report (``cli.audit_paper``). Every deal is judged by the same
code that judges a win in earnest; what is added up here are counts, so that everybody can count them again.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from connector.handoff import lifecycle
from connector.handoff.case import Case
from connector.handoff.model import Record, Snapshot
from connector.handoff.plan import FieldCheck
from connector.handoff.quality import Judged, fingerprints, texts
from connector.handoff.rulebook.policy import Policy

NOBODY = "(nobody)"
SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Won:
    """One won deal as the gate would have met it. ``excluded`` ones are of a type that gets no handoff.

    ``touched`` is the first call, email or meeting by anybody after the win; None where the CRM has none. ``score`` is
    None where answers are not judged.
    """

    id: str
    name: str
    account: str
    ae: str
    segment: str
    deal_type: str
    amount: Decimal | None
    closed: date | None
    won_at: datetime | None
    touched: datetime | None
    checks: tuple[FieldCheck, ...]
    judged: tuple[Judged, ...]
    score: int | None
    excluded: bool = False

    @property
    def gaps(self) -> tuple[FieldCheck, ...]:
        """What is empty, or says too little."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def percent(self) -> int:
        """Filled share of what is required, rounded down; 100 where nothing is."""
        return (len(self.checks) - len(self.gaps)) * 100 // len(self.checks) if self.checks else 100

    @property
    def wait(self) -> timedelta | None:
        """From the win to the first touch; None where either is not known."""
        return self.touched - self.won_at if self.touched and self.won_at else None


@dataclass(frozen=True, slots=True)
class FieldTally:
    """One required field over all deals that need it: how often asked, filled, and filled with too little."""

    path: str
    label: str
    asked: int
    filled: int
    weak: int

    @property
    def missing(self) -> int:
        """Deals without a usable answer."""
        return self.asked - self.filled + self.weak

    @property
    def percent(self) -> int:
        """Share of usable answers, rounded down; 100 where nobody was asked."""
        return (self.filled - self.weak) * 100 // self.asked if self.asked else 100


@dataclass(frozen=True, slots=True)
class GroupTally:
    """Some deals together, an AE's or a segment's: how complete, how many would have passed, how soon touched.

    ``percent`` is the share of all required answers of the group that are there; ``waited`` the median of ``touched``
    deals, None where there is none.
    """

    name: str
    deals: int
    asked: int
    missing: int
    passed: int
    touched: int
    waited: timedelta | None

    @property
    def percent(self) -> int:
        """Share of the required answers that are there, rounded down."""
        return (self.asked - self.missing) * 100 // self.asked if self.asked else 100


@dataclass(frozen=True, slots=True)
class Audited:
    """All of it: the deals, and the counts over them. ``whole`` is over all deals together."""

    deals: tuple[Won, ...]
    fields: tuple[FieldTally, ...]
    by_ae: tuple[GroupTally, ...]
    by_segment: tuple[GroupTally, ...]
    whole: GroupTally
    excluded: int = 0

    @property
    def score(self) -> int | None:
        """Mean score of the answers, rounded down; None where none were judged."""
        scores = [deal.score for deal in self.deals if deal.score is not None and deal.judged]
        return sum(scores) // len(scores) if scores else None


def audit(snapshots: Sequence[Snapshot], policy: Policy, now: datetime) -> Audited:
    """Judge these deals as if the gate had stood when each was won."""
    copied = copies(snapshots, policy)
    looked = [
        _look(dataclasses.replace(each, copied=copied.get(each.key.deal_id, {})), policy, now) for each in snapshots
    ]
    deals = tuple(each for each in looked if not each.excluded)
    return Audited(
        deals=deals,
        fields=_by_field(deals, policy),
        by_ae=_grouped((deal.ae or NOBODY, deal) for deal in deals),
        by_segment=_grouped((deal.segment, deal) for deal in deals),
        whole=_tally("", deals),
        excluded=len(looked) - len(deals),
    )


def with_blanks(record: Record, paths: Iterable[str]) -> Record:
    """The record with every name known; what could not be read was answered by nobody."""
    return dataclasses.replace(record, values={**dict.fromkeys(paths), **record.values})


def copies(snapshots: Sequence[Snapshot], policy: Policy) -> Mapping[str, Mapping[str, str]]:
    """By deal and field, an earlier deal of the same AE at another account with the same answer."""
    first: dict[tuple[str, str, str], tuple[str, str]] = {}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for each in sorted(snapshots, key=lambda one: (str(one.won_at or ""), one.key.deal_id)):
        account = each.account.ref.id if each.account else ""
        for field, digest in fingerprints(policy.quality, texts(policy.quality, each.field)).items():
            where = (each.deal.text("owner"), field, digest)
            of_account, deal_id = first.setdefault(where, (account, each.key.deal_id))
            if of_account != account:
                found[each.key.deal_id][field] = deal_id
    return found


def _look(snapshot: Snapshot, policy: Policy, now: datetime) -> Won:
    case = lifecycle.begin(snapshot, policy, now)
    amount, closed = case.value("amount"), case.value("close_date")
    account = snapshot.account.text("name") if snapshot.account else ""
    return Won(
        id=snapshot.key.deal_id,
        name=snapshot.deal.text("name") or snapshot.key.deal_id,
        account=account,
        ae=case.ae.name if case.ae else "",
        segment=case.segment,
        deal_type=snapshot.deal_type.value,
        amount=amount if isinstance(amount, Decimal) else None,
        closed=closed.date() if isinstance(closed, datetime) else closed if isinstance(closed, date) else None,
        won_at=snapshot.won_at,
        touched=_touched(case),
        checks=case.checks,
        judged=case.judged,
        score=case.score,
        excluded=case.excluded,
    )


def _touched(case: Case) -> datetime | None:
    """The first touch after the win, whoever made it; what is only planned is none."""
    won = case.snapshot.won_at
    if won is None:
        return None
    return min((touch.at for touch in case.snapshot.touches if won <= touch.at <= case.now), default=None)


def _by_field(deals: Sequence[Won], policy: Policy) -> tuple[FieldTally, ...]:
    order = dict.fromkeys(need.field for need in policy.gate.requirements)
    checks: dict[str, list[FieldCheck]] = {path: [] for path in order}
    for deal in deals:
        for check in deal.checks:
            checks[check.field].append(check)
    return tuple(
        FieldTally(
            path=path,
            label=policy.fields[path].label if path in policy.fields else path,
            asked=len(found),
            filled=sum(check.present for check in found),
            weak=sum(check.present and not check.holds for check in found),
        )
        for path, found in checks.items()
    )


def _grouped(named: Iterable[tuple[str, Won]]) -> tuple[GroupTally, ...]:
    groups: dict[str, list[Won]] = defaultdict(list)
    for name, deal in named:
        groups[name].append(deal)
    found = (_tally(name, deals) for name, deals in groups.items())
    return tuple(sorted(found, key=lambda one: (one.percent, -one.deals, one.name)))


def _tally(name: str, deals: Sequence[Won]) -> GroupTally:
    waits = sorted(wait for deal in deals if (wait := deal.wait) is not None)
    return GroupTally(
        name=name,
        deals=len(deals),
        asked=sum(len(deal.checks) for deal in deals),
        missing=sum(len(deal.gaps) for deal in deals),
        passed=sum(not deal.gaps for deal in deals),
        touched=len(waits),
        waited=median(waits),
    )


def median(waits: Sequence[timedelta]) -> timedelta | None:
    """The middle one of ordered times, or halfway between the two middle ones; None of none."""
    if not waits:
        return None
    middle = len(waits) // 2
    return waits[middle] if len(waits) % 2 else (waits[middle - 1] + waits[middle]) / 2


def hours(span: timedelta) -> float:
    """A span in hours."""
    return span.total_seconds() / SECONDS
