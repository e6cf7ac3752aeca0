"""Rounds: read slowly through what the feeds may have passed over, and hold it against the ledger.

Not here: what is read (``crm.rounds``), and the list of changes that some vendors have (``sweeper``). A round is cut
into pages that follow each other at a pace, few in one pass, so that neither a pass nor the vendor's limits are taken
up; its place stands in the store, so that a restart goes on where it was. What it finds is looked at like all else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from connector.crm.port import Change, PlaceLost
from connector.crm.rounds import Round, RoundPage, Rounds
from connector.engine.parts import Shared, System
from connector.engine.places import put_aside, stored
from connector.errors import Advice, CrmError
from connector.store import Look, RoundNote, round_cursor

ROUND_BEGUN = "round.begun"
ROUND_DONE = "round.done"
ROUND_DELAYED = "round.delayed"
ROUND_ABANDONED = "round.abandoned"

PAGES_AT_ONCE = 10
"""Most pages in one pass: two seconds or so, for which a win waits at most."""

DAY_SECONDS = 86_400.0
ASSUMED_CALLS = 250_000
"""The day's calls of the smallest edition, for where the vendor does not tell of them (facts: HubSpot §3e)."""

BUSY = 100
"""Deals to be looked at now: while there are that many, a burst is being worked off and rounds stand back."""

STANDS_BACK = timedelta(hours=1)
"""Longest that a round stands back: an org that is always busy needs it most."""

TRY_AGAIN = timedelta(minutes=1)
BEGIN_ANEW = timedelta(hours=1)
"""After a page that could not be read, and after one that the CRM refuses to give."""

log = structlog.get_logger()


def go_round(shared: Shared, system: System) -> int:
    """Read the pages of all rounds that are due. Returns the looks asked for; raises `CrmError` only to halt."""
    rounds = system.crm.rounds()
    if rounds is None or system.sparing or shared.store.baseline(system.name) is None:
        return 0
    return sum(_go(shared, system, rounds, each) for each in rounds.all())


def _go(shared: Shared, system: System, rounds: Rounds, kind: Round) -> int:
    now = shared.clock.now()
    known = shared.store.cursor(system.name, round_cursor(kind.name))
    note = stored(shared, system, round_cursor(kind.name), RoundNote.parse)
    if note is None:
        told = system.crm.server_time()
        if known and (begun := shared.store.baseline(system.name)) is not None:
            told = begun  # the next one goes as far back as any could, and is due at once
        # Nothing could be passed over before the daemon first watched: the first round is due in one period.
        _keep(shared, system, kind, RoundNote(began=told, since=told, paged_at=now, ended=now))
        return 0
    if note.paged_at > now + BEGIN_ANEW:  # the clock was set back since: no round is put off for longer
        note = replace(note, paged_at=now)
        _keep(shared, system, kind, note)
    try:
        if note.place is None:
            due = system.crm.server_time() - note.began >= kind.every and now >= note.paged_at
            return _begin(shared, system, rounds, kind, note) if due else 0
        return _on(shared, system, rounds, kind, note)
    except PlaceLost:
        # As after a page that the CRM refuses to give: from its beginning, which the note still knows.
        put_aside(shared, system, round_cursor(kind.name))
        _keep(shared, system, kind, replace(note, place=None, began=note.since, paged_at=now))
        return 0
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            raise
        _trouble(shared, system, kind, error)
        return 0


def _begin(shared: Shared, system: System, rounds: Rounds, kind: Round, before: RoundNote) -> int:
    began = system.crm.server_time()
    place = rounds.begin(kind.name, since=before.began, now=began)
    _keep(shared, system, kind, RoundNote(began=began, since=before.began, paged_at=shared.clock.now(), place=place))
    log.info(ROUND_BEGUN, system=system.name, round=kind.name, since=str(before.began))
    return 0


