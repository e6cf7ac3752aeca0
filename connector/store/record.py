"""Recording decisions: ledger, outbox, roster, inbox and audit of many deals in one transaction.

Not here: deciding, sending. Nothing goes to a CRM that was not recorded here first.

A plan is the whole answer for its deal, so what an earlier plan left waiting and this one no longer asks for is
dropped. Two things are not: a notification (what it tells has happened), and an account's patch (the engine shows
the core promised account values as if they were written, so a plan does not ask for them twice).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, text, update

from connector.failpoints import Failpoint, passing
from connector.handoff.acting import Footing
from connector.handoff.model import Gate, Kind, SystemName
from connector.handoff.ownership import REVERT_STEP
from connector.handoff.plan import Action, Assignment, Notify, Patch, Plan, SendMail, Upsert, Verdict
from connector.handoff.playbook_text import version_of
from connector.store import codec
from connector.store.answers import write_answers
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.drops import dropped_of
from connector.store.figurerows import put_figures
from connector.store.inbox import want_looks
from connector.store.ledger import bounces_text, briefed_text, refusal_text, signals_text
from connector.store.moving import is_moved
from connector.store.outbox import MAIL_KIND, NOTIFY_KIND, RANKS, TOGETHER, lock_rows
from connector.store.playbooks import keep_playbooks
from connector.store.rows import FORESEEN, Decided, Look
from connector.store.schema import effect, handoff, inbox, outbox, roster
from connector.store.states import OPEN, State, arrive, state_in
from connector.store.tallies import write_names
from connector.store.trials import keep_trials

LOOK_AGAIN = timedelta(seconds=5)
"""When to look again at a deal whose earlier write is still under way and is not what this decision wants."""

LOOK_AGAIN_IN_JOB = timedelta(minutes=1)
"""The same when that write travels in a job, which takes its time."""

_UNFINISHED = text(state_in((*OPEN, State.PARKED), "outbox.state"))
_IN_FLIGHT = (State.SENDING, State.UNKNOWN)
_SET_ONCE = ("system", "deal_id", "created_at")
_CLAIMS_OF_WRITES = (
    *("gate", "csm_id", "released_at", "assigned_at"),
    *("put_back_at", "put_back_refused", "bounces"),
    *("playbook", "marks"),
    *("waiting_since", "waiting_pool", "second_id", "early_id", "early_until", "exempt", "exempt_at"),
    "briefed",
)
"""Columns that say something was written; in observe mode they stay as they were."""


@dataclass(frozen=True, slots=True)
class _Before:
    """What the store held of the deals: rows by deal id, fingerprints of effects by deal, generation and step."""

    handoffs: dict[str, Row[Any]] = field(default_factory=dict)
    looks: dict[str, Row[Any]] = field(default_factory=dict)
    rows: dict[str, list[Row[Any]]] = field(default_factory=dict)
    fingerprints: dict[tuple[str, int, str], str] = field(default_factory=dict)
    dropped: dict[tuple[str, int, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Given:
    """A customer given to somebody: their place in the line from now on (0 for its end) and what the deal is worth.
    ``accounts`` is 0 before the close, where the place that is held is counted by itself, and for a second CSM, who
    takes a turn alone."""

    person_id: str
    turn: int = 0
    amount: float = 0.0
    accounts: int = 1


@dataclass(frozen=True, slots=True)
class _Changes:
    """What the decisions change, gathered so that each table is written once."""

    superseded: list[int] = field(default_factory=list)
    inserts: list[dict[str, Any]] = field(default_factory=list)
    handoffs: list[dict[str, Any]] = field(default_factory=list)
    assigned: dict[str, list[_Given]] = field(default_factory=dict)
    soon: set[str] = field(default_factory=set)
    in_job: set[str] = field(default_factory=set)
    audit: list[Entry] = field(default_factory=list)


class Recorder(Part):
    """One transaction from decision to outbox."""

    def record(self, system: SystemName, decisions: Sequence[Decided], *, act: bool) -> None:
        """Record plans, all or none. Without ``act`` nothing will be sent and nothing is remembered as written.

        Raises ValueError when a plan is of another system or a deal comes twice.
        """
        _refuse_strangers(system, decisions)
        if not decisions:
            return
        ordered = sorted(decisions, key=lambda one: one.plan.key.deal_id)
        now = self._db.now()
        with self._db.write() as connection:
            before = _read(connection, system, [one.plan.key.deal_id for one in ordered])
            changes = _Changes()
            for one in ordered:
                _compare(one, before, changes, act=act, now=now)
            _write_outbox(connection, changes, now)
            if act:
                books = (one.plan.remember.playbook for one in ordered)
                keep_playbooks(self._db, connection, (book for book in books if book is not None), now)
            self._put_handoffs(connection, changes.handoffs, act=act)
            prints = {one.plan.key.deal_id: one.plan.prints for one in ordered if one.plan.prints is not None}
            if prints:
                write_answers(self._db, connection, system, prints, now)
            if act:
                measured = [one.plan.figure for one in ordered if one.plan.figure is not None]
                changes.audit.extend(put_figures(self._db, connection, measured))
            names = {one.plan.key.deal_id: one.plan.answers_to for one in ordered if one.plan.answers_to is not None}
            if names:
                write_names(self._db, connection, system, names)
            keep_trials(self._db, connection, [one.plan for one in ordered], now)
            # In the order of the decisions, each of which went by the turns before it; rows are locked in another.
            chosen = [changes.assigned.get(one.plan.key.deal_id, ()) for one in decisions]
            self._take_turns(connection, system, [person for each in chosen for person in each])
            self._answer_looks(connection, system, ordered, before=before, changes=changes, now=now)
            write_audit(connection, now, changes.audit)
            if changes.inserts:
                self._db.wake(connection, "rows", system)
            passing(Failpoint.RECORD_OPEN)

    def _put_handoffs(self, connection: Connection, rows: Sequence[dict[str, Any]], *, act: bool) -> None:
        statement = self._db.insert(handoff)
        new = statement.excluded
        kept = {*_SET_ONCE, *(() if act else _CLAIMS_OF_WRITES)}
        changed: dict[str, Any] = {name: new[name] for name in rows[0] if name not in kept}
        changed["adopted"] = or_(handoff.c.adopted, new.adopted)
        changed["account_id"] = func.coalesce(new.account_id, handoff.c.account_id)
        connection.execute(statement.on_conflict_do_update(index_elements=["system", "deal_id"], set_=changed), rows)

    def _take_turns(self, connection: Connection, system: SystemName, assigned: Sequence[_Given]) -> None:
        """Each new assignment is one account more and, unless it says where, the end of the line."""
        if not assigned:
            return
        last = connection.execute(select(func.max(roster.c.turn)).where(roster.c.system == system)).scalar_one() or 0
        rows: dict[str, dict[str, Any]] = {}
        for given in assigned:
            turn = given.turn or last + 1
            last = max(last, turn)
            start = {"system": system, "person_id": given.person_id, "accounts": 0, "revenue": 0.0}
            row = rows.setdefault(given.person_id, start)
            row |= {
                "accounts": row["accounts"] + given.accounts,
                "turn": turn,
                "revenue": row["revenue"] + given.amount,
            }
        statement = self._db.insert(roster)
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["system", "person_id"],
                set_={
                    "accounts": roster.c.accounts + new.accounts,
                    "turn": new.turn,
                    "revenue": func.coalesce(roster.c.revenue, 0.0) + new.revenue,
                },
            ),
            [rows[person] for person in sorted(rows)],
        )

    def _answer_looks(
        self,
        connection: Connection,
        system: SystemName,
        decisions: Sequence[Decided],
        *,
        before: _Before,
        changes: _Changes,
        now: datetime,
    ) -> None:
        """Clear the looks these decisions answer, and ask for the next ones."""
        answered = [one.plan.key.deal_id for one in decisions if _answers(one, before)]
        for ids in chunks(answered):
            connection.execute(
                update(inbox)
                .where(inbox.c.system == system, inbox.c.deal_id.in_(ids))
                .values(due_at=None, version=inbox.c.version + 1)
            )
        looks: list[Look] = []
        for one in decisions:
            deal_id = one.plan.key.deal_id
            if one.next_look is not None:
                looks.append(Look(deal_id=deal_id, due_at=one.next_look, reason=FORESEEN))
            if deal_id in changes.soon:
                wait = LOOK_AGAIN_IN_JOB if deal_id in changes.in_job else LOOK_AGAIN
                looks.append(Look(deal_id=deal_id, due_at=now + wait, reason="an earlier write was under way"))
        want_looks(self._db, connection, system, looks)


def is_dropped(action: Action, dropped: str | None) -> bool:
    """Whether this very write was given up by a person; ``dropped`` is the digest of what was."""
    return dropped is not None and dropped == payload_digest(action)


def same_effect(action: Action, generation: int, rows: Iterable[Row[Any]]) -> bool:
    """Whether one of these rows, all of the action's step, is this very action already."""
    near = [row for row in rows if row.generation == generation]
    return bool(near) and payload_digest(action) in {row.digest for row in near}


