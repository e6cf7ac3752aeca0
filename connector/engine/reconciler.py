"""Observe, decide, record: the look at a batch of deals.

Not here: what a handoff means (``handoff.decide``), sending anything (``dispatcher``). Each deal is re-read and
decided from its present state; decision, ledger, outbox and audit rows commit in one transaction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from connector.crm.batch import chunks
from connector.crm.port import (
    DealFacts,
)
from connector.engine.acting import acting_of
from connector.engine.diaries import look_into, pencil_in, team
from connector.engine.masschange import Brake
from connector.engine.parts import Shared, System
from connector.engine.people import NO_PEOPLE, fresh_people
from connector.engine.silence import cry_for_people
from connector.engine.waitlist import call_up, queued
from connector.errors import CrmError, RowUnread
from connector.failpoints import Failpoint, passing
from connector.handoff.choice import carry
from connector.handoff.counted import NO_FACTS, ProductFacts
from connector.handoff.decide import decide
from connector.handoff.identity import account_names
from connector.handoff.model import (
    NO_POST,
    HandoffKey,
    Kind,
    LedgerFacts,
    Load,
    Post,
    Record,
    Snapshot,
    Value,
    Waiting,
)
from connector.handoff.moves import MoverKind
from connector.handoff.pausing import TELLING, withhold
from connector.handoff.plan import PRE_ASSIGNED, Noticed, Patch, Plan, Prints, SendMail
from connector.handoff.quality import fingerprints, texts
from connector.handoff.sending import DRAFT
from connector.store import Asked, Decided, Look

LOOK_BATCH = 2000
"""Most deals looked at before anything is sent: as many as fill the vendors' write batches many times over."""

PORTION = 500
"""Deals held in memory at once with all that hangs on them and all that is planned, some 70 kB each: a multiple of
every vendor's read batch but one (HubSpot's links, 1,000), whose six calls are the price of half the memory."""

DEAL_GONE = "deal.gone"
DEAL_DECIDED = "deal.decided"
DEAL_UNDECIDED = "deal.undecided"
DEAL_UNREAD = "deal.unread"
DEAL_CONTESTED = "deal.contested"

UNDECIDED_WAIT = 900.0
"""Seconds before a deal that could not be decided is tried again; the log has the reason, the other deals go on."""

log = structlog.get_logger()


def reconcile(shared: Shared, system: System) -> int:
    """Look at the deals that are due, one batch. Returns how many were looked at; raises `CrmError`."""
    try:
        return _reconcile(shared, system)
    except CrmError as error:
        if error.fault is NO_PEOPLE:
            cry_for_people(shared, system)
        raise


def _reconcile(shared: Shared, system: System) -> int:
    first = call_up(shared, system)
    # Who waits for a CSM comes before newer wins, though those were told of earlier.
    due = sorted(shared.store.due(system.name, limit=LOOK_BATCH), key=lambda look: look.deal_id not in first)
    brake = Brake(shared, system, looks=len(due))
    carried = Carried()
    try:
        for portion in chunks(due, size=PORTION):
            _settle_looks(shared, system, portion, brake=brake, carried=carried)
    finally:
        # What was kept back only to be counted is recorded, though the rest of the batch could not be read.
        _record(shared, system, brake.close())
    return len(due)


def _settle_looks(shared: Shared, system: System, due: Sequence[Look], *, brake: Brake, carried: Carried) -> None:
    """Re-read and decide one portion, and record what the brake lets pass."""
    looks = {look.deal_id: look for look in due}
    with shared.tracer.span("observe_and_decide", system=system.name, deals=len(looks)):
        looked = look_at(shared, system, tuple(looks), carried=carried)
    plans = looked.plans
    passing(Failpoint.DECIDED)
    decided = [
        Decided(plan=plan, look_version=looks[plan.key.deal_id].version, next_look=plan.recheck_at)
        for plan in plans.values()
    ]
    decided = _unpaused(shared, system, decided, looks)
    watched = [one for one in decided if system.act and not one.plan.standing.acted]
    meant = [one for one in decided if not (system.act and not one.plan.standing.acted)]
    acted, observed = brake.take(meant, looks, looked.movers)
    # What is only observed changes nothing: none of it has to be held back any longer.
    brake.gone([one.plan.key.deal_id for one in watched])
    _record(shared, system, acted)
    _record(shared, system, [*watched, *observed], act=False)
    brake.gone(_put_aside(shared, system, [look for look in due if look.deal_id not in plans], looked.undecided))