def _on(shared: Shared, system: System, rounds: Rounds, kind: Round, note: RoundNote) -> int:
    asked = 0
    for _ in range(_pages_due(shared, system, kind, note)):
        if note.place is None or shared.stopping.is_set():
            break
        page = rounds.page(kind.name, note.place, now=system.crm.server_time())
        looks = _looks(shared, system, kind, page)
        note = _after(note, page, now=shared.clock.now(), found=len(looks))
        _keep(shared, system, kind, note, looks)
        asked += len(looks)
    if note.ended is not None:
        log.info(ROUND_DONE, system=system.name, round=kind.name, pages=note.pages, rows=note.rows, found=note.found)
    return asked


def _pages_due(shared: Shared, system: System, kind: Round, note: RoundNote) -> int:
    """How many pages may be read now: the pace, and the share of the day's calls spread over the day."""
    waited = shared.clock.now() - note.paged_at
    if waited < STANDS_BACK and shared.store.due_looks(system.name) >= BUSY:
        return 0
    told = system.crm.daily_calls
    allowed = (told.allowed if told else ASSUMED_CALLS) * kind.share
    apart = max(kind.seconds, DAY_SECONDS / max(allowed, 1.0))
    return min(PAGES_AT_ONCE, int(waited.total_seconds() / apart))


def _after(note: RoundNote, page: RoundPage, *, now: datetime, found: int) -> RoundNote:
    return replace(
        note,
        place=page.place,
        paged_at=now,
        ended=now if page.place is None else None,
        pages=note.pages + 1,
        rows=note.rows + page.rows,
        of=page.of or note.of,
        found=note.found + found,
    )


def _looks(shared: Shared, system: System, kind: Round, page: RoundPage) -> list[Look]:
    """What the page knows better than the ledger: changes nobody decided on since, deals that are gone or back."""
    store = shared.store
    # The page has just been answered, so the CRM's time is of now.
    ahead = system.crm.server_time() - shared.clock.now()
    missed = store.missed(system.name, _telling(shared, system, page.changes), ahead=ahead)
    known = store.followed(system.name, [change.deal_id for change in page.gone])
    gone = store.missed(system.name, [change for change in page.gone if change.deal_id in known], ahead=ahead)
    back = store.given_up(system.name, page.listed)
    now = shared.clock.now()
    reasons = {
        **dict.fromkeys(missed, f"changed, and not looked at since, by the {kind.name}"),
        **dict.fromkeys(gone, f"no longer in the CRM, by the {kind.name}"),
        **dict.fromkeys(back, f"in the CRM again, by the {kind.name}"),
    }
    return [Look(deal_id=deal_id, due_at=now, reason=reason) for deal_id, reason in sorted(reasons.items())]


def _telling(shared: Shared, system: System, changes: Sequence[Change]) -> list[Change]:
    """Changes since acting began that are not our own last write."""
    baseline = shared.store.baseline(system.name)
    changes = [change for change in changes if baseline is None or change.modified_at >= baseline]
    if not changes:
        return []
    ours = shared.store.is_echo(system.name, changes)
    return [change for change in changes if not change.by_self and change.deal_id not in ours]


def _trouble(shared: Shared, system: System, kind: Round, error: CrmError) -> None:
    """A page that could not be read now is tried again soon; where it never will be, the round begins anew, later."""
    fault = error.fault
    note = RoundNote.parse(shared.store.cursor(system.name, round_cursor(kind.name)))
    if note is None:
        return
    over = fault.advice is not Advice.RETRY
    note = replace(note, paged_at=shared.clock.now() + (BEGIN_ANEW if over else TRY_AGAIN))
    _keep(shared, system, kind, replace(note, place=None, began=note.since) if over else note)
    told = {"round": kind.name, "pages": note.pages, "vendor_code": fault.vendor_code, "message": fault.message}
    if over:
        log.warning(ROUND_ABANDONED, system=system.name, **told)
    else:
        log.warning(ROUND_DELAYED, system=system.name, **told)


def _keep(shared: Shared, system: System, kind: Round, note: RoundNote, looks: Sequence[Look] = ()) -> None:
    shared.store.enqueue(system.name, looks, cursor=(round_cursor(kind.name), note.dump()))
