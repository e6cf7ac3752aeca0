"""Red flags: customers who answer late, miss meetings, or ask for more than was sold, and what shows it.

Not here: who is told (``rules.redflags``). A flag has episodes: one is over when the customer answers, comes, or the
field no longer says so, and only then another can begin. An episode bears the time at which it began, or where a field
shows it its number, so that it is found again by the key of its task though the ledger was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.handoff.attention import RED_FLAGS, attends
from connector.handoff.calendar import limit_end
from connector.handoff.case import Case, listed
from connector.handoff.meetings import held_at
from connector.handoff.model import Outcome, TouchKind
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.watch import FlagKind, RedFlag
from connector.handoff.text import one_line, shown

REPLIED_AT = "replied_at"
"""The deal's field that says when the customer last answered, for CRMs that do not keep what came in."""

_OVER = "flag-over:"


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag that stands now: under which step its task is made, and what shows it, in a sentence."""

    flag: RedFlag
    step: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What a flag comes to: raised or not; when it comes up by itself if nobody does anything; a mark to remember."""

    raised: Raised | None = None
    comes_at: datetime | None = None
    mark: tuple[str, datetime] | None = None


NOTHING = Looked()


def watched(case: Case) -> bool:
    """Whether this deal's red flags are looked for at all."""
    return asked_for(case) and attends(case, RED_FLAGS, case.policy.red_flags.since)


def asked_for(case: Case) -> bool:
    """Whether the deal's handoff runs, and began no longer ago than flags are looked for."""
    asked, began = case.policy.red_flags, case.released_at
    return bool(asked.flags) and case.released and began is not None and case.now <= began + asked.span


def look(case: Case, flag: RedFlag) -> Looked:
    """How one flag stands. Raises ValueError when the calendar has no working hours."""
    match flag.kind:
        case FlagKind.SILENCE:
            return _silence(case, flag)
        case FlagKind.NO_SHOWS:
            return _no_shows(case, flag)
        case FlagKind.FIELD:
            return _field(case, flag)


def made_before(case: Case, step: str) -> bool:
    """Whether this episode was raised already, as the ledger or its task in the CRM tells."""
    return step in case.ledger.effects or case.task(step) is not None


def _silence(case: Case, flag: RedFlag) -> Looked:
    """The customer has not answered the CSM in time. Only where some answer of theirs was ever seen: where the CRM is
    told of none, silence proves nothing."""
    heard = [at for at in replies(case) if at <= case.now]
    if not heard or case.csm is None:
        return NOTHING
    met = (one.at for one in case.snapshot.touches if one.kind is not TouchKind.EMAIL and one.at <= case.now)
    own = (at for one in case.snapshot.meetings if (at := held_at(case, one)))
    answered = max((*heard, *met, *own))
    since = max(answered, case.released_at or answered)
    asked = min(
        (one.at for one in case.snapshot.touches if _written(case, one.kind, one.by) and since < one.at <= case.now),
        default=None,
    )
    if asked is None:
        return NOTHING
    late = limit_end(case.calendar_for(Role.CSM), asked, flag.slower_than)
    if late > case.now:
        return Looked(comes_at=late)
    evidence = (
        f"No answer to the mail of {case.day(asked)}, {case.clock(asked)}; "
        f"the customer was last heard of on {case.day(answered)}."
    )
    return Looked(Raised(flag, _step(flag, _stamp(asked)), evidence))


def replies(case: Case) -> Iterator[datetime]:
    """When the customer wrote, as far as the CRM, or a field of the deal, tells."""
    yield from case.snapshot.replies
    told = case.value(REPLIED_AT)
    if isinstance(told, datetime):
        yield told


def _written(case: Case, kind: TouchKind, by: str | None) -> bool:
    ours = {person.id for person in (case.csm, case.second) if person}
    return kind is TouchKind.EMAIL and by in ours


def _no_shows(case: Case, flag: RedFlag) -> Looked:
    """So many meetings in a row were missed: since the last one that was held."""
    began = case.released_at or case.now
    own = [(one.start, one) for one in case.snapshot.meetings if one.start]
    held = [at for at, one in own if held_at(case, one)]
    held += [one.at for one in case.snapshot.touches if one.kind is TouchKind.MEETING]
    last = max((at for at in held if began <= at <= case.now), default=began)
    missed = [(at, one_line(one.subject)) for at, one in own if one.outcome is Outcome.MISSED]
    missed += [(at, "a meeting") for at in case.snapshot.no_shows]
    run = sorted(one for one in missed if last <= one[0] <= case.now)
    if len(run) < flag.no_shows:
        return NOTHING
    told = listed(f"{subject} on {case.day(at)}" for at, subject in run)
    return Looked(Raised(flag, _step(flag, _stamp(run[0][0])), f"{len(run)} meetings in a row were missed: {told}."))


def _field(case: Case, flag: RedFlag) -> Looked:
    latest = max(_episodes(case, flag), default=0)
    over = f"{_OVER}{flag.name}:{latest}"
    if not case.holds(flag.when):
        running = latest and over not in case.ledger.marks
        return Looked(mark=(over, case.now)) if running else NOTHING
    number = latest if latest and over not in case.ledger.marks else latest + 1
    paths = dict.fromkeys(test.field for test in flag.when.tests)
    said = "; ".join(f"{case.label(path)}: {shown(case, path) or 'empty'}" for path in paths)
    return Looked(Raised(flag, _step(flag, str(number)), said))


def _episodes(case: Case, flag: RedFlag) -> Iterator[int]:
    begins = _step(flag, "")
    keys = (task.key for task in case.snapshot.tasks if task.key)
    steps = {*case.ledger.effects, *(key.rsplit(":", 1)[-1] for key in keys)}
    for step in steps:
        number = step.removeprefix(begins)
        if step.startswith(begins) and number.isdigit():
            yield int(number)


def _step(flag: RedFlag, episode: str) -> str:
    # A dot stands in no step of a playbook.
    return f"flag.{flag.name}.{episode}"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dt%H%M}"