def _unpaused(shared: Shared, system: System, decided: Sequence[Decided], looks: Mapping[str, Look]) -> list[Decided]:
    """The decisions without what paused rules want. Those of which nothing is left wait until the rule goes on."""
    paused = {each.rule for each in shared.store.pauses(system.name) if each.rule}
    if not paused:
        return list(decided)
    withheld = [(one, withhold(one.plan, paused)) for one in decided]
    waits = {one.plan.key.deal_id: ",".join(each.rules) for one, each in withheld if each.rules}
    answered = [looks[one.plan.key.deal_id] for one, each in withheld if each.plan is None]
    shared.store.wait_for_rules(system.name, waits, answered)
    return [dataclasses.replace(one, plan=each.plan) for one, each in withheld if each.plan is not None]


def _record(shared: Shared, system: System, decided: Sequence[Decided], *, act: bool = True) -> None:
    if not decided:
        return
    with shared.tracer.span("record", system=system.name, deals=len(decided)):
        shared.store.record(system.name, decided, act=act)
    passing(Failpoint.RECORDED)
    for plan in (one.plan for one in decided):
        shared.telemetry.decisions.labels(system=system.name, phase=plan.phase.value).inc()
        log.debug(
            DEAL_DECIDED, system=system.name, deal=plan.key.deal_id, phase=plan.phase.value, actions=len(plan.actions)
        )
        _tell_noticed(shared, system, plan)


def _tell_noticed(shared: Shared, system: System, plan: Plan) -> None:
    """Count what this decision saw for the first time; a fight is the one an operator should read of."""
    for what in sorted(plan.noticed):
        shared.telemetry.gate_events.labels(system=system.name, event=what.value).inc()
    if Noticed.FIGHT in plan.noticed:
        log.warning(
            DEAL_CONTESTED,
            system=system.name,
            deal=plan.key.deal_id,
            bounces=len(plan.remember.bounces),
            moved_by=plan.remember.bounces[-1].by.kind.value if plan.remember.bounces else "",
            next="have its fields filled, or stop what moves it: handoff explain names it",
        )


def _put_aside(shared: Shared, system: System, rest: Sequence[Look], undecided: Mapping[str, str]) -> list[str]:
    """Deals without a plan: those that are gone are forgotten, those that could not be decided are tried later.

    Returns which are gone.
    """
    shared.store.forget_looks(system.name, rest)
    gone = [look.deal_id for look in rest if look.deal_id not in undecided]
    if gone:
        dropped = shared.store.withdraw(system.name, gone)
        log.info(DEAL_GONE, system=system.name, count=len(gone), dropped=dropped)
    for deal_id, trouble in undecided.items():
        look_again(shared, system, [deal_id], reason=f"could not be decided: {trouble}", after=UNDECIDED_WAIT)
    return gone


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found: a plan per deal, and why some deals could not be decided. Deals in neither are gone.

    ``movers`` says who won each deal, as ``kind:name``, where the CRM tells.
    """

    plans: Mapping[str, Plan]
    undecided: Mapping[str, str]
    movers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Carried:
    """What the decisions of one batch have promised so far and nobody has recorded yet: for those after them to see."""

    roster: dict[str, Load] | None = None
    waiting: tuple[Waiting, ...] = ()
    promised: dict[str, dict[str, object]] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    """What people dropped: nothing of it is carried out, so nobody has to make room for it."""
    mails: int = 0
    """Mails to customers that were begun."""
    sellers: frozenset[str] = frozenset()
    """Whose deals are looked at: where calendars are read, theirs are read along."""


def look_at(
    shared: Shared,
    system: System,
    deal_ids: Sequence[str],
    *,
    pretend: Callable[[LedgerFacts], LedgerFacts] | None = None,
    carried: Carried | None = None,
) -> Looked:
    """Re-read deals and decide each; nothing is stored.

    ``pretend`` changes what the ledger remembers, for asking what would happen if things stood otherwise. ``carried``
    goes from look to look of one batch.
    """
    undecided: dict[str, str] = {}
    movers: dict[str, str] = {}

    def seen() -> Iterator[Snapshot]:
        for snapshot in observe(shared, system, deal_ids, pretend=pretend, unread=undecided):
            if snapshot.won_by.kind is not MoverKind.UNKNOWN:
                movers[snapshot.key.deal_id] = f"{snapshot.won_by.kind.value}:{snapshot.won_by.name}"
            yield snapshot

    snapshots, carried = [*seen()], carried or Carried()
    carried.sellers = frozenset(each.deal.text("owner") for each in snapshots if each.stage.is_won)
    plans = {plan.key.deal_id: plan for plan in _fold(shared, system, iter(snapshots), undecided, carried)}
    return Looked(plans, undecided, movers)


def decide_with(shared: Shared, system: System, snapshots: Sequence[Snapshot]) -> Mapping[str, Plan]:
    """What this system's policy makes of deals that were read already; those that cannot be decided are left out."""
    return {plan.key.deal_id: plan for plan in _fold(shared, system, iter(snapshots), {}, Carried())}


