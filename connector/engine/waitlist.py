"""The list of deals that wait for a CSM: asking for a look at those who need wait no longer, before anything else.

Not here: who is served and who goes on waiting (``handoff.choice``), and the list itself, which stands in the ledger
and so survives restarts. Only the process that leads a system looks at it. It costs no call of the CRM: what CSMs
carry is known from sweeps and from what was decided since.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import structlog

from connector.engine.parts import Shared, System
from connector.engine.people import fresh_people
from connector.handoff.calendar import local_date
from connector.handoff.choice import served, standing
from connector.handoff.model import Waiting
from connector.handoff.plan import Plan
from connector.handoff.rules import assignment
from connector.store import Look

CALL_AGAIN = timedelta(minutes=1)
"""How soon a deal is called up once more that was not served the first time: it could not be read or decided."""

CALLED_UP = "deal.called"

log = structlog.get_logger()


def call_up(shared: Shared, system: System) -> Collection[str]:
    """Ask for a look at the waiting deals that somebody can take now. Returns all that wait. Raises `CrmError`."""
    waiting = shared.store.waitlist(system.name)
    if not waiting or not system.act:
        system.called_up.clear()
        return ()
    if any(each.rule == assignment.NAME for each in shared.store.pauses(system.name)):
        return ()
    policy, now = system.policy, shared.clock.now()
    people, roster = fresh_people(shared, system), shared.store.roster(system.name, now=now)
    stands = standing(policy.assignment, people, roster, day=local_date(policy.calendar, now), waiting=waiting)
    able = [each for each in served(stands) if now - system.called_up.get(each, now - CALL_AGAIN) >= CALL_AGAIN]
    called = shared.store.not_held(system.name, able) if able else ()
    if called:
        system.called_up.update(dict.fromkeys(called, now))
        looks = [Look(deal_id=each, due_at=now, reason="a CSM can take it now") for each in called]
        shared.store.enqueue(system.name, looks)
        log.info(CALLED_UP, system=system.name, deals=len(called), waiting=len(waiting))
    return {each.deal_id for each in waiting}


def queued(waiting: tuple[Waiting, ...], plan: Plan) -> tuple[Waiting, ...]:
    """The list after one more decision, so that the next deal of a batch is decided by it."""
    deal_id, since = plan.key.deal_id, plan.remember.waiting_since
    rest = tuple(each for each in waiting if each.deal_id != deal_id)
    return rest if since is None else (*rest, Waiting(deal_id, plan.remember.waiting_pool, since))