def payload_digest(action: Action) -> str:
    """What an action would write, as a digest: the same whatever it is done for."""
    return codec.digest({name: value for name, value in codec.action_to_json(action).items() if name != "reason"})


def operation_of(action: Action) -> tuple[str, str]:
    """The lane an action travels in: kind and operation."""
    match action:
        case Patch():
            return action.ref.kind.value, "update"
        case Upsert():
            return action.kind.value, "upsert"
        case Notify():
            return NOTIFY_KIND, TOGETHER if action.together else "send"
        case SendMail():
            return MAIL_KIND, "send"


def _refuse_strangers(system: SystemName, decisions: Iterable[Decided]) -> None:
    seen: set[str] = set()
    for one in decisions:
        key = one.plan.key
        if key.system != system:
            raise ValueError(f"a plan for {key} cannot be recorded for system {system}")
        if key.deal_id in seen:
            raise ValueError(f"two plans for {key} in one call")
        seen.add(key.deal_id)


def _read(connection: Connection, system: SystemName, deal_ids: Sequence[str]) -> _Before:
    """Everything the decisions are compared with, held until the transaction ends."""
    before = _Before()
    unfinished: list[int] = []
    for ids in chunks(deal_ids):
        query = select(outbox.c.id).where(outbox.c.system == system, outbox.c.deal_id.in_(ids), _UNFINISHED)
        unfinished += connection.execute(query).scalars()
    for row in lock_rows(connection, sorted(unfinished)):
        if State(row.state) in (*OPEN, State.PARKED):
            before.rows.setdefault(row.deal_id, []).append(row)
    for table, found in ((handoff, before.handoffs), (inbox, before.looks)):
        for ids in chunks(deal_ids):
            query = select(table).where(table.c.system == system, table.c.deal_id.in_(ids))
            rows = connection.execute(query.order_by(table.c.deal_id).with_for_update())
            found.update({row.deal_id: row for row in rows})
    for ids in chunks(deal_ids):
        for row in connection.execute(select(effect).where(effect.c.system == system, effect.c.deal_id.in_(ids))):
            before.fingerprints[row.deal_id, row.generation, row.step] = row.fingerprint
    before.dropped.update(dropped_of(connection, system, deal_ids))
    return before