def observe(
    shared: Shared,
    system: System,
    deal_ids: Sequence[str],
    *,
    pretend: Callable[[LedgerFacts], LedgerFacts] | None = None,
    bare: bool = False,
    unread: dict[str, str] | None = None,
) -> Iterator[Snapshot]:
    """Re-read deals: what the CRM shows of each now and what the ledger remembers of it, the oldest win first.

    ``bare`` spares what hangs on them, for whoever needs only the deal and its account. Deals that the CRM could not
    give, though it gave others, come to stand in ``unread`` with the reason; without it they fail the whole reading.
    """
    people = fresh_people(shared, system)
    facts = _fetch(system, tuple(deal_ids), bare=bare, unread=unread)
    passing(Failpoint.OBSERVED)
    ledger = _remembered(shared, system, facts)
    if pretend is not None:
        ledger = {deal_id: pretend(remembered) for deal_id, remembered in ledger.items()}
    copied = _copied(shared, system, facts)
    product = product_of(shared, system, facts)
    forebears = shared.store.facts(system.name, [each for read in facts.values() for each in read.merged])
    post = _post(shared, system, facts)
    breaches = shared.store.breaches(system.name, list(facts)) if system.policy.governance is not None else {}
    acting = acting_of(shared, system)
    for deal_id, read in _oldest_win_first(facts, ledger):
        snapshot = Snapshot(
            key=HandoffKey(system.name, deal_id),
            observed_at=system.crm.server_time(),
            deal=read.deal,
            stage=read.stage,
            deal_type=read.deal_type,
            ledger=ledger[deal_id],
            account=read.account,
            won_at=read.won_at,
            stage_before_win=read.stage_before_win,
            people=people,
            tasks=read.tasks,
            notes=read.notes,
            touches=read.touches,
            replies=read.replies,
            no_shows=read.no_shows,
            meetings=read.meetings,
            won_by=read.won_by,
            passed=read.passed,
            merged=read.merged,
            stage_since=read.stage_since,
            copied=copied.get(deal_id, {}),
            product=product.get(deal_id, NO_FACTS),
            contacts=read.contacts,
            post=post,
            breaches=breaches.get(deal_id, ()),
            acting=acting,
        )
        yield _with_heritage(snapshot, forebears)


def _post(shared: Shared, system: System, read: Mapping[str, DealFacts]) -> Post:
    """Whether mails can go to customers, and how many; asked of the ledger only where a draft may wait for that."""
    if shared.mailer is None:
        return NO_POST
    if not any(f":{DRAFT}" in note.key for facts in read.values() for note in facts.notes):
        return Post(ready=True, why="", left=shared.mailer.daily_limit)
    if any(each.rule == TELLING for each in shared.store.pauses(system.name)):
        return Post(ready=True, why="messages are paused by a person", left=0)
    left = shared.mailer.daily_limit - shared.store.mails_since(shared.clock.now() - timedelta(days=1))
    return Post(ready=True, why="", left=max(0, left))


def _copied(shared: Shared, system: System, read: Mapping[str, DealFacts]) -> Mapping[str, Mapping[str, str]]:
    """By deal and field, another deal on which the same answer stood; asked of the ledger alone, once for a batch."""
    quality = system.policy.quality
    if not quality.copies.days:
        return {}
    asked: dict[str, Prints] = {}
    for deal_id, facts in read.items():
        stage = facts.stage
        if not (stage.is_won or system.policy.shows_readiness(stage.pipeline, stage.id)):
            continue
        account = facts.account.ref.id if facts.account else ""
        said = texts(quality, partial(_value, facts))
        if prints := fingerprints(quality, said):
            asked[deal_id] = Prints(facts.deal.text("owner"), account, prints)
    since = shared.clock.now() - timedelta(days=quality.copies.days)
    return shared.store.same_answers(system.name, asked, since=since) if asked else {}


