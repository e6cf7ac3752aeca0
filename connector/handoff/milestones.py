"""How far a customer has come: a measure's count, a milestone's progress, and when it was reached.

Not here: what is shown of it (``rules.onboarding``) and who is stuck (``rescue``). What is counted by its values counts
whenever it came, also before the win: a source that was connected on trial is connected. What is counted by its events
counts from the win on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal

from connector.handoff.case import Case
from connector.handoff.counted import Sort, Tally
from connector.handoff.model import Value
from connector.handoff.productbook import Measure, Milestone, Need

PROGRESS = "account.activation"
"""Where the activation milestone's progress is shown; what stands there is not taken back when the ledger is lost."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How many, and when the number asked for was reached (None: not yet, or nobody knows when)."""

    count: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """``n`` of ``of``, and when all were there."""

    n: int
    of: int
    at: datetime | None = None

    @property
    def done(self) -> bool:
        """Whether the milestone is reached."""
        return self.n >= self.of


def since_of(case: Case) -> datetime | None:
    """From when on a handoff's events count."""
    return case.won_at or case.released_at


def reached(case: Case, need: Need) -> Reached:
    """How far a need is met by now; a measure that is not declared any more counts nothing."""
    policy = case.policy.product
    measure = policy.measure(need.measure) if policy else None
    if measure is None:
        return Reached(0)
    if measure.field:
        return _by_field(case, measure, need)
    steps = _by_value(rows(case, measure, Sort.VALUE)) if measure.distinct else _by_event(case, measure)
    count, at = 0, None
    for first, last, many in steps:
        if count < need.at_least <= count + many:
            at = first if count + 1 >= need.at_least else last
        count += many
    return Reached(count, at)


def rows(case: Case, measure: Measure, sort: Sort) -> tuple[Tally, ...]:
    """What was counted of a measure up to now, the earliest first."""
    facts = case.snapshot.product
    if facts.ambiguous:
        return ()
    found = (row for row in facts.tallies.get(measure.name, ()) if row.sort is sort and row.first <= case.now)
    return tuple(sorted(found, key=lambda row: (row.first, row.part)))


def progress(case: Case, milestone: Milestone) -> Progress:
    """How far the customer is; never less than what was already shown of the activation milestone."""
    met = [(need, reached(case, need)) for need in milestone.needs]
    done = [one.count >= need.at_least for need, one in met]
    if len(met) == 1:
        need, one = met[0]
        n, of = min(one.count, need.at_least), need.at_least
    else:
        n, of = sum(done), len(met)
    n = max(n, min(_shown_before(case, milestone), of))
    times = [one.at for _, one in met if one.at]
    at = max(times) if n >= of and all(done) and len(times) == len(met) else None
    return Progress(n, of, at or _activated_on(case, milestone) if n >= of else None)


def fits(case: Case, milestone: Milestone) -> bool:
    """Whether a milestone is meant for this deal."""
    return case.holds(milestone.when)


def activation(case: Case) -> Milestone | None:
    """The milestone that shows, for this deal, that the customer has got something out of the product."""
    policy = case.policy.product
    found = (one for one in policy.milestones if one.activation and fits(case, one)) if policy else iter(())
    return next(found, None)


def progress_text(milestone: Milestone, found: Progress) -> str:
    """A progress in the admin's words, e.g. ``1 of 3 connected``."""
    return milestone.says.replace("{n}", str(found.n)).replace("{of}", str(found.of))


def _shown_before(case: Case, milestone: Milestone) -> int:
    """What the account shows already: it counted then, whatever the ledger remembers now."""
    if not milestone.activation:
        return 0
    pattern = re.escape(milestone.says).replace(re.escape("{n}"), r"(\d{1,9})").replace(re.escape("{of}"), r"\d{1,9}")
    found = re.fullmatch(pattern, str(case.value(PROGRESS) or "").strip())
    return int(found.group(1)) if found and found.groups() else 0


def _activated_on(case: Case, milestone: Milestone) -> datetime | None:
    return moment_of(case.value("account.activated_on")) if milestone.activation else None


def moment_of(value: Value) -> datetime | None:
    """A date or a time as a moment, for what is counted by the hour."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, time.min, tzinfo=UTC) if isinstance(value, date) else None


def _by_field(case: Case, measure: Measure, need: Need) -> Reached:
    value = case.value(measure.field)
    if isinstance(value, Decimal):
        count = max(int(value), 0)
        return Reached(count, case.now if count >= need.at_least else None)
    at = moment_of(value)
    if at is not None:
        return Reached(1, at) if at <= case.now else Reached(0)
    return Reached(1, case.now) if value is True else Reached(0)


def _by_event(case: Case, measure: Measure) -> list[tuple[datetime, datetime, int]]:
    since = since_of(case)
    found = rows(case, measure, Sort.EVENTS)
    return [(row.first, row.last, row.count) for row in found if since is None or row.last >= since]


def _by_value(found: tuple[Tally, ...]) -> list[tuple[datetime, datetime, int]]:
    first: dict[str, datetime] = {}
    for row in found:
        first.setdefault(row.part, row.first)
    return [(at, at, 1) for at in sorted(first.values())]