def _compare(one: Decided, before: _Before, changes: _Changes, *, act: bool, now: datetime) -> None:
    """Fill ``changes`` with what this decision changes."""
    plan = one.plan
    known = before.handoffs.get(plan.key.deal_id)
    if act:
        _compare_actions(one, before, changes, now=now)
        chosen = plan.assignment
        had = (known.early_id if plan.remember.early_id else known.csm_id) if known is not None else None
        if chosen is not None and chosen.new and had != chosen.person_id:
            changes.assigned[plan.key.deal_id] = [_given(plan, chosen)]
        if chosen is not None and chosen.second_turn and (known is None or known.second_id != chosen.second_id):
            second = _Given(str(chosen.second_id), accounts=0)
            changes.assigned.setdefault(plan.key.deal_id, []).append(second)
    elif plan.standing.observed:
        # What was recorded while it was acted on is not to be sent any more.
        for waiting in before.rows.get(plan.key.deal_id, ()):
            _take_back(waiting, changes, whole=plan.standing.footing is not Footing.MODE)
    row, view = _handoff_row(one, before, act=act, now=now)
    changes.handoffs.append(row)
    if known is None or known.digest != row["digest"] or known.mode != row["mode"]:
        changes.audit.append(_entry(one, view, mode=row["mode"]))
        if known is None or known.verdict != Gate.OVERRIDDEN.value:
            changes.audit.extend(_let_through(one))


def _given(plan: Plan, chosen: Assignment) -> _Given:
    if plan.remember.early_id:
        return _Given(chosen.person_id, chosen.turn, 0.0, accounts=0)
    return _Given(chosen.person_id, chosen.turn, float(plan.remember.amount or 0))