def product_of(shared: Shared, system: System, read: Mapping[str, DealFacts]) -> Mapping[str, ProductFacts]:
    """What was counted in the product of the accounts of these deals; asked of the ledger alone, once for a batch."""
    policy = system.policy.product
    if policy is None or not policy.measures:
        return {}
    asked: dict[str, Asked] = {}
    for deal_id, facts in read.items():
        if facts.account is None or not facts.stage.is_won:
            continue
        named = partial(account_names, account_id=facts.account.ref.id, value=partial(_value, facts))
        ways = frozenset(way.kind for way in policy.identities if named((way,)))
        asked[deal_id] = Asked(facts.account.ref.id, named(policy.identities), ways)
    measures = [measure.name for measure in policy.measures if measure.events]
    return shared.store.product_facts(system.name, asked, measures) if asked else {}


def _value(facts: DealFacts, path: str) -> Value:
    prefix, _, name = path.rpartition(".")
    if not prefix:
        return facts.deal.get(name)
    return facts.account.get(name) if facts.account else None


def _with_heritage(snapshot: Snapshot, forebears: Mapping[str, LedgerFacts]) -> Snapshot:
    """What was done for a merged deal whose handoff goes on here was done: what a person took away of it since is not
    made again."""
    before = next((forebears[each] for each in snapshot.merged if snapshot.lineage == _key(snapshot, each)), None)
    if before is None:
        return snapshot
    own = snapshot.ledger
    ledger = dataclasses.replace(
        own,
        effects={**before.effects, **own.effects},
        done_signals={**before.done_signals, **own.done_signals},
        playbook=own.playbook or before.playbook,
        steps=own.steps or before.steps,
        marks={**before.marks, **own.marks},
        waiting_since=own.waiting_since or before.waiting_since,
        waiting_pool=own.waiting_pool or before.waiting_pool,
        second_id=own.second_id or before.second_id,
    )
    return dataclasses.replace(snapshot, ledger=ledger)


def _key(snapshot: Snapshot, deal_id: str) -> str:
    return str(HandoffKey(snapshot.key.system, deal_id))