def _compare_actions(one: Decided, before: _Before, changes: _Changes, *, now: datetime) -> None:
    deal_id = one.plan.key.deal_id
    waiting: dict[str, list[Row[Any]]] = {}
    for row in before.rows.get(deal_id, ()):
        waiting.setdefault(row.step, []).append(row)
        if row.job_id is not None:
            changes.in_job.add(deal_id)
    for action in one.plan.actions:
        new = _outbox_row(one, action, now)
        rows = waiting.pop(action.step, [])
        same = [
            row
            for row in rows
            if row.digest == new["digest"] and row.generation == new["generation"] and not _is_over(row, one, before)
        ]
        in_flight = [row for row in rows if row.state in _IN_FLIGHT]
        changes.superseded.extend(row.id for row in rows if row not in same[:1] and row.state not in _IN_FLIGHT)
        if in_flight and not same:
            changes.soon.add(deal_id)
        elif not same and not _is_done(one, action, before):
            changes.inserts.append(new)
    for row in (row for rows in waiting.values() for row in rows):
        # A put-back that was refused is no longer asked for, but it still waits for whoever can mend the cause.
        if row.step != REVERT_STEP or row.state != State.PARKED or one.plan.remember.put_back_refused is None:
            _drop(row, changes)


def _is_over(row: Row[Any], one: Decided, before: _Before) -> bool:
    """Whether this row is a put-back that was refused, and another win has come since: it is tried once more."""
    known = before.handoffs.get(one.plan.key.deal_id)
    was_refused = known is not None and known.put_back_refused is not None
    return (
        row.step == REVERT_STEP
        and row.state == State.PARKED
        and was_refused
        and one.plan.remember.put_back_refused is None
    )


def _is_done(one: Decided, action: Action, before: _Before) -> bool:
    """Whether the receiver confirmed this very effect between the reading of the ledger and now, or a person gave it
    up."""
    if is_dropped(action, before.dropped.get((one.plan.key.deal_id, one.plan.generation, action.step))):
        return True
    if isinstance(action, Patch):
        return False  # writing the same values again is right when a person changed them back
    done = before.fingerprints.get((one.plan.key.deal_id, one.plan.generation, action.step))
    return done == action.fingerprint


def _drop(row: Row[Any], changes: _Changes) -> None:
    """Take back a row that the present plan does not ask for, as far as it can be."""
    promised = row.kind == Kind.ACCOUNT.value and row.state != State.PARKED
    # What a mail server said of a mail to a customer stays to be read.
    refused = row.kind == MAIL_KIND and row.state == State.PARKED
    if row.kind == NOTIFY_KIND or promised or refused:
        return
    if row.state in _IN_FLIGHT:
        changes.soon.add(row.deal_id)
    else:
        changes.superseded.append(row.id)


def _take_back(row: Row[Any], changes: _Changes, *, whole: bool) -> None:
    """Take back what was recorded for a deal that is only observed now. ``whole``: messages too, for nothing of it was
    begun; while the daemon acts on nothing, what was promised waits until it acts again."""
    if whole and row.kind == NOTIFY_KIND and row.state not in _IN_FLIGHT:
        changes.superseded.append(row.id)
    else:
        _drop(row, changes)


def _outbox_row(one: Decided, action: Action, now: datetime) -> dict[str, Any]:
    key = one.plan.key
    data = codec.action_to_json(action)
    digest = payload_digest(action)
    kind, operation = operation_of(action)
    match action:
        case Patch():
            own_key, target, fingerprint = f"{key}:{one.plan.generation}:{action.step}", action.ref.id, digest
        case Upsert():
            own_key, target, fingerprint = action.key, action.record_id or action.key, action.fingerprint
        case Notify():
            own_key, target, fingerprint = action.key, action.key, action.fingerprint
        case SendMail():
            own_key, target, fingerprint = action.key, action.key, action.fingerprint
    return {
        "system": key.system,
        "deal_id": key.deal_id,
        "generation": one.plan.generation,
        "step": action.step,
        "key": own_key,
        "rank": RANKS[action.order],
        "kind": kind,
        "operation": operation,
        "target": target,
        "action": codec.dumps(data),
        "digest": digest,
        "fingerprint": fingerprint,
        "reason": action.reason,
        "state": State.PENDING.value,
        "attempt": 0,
        "available_at": max(at for at in (one.not_before, _waits_for(action), now) if at),
        "created_at": now,
    }


def _waits_for(action: Action) -> datetime | None:
    """Until when a message is kept back by itself."""
    return action.not_before if isinstance(action, Notify) else None


def _write_outbox(connection: Connection, changes: _Changes, now: datetime) -> None:
    gone = arrive(State.PENDING, (State.SUPERSEDED,))
    for ids in chunks(changes.superseded):
        connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(state=gone, settled_at=now))
    if changes.inserts:
        connection.execute(insert(outbox), changes.inserts)


def _handoff_row(one: Decided, before: _Before, *, act: bool, now: datetime) -> tuple[dict[str, Any], codec.Json]:
    """The handoff row after this decision, and the decision for readers."""
    plan, remember = one.plan, one.plan.remember
    deal_id = plan.key.deal_id
    view = codec.plan_to_json(plan)
    known = before.handoffs.get(deal_id)
    because = before.looks[deal_id].reason if _answers(one, before) else known.looked_because if known else ""
    refs = [action.ref for action in plan.actions if isinstance(action, Patch)]
    row = {
        "system": plan.key.system,
        "deal_id": deal_id,
        "generation": remember.generation,
        "won_at": remember.won_at,
        "left_won_at": remember.left_won_at,
        "released_at": remember.released_at if act else None,
        "gate": remember.gate.value if act and remember.gate else None,
        "csm_id": remember.csm_id if act else None,
        "assigned_at": remember.assigned_at if act else None,
        "stage_before_win": remember.stage_before_win,
        "adopted": remember.adopted,
        "done_signals": signals_text(remember.done_signals),
        "last_win_at": remember.last_win_at,
        "put_back_at": remember.put_back_at if act else None,
        "put_back_refused": refusal_text(remember.put_back_refused) if act else None,
        "bounces": bounces_text(remember.bounces) if act else None,
        "playbook": _playbook(one, known) if act else None,
        "marks": signals_text(remember.marks) if act else None,
        "waiting_since": remember.waiting_since if act else None,
        "waiting_pool": (remember.waiting_pool or None) if act else None,
        "second_id": remember.second_id if act else None,
        "briefed": briefed_text(remember.briefed) if act and remember.briefed else None,
        "early_id": remember.early_id if act else None,
        "early_until": remember.early_until if act else None,
        "exempt": (remember.exempt or None) if act else None,
        "exempt_at": remember.exempt_at if act else None,
        "amount": None if remember.amount is None else float(remember.amount),
        "account_id": next((ref.id for ref in refs if ref.kind is Kind.ACCOUNT), one.account_id),
        "phase": plan.phase.value,
        "mode": "act" if act else "observe",
        "footing": None if act and not plan.standing.observed else plan.standing.footing.value,
        "verdict": plan.gate.value if plan.gate else None,
        "segment": plan.segment,
        "percent": plan.percent,
        "reason": plan.coverage,
        "looked_because": because,
        "plan": codec.dumps(view),
        "digest": codec.decision_digest(view),
        "decided_at": now,
        "created_at": now,
    }
    return row, view


def _playbook(one: Decided, known: Row[Any] | None) -> str | None:
    """The version of the playbook the handoff goes by: a person's choice, though this decision was made before it."""
    remember = one.plan.remember
    if known is not None and is_moved(known.moved_to, remember.generation):
        return str(known.moved_to).partition(":")[2]
    return version_of(remember.playbook) if remember.playbook else None


def _answers(one: Decided, before: _Before) -> bool:
    """Whether this decision answers what stands in the inbox, and nothing was asked for since."""
    look = before.looks.get(one.plan.key.deal_id)
    return look is not None and look.version == one.look_version


def _let_through(one: Decided) -> Iterable[Entry]:
    """Who let the deal through with gaps, seen for the first time."""
    for finding in one.plan.findings:
        if (given := finding.let_through) is not None:
            yield Entry(
                system=one.plan.key.system,
                deal_id=one.plan.key.deal_id,
                generation=one.plan.generation,
                kind=AuditKind.OVERRIDDEN,
                reason=given.reason,
                data={
                    "until": given.until.isoformat() if given.until else None,
                    "missing": [check.label for check in one.plan.missing],
                },
                by=given.by,
            )


def _entry(one: Decided, view: codec.Json, *, mode: str) -> Entry:
    plan = one.plan
    moving = [finding.reason for finding in plan.findings if finding.verdict in (Verdict.ACT, Verdict.BLOCKED)]
    return Entry(
        system=plan.key.system,
        deal_id=plan.key.deal_id,
        generation=plan.generation,
        kind=AuditKind.DECIDED,
        reason=" ".join(moving) or plan.coverage,
        data={
            "mode": mode,
            "standing": plan.standing.why,
            "phase": view["phase"],
            "gate": view["gate"],
            "percent": view["percent"],
            "missing": [check["label"] for check in view["missing"]],
            "csm": view["assignment"]["email"] if view["assignment"] else None,
            "segment": view["segment"],
            **({"chosen_by": plan.assignment.rule} if plan.assignment and plan.assignment.new else {}),
            "findings": [
                {"rule": item["rule"], "verdict": item["verdict"], "reason": item["reason"]}
                for item in view["findings"]
            ],
            "actions": [
                {"step": action.step, "reason": action.reason, "fields": sorted(getattr(action, "values", {}))}
                for action in plan.actions
            ],
        },
    )