def _fetch(
    system: System, deal_ids: tuple[str, ...], *, bare: bool, unread: dict[str, str] | None
) -> Mapping[str, DealFacts]:
    """Read deals; those that cannot be read are singled out, by the CRM's own words or by halves, and kept apart."""
    try:
        return system.crm.fetch(deal_ids, bare=bare)
    except RowUnread as error:
        if unread is None:
            raise
        named = tuple(each for each in deal_ids if each in error.ids or len(deal_ids) == 1)
        for each in named:
            unread[each] = f"{error.fault.vendor_code}: {error.fault.message}"
            log.warning(DEAL_UNREAD, system=system.name, deal=each, vendor_code=error.fault.vendor_code)
    rest = tuple(each for each in deal_ids if each not in unread)
    parts = (rest,) if named else (rest[: len(rest) // 2], rest[len(rest) // 2 :])
    facts: dict[str, DealFacts] = {}
    for part in parts:
        facts.update(_fetch(system, part, bare=bare, unread=unread) if part else {})
    return facts


def _remembered(shared: Shared, system: System, read: Mapping[str, DealFacts]) -> Mapping[str, LedgerFacts]:
    """What the ledger holds. Before a first pass it has no start of its own, so the one a first pass would set counts:
    a plan made beforehand must say what will happen."""
    accounts = {deal_id: facts.account.ref.id for deal_id, facts in read.items() if facts.account is not None}
    ledger = shared.store.facts(system.name, list(read), accounts=accounts)
    if system.first_run_since is None or shared.store.baseline(system.name) is not None:
        return ledger
    return {each: dataclasses.replace(facts, baseline=system.first_run_since) for each, facts in ledger.items()}


def _oldest_win_first(
    facts: Mapping[str, DealFacts], ledger: Mapping[str, LedgerFacts]
) -> Iterator[tuple[str, DealFacts]]:
    """Who waits longest for a CSM, then who won first, is assigned first, whatever order the CRM answered in."""

    def order(deal_id: str) -> tuple[bool, datetime, str]:
        read, remembered = facts[deal_id], ledger[deal_id]
        since = remembered.waiting_since
        return since is None, since or read.won_at or read.modified_at, deal_id

    for deal_id in sorted((each for each in facts if each in ledger), key=order):
        yield deal_id, facts[deal_id]


def _fold(
    shared: Shared, system: System, snapshots: Iterator[Snapshot], undecided: dict[str, str], carried: Carried
) -> Iterator[Plan]:
    """Decide one after the other, so that each sees the CSMs chosen just before it.

    Two deals of one account won in the same second must get the same CSM, and a cap must hold within the batch too.
    """
    if carried.roster is None:
        begun = bool(system.policy.assignment.buddies)
        carried.roster = dict(shared.store.roster(system.name, now=shared.clock.now(), begun=begun))
        carried.waiting = shared.store.waitlist(system.name)
        carried.dropped = shared.store.dropped_deals(system.name)
    promised = carried.promised
    for account, values in shared.store.open_account_values(system.name).items():
        promised[account] = {**promised.get(account, {}), **values}
    for snapshot in snapshots:
        whole = _with_promises(snapshot, carried)
        plan = _decided(shared, system, whole, undecided)
        if plan is not None and plan.calendars:
            plan = _with_calendars(shared, system, whole, plan, undecided, carried)
        if plan is None:
            continue
        if plan.key.deal_id in carried.dropped or (system.act and not plan.standing.acted):
            # Nobody has to make room for what is not carried out.
            yield plan
            continue
        # With the win a place that was held is taken: it stands in the roster already.
        if plan.assignment is not None and plan.assignment.new and plan.assignment.rule != PRE_ASSIGNED:
            chosen, worth = plan.assignment, plan.remember.amount
            carried.roster = carry(carried.roster, chosen.person_id, turn=chosen.turn, amount=worth)
        if plan.assignment is not None and plan.assignment.second_id and plan.assignment.second_turn:
            carried.roster = carry(carried.roster, plan.assignment.second_id, accounts=0)
        carried.waiting = queued(carried.waiting, plan)
        for action in plan.actions:
            carried.mails += isinstance(action, SendMail)
            if isinstance(action, Patch) and action.ref.kind is Kind.ACCOUNT:
                promised[action.ref.id] = {**promised.get(action.ref.id, {}), **action.values}
        yield plan


def _decided(shared: Shared, system: System, snapshot: Snapshot, undecided: dict[str, str]) -> Plan | None:
    try:
        return decide(snapshot, system.policy, shared.clock.now())
    except MemoryError:  # is not about this deal, which must not wait for a quarter of an hour over it
        raise
    except Exception as error:  # one deal nobody foresaw must not stop all others
        undecided[snapshot.key.deal_id] = type(error).__name__
        log.exception(DEAL_UNDECIDED, system=system.name, deal=snapshot.key.deal_id)
        return None


def _with_calendars(
    shared: Shared, system: System, snapshot: Snapshot, plan: Plan, undecided: dict[str, str], carried: Carried
) -> Plan | None:
    """The decision once more, in sight of the calendars that matter to it; as it was where none can be read."""
    wanted = {person for people in plan.calendars.values() for person in people}
    busy = look_into(shared, system, wanted, besides=team(system, snapshot.people) | carried.sellers)
    if not wanted.isdisjoint(busy):
        found = _decided(shared, system, dataclasses.replace(snapshot, busy=busy), undecided)
        if found is None:
            return None
        plan = found
    pencil_in(system, plan)
    return plan


def _with_promises(snapshot: Snapshot, carried: Carried) -> Snapshot:
    account = snapshot.account
    if account is not None and account.ref.id in carried.promised:
        values = {**account.values, **carried.promised[account.ref.id]}
        account = Record(ref=account.ref, values=values)  # type: ignore[arg-type]  # promised holds field values
    post = snapshot.post
    if carried.mails:
        post = dataclasses.replace(post, left=max(0, post.left - carried.mails))
    return dataclasses.replace(
        snapshot, roster=carried.roster or {}, waiting=carried.waiting, account=account, post=post
    )


def look_again(shared: Shared, system: System, deal_ids: Sequence[str], *, reason: str, after: float = 0.0) -> None:
    """Ask for another look at these deals."""
    due = shared.clock.now() + timedelta(seconds=after)
    shared.store.enqueue(system.name, [Look(deal_id=each, due_at=due, reason=reason) for each in deal_ids])
