"""What the connector remembers of each deal, when acting began, and what each CSM carries.

Not here: changing it with a decision (``record``) or a confirmed write (``outbox``). All of it may be lost: the CRM
is the system of record, and the ledger only saves time and keeps people's edits apart from ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, false, func, or_, select

from connector.handoff.model import (
    Answered,
    Briefed,
    Effect,
    Gate,
    Kind,
    LedgerFacts,
    Load,
    Ref,
    SystemName,
    Value,
    Waiting,
)
from connector.handoff.moves import Bounce, Mover, MoverKind, Refusal
from connector.handoff.plan import Phase
from connector.store import codec
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.heldrows import HoldKind, HoldState
from connector.store.inbox import want_looks
from connector.store.playbooks import playbooks_of, steps_before
from connector.store.rows import ChangeLike, Look
from connector.store.schema import KEPT, effect, handoff, hold, outbox, roster, written
from connector.store.schema import system as system_table
from connector.store.states import OPEN, State

CSM = "csm"
"""The canonical name of an account's CSM field."""

HANDLED = (Phase.BEFORE_START, Phase.WON, Phase.IN_FLIGHT)
"""Phases in which a deal that stands in a won stage needs nobody to point at it again."""

IN_FLIGHT = (Phase.WON, Phase.HELD, Phase.IN_FLIGHT, Phase.REOPENED)
"""Phases in which a handoff is under way and worth a look now and then though nothing was reported."""

NO_DEAL = "The deal is no longer in the CRM; there is nothing to hand off."
"""Why a deal was given up."""

STALE_LIMIT = 2000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

NOTHING_REMEMBERED: Mapping[str, Any] = {
    "generation": 0,
    "adopted": False,
    "done_signals": "{}",
    "segment": "",
    "percent": 0,
    "reason": "",
    "looked_because": "",
    "digest": "",
}
"""A handoff row for a deal about which nothing was decided yet."""


_DROPPED = select(hold.c.name).where(
    hold.c.system == bindparam("system"),
    hold.c.kind == HoldKind.DEAL.value,
    hold.c.state == HoldState.DROPPED.value,
)
_WAITLIST = (
    select(handoff.c.deal_id, handoff.c.waiting_pool, handoff.c.waiting_since)
    .where(
        handoff.c.system == bindparam("system"),
        handoff.c.waiting_since.is_not(None),
        handoff.c.phase == Phase.IN_FLIGHT.value,
        handoff.c.deal_id.not_in(_DROPPED),
    )
    .order_by(handoff.c.waiting_since, handoff.c.deal_id)
)
"""Written once: every pass asks this, and putting a statement together takes longer than running it."""


class Ledger(Part):
    """Facts per deal, the baseline, the roster."""

    def baseline(self, system: SystemName) -> datetime | None:
        """When acting began; None before the first run."""
        query = select(system_table.c.baseline).where(system_table.c.system == system)
        with self._db.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def set_baseline(self, system: SystemName, at: datetime) -> None:
        """Set when acting began: deals won before are observed only, unless adopted."""
        with self._db.write() as connection:
            statement = self._db.insert(system_table).values(system=system, baseline=at)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["system"], set_={"baseline": statement.excluded.baseline}
                )
            )

    def facts(
        self, system: SystemName, deal_ids: Sequence[str], *, accounts: Mapping[str, str] | None = None
    ) -> Mapping[str, LedgerFacts]:
        """What is remembered of these deals; an unknown deal has nothing but the baseline (now, before a first run).

        ``effects`` are those of the remembered generation; ``written`` covers the deal, the account it last wrote and
        the one it has now as ``accounts`` says, whichever deal that was written for: people edit accounts, not deals'.
        """
        baseline = self.baseline(system) or self._db.now()
        found: dict[str, LedgerFacts] = {}
        with self._db.read() as connection:
            for part in chunks(sorted(set(deal_ids))):
                found |= _facts(connection, system, part, baseline)
            present = [Ref(Kind.ACCOUNT, each) for each in sorted(set((accounts or {}).values()))]
            values: dict[Ref, _Fields] = {}
            for refs in chunks(present):
                values |= _written(connection, system, refs)
        known = {deal_id: found.get(deal_id) or LedgerFacts(baseline=baseline) for deal_id in deal_ids}
        for deal_id, account_id in (accounts or {}).items():
            of_account = values.get(Ref(Kind.ACCOUNT, account_id))
            if deal_id in known and of_account is not None:
                known[deal_id] = _with_account(known[deal_id], Ref(Kind.ACCOUNT, account_id), of_account)
        return known

    def adopt(self, system: SystemName, deal_ids: Sequence[str]) -> None:
        """Act on these deals though they were won before the baseline; each is looked at now."""
        now = self._db.now()
        ids = sorted(set(deal_ids))
        if not ids:
            return
        with self._db.write() as connection:
            statement = self._db.insert(handoff)
            rows = [
                {**NOTHING_REMEMBERED, "system": system, "deal_id": deal_id, "adopted": True, "created_at": now}
                for deal_id in ids
            ]
            connection.execute(
                statement.on_conflict_do_update(index_elements=["system", "deal_id"], set_={"adopted": True}), rows
            )
            reason = "asked to act on a win from before the start"
            want_looks(self._db, connection, system, [Look(deal_id=each, due_at=now, reason=reason) for each in ids])
            write_audit(
                connection,
                now,
                [
                    Entry(system=system, deal_id=each, generation=0, kind=AuditKind.ADOPTED, reason=reason)
                    for each in ids
                ],
            )

    def only_observed(self, system: SystemName) -> bool:
        """Whether decisions were made for this system and all of them only observed."""
        query = select(handoff.c.mode).where(handoff.c.system == system, handoff.c.mode.is_not(None))
        with self._db.read() as connection:
            acted = connection.execute(query.where(handoff.c.mode == "act").limit(1)).first()
            return acted is None and connection.execute(query.limit(1)).first() is not None

    def acted_ever(self, system: SystemName) -> bool:
        """Whether any decision of this system was made to act on it."""
        query = select(handoff.c.mode).where(handoff.c.system == system, handoff.c.mode == "act").limit(1)
        with self._db.read() as connection:
            return connection.execute(query).first() is not None

    def observed_only(self, system: SystemName, deal_ids: Sequence[str]) -> set[str]:
        """The deals among these that were won before the start, when they were last decided, and not taken up since."""
        found: set[str] = set()
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(handoff.c.deal_id).where(
                    handoff.c.system == system,
                    handoff.c.deal_id.in_(part),
                    handoff.c.phase == Phase.BEFORE_START.value,
                    handoff.c.adopted.is_(False),
                )
                found.update(connection.execute(query).scalars())
        return found

    def unhandled(
        self, system: SystemName, deal_ids: Sequence[str], *, act: bool = False, since: datetime | None = None
    ) -> tuple[str, ...]:
        """Which of these deals, all standing in a won stage, the ledger does not know as handled.

        With ``act``, a deal that was only observed is not handled either, unless it was won before ``since``, when
        acting began.
        """
        handled: set[str] = set()
        known: ColumnElement[bool] = handoff.c.phase.in_([phase.value for phase in HANDLED])
        if act:
            old = handoff.c.won_at < since if since is not None else false()
            known = and_(known, or_(handoff.c.mode == "act", handoff.c.phase == Phase.BEFORE_START.value, old))
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(handoff.c.deal_id).where(handoff.c.system == system, handoff.c.deal_id.in_(part), known)
                handled.update(connection.execute(query).scalars())
        return tuple(deal_id for deal_id in deal_ids if deal_id not in handled)

    def missed(self, system: SystemName, changes: Sequence[ChangeLike], *, ahead: timedelta) -> tuple[str, ...]:
        """The deals among these that nobody decided on since they changed; ``ahead`` is how far the CRM's clock is
        before the ledger's.

        A deal the ledger never saw is one of them, and so is one whose look is still to come.
        """
        decided: dict[str, datetime] = {}
        with self._db.read() as connection:
            for part in chunks([change.deal_id for change in changes]):
                query = select(handoff.c.deal_id, handoff.c.decided_at).where(
                    handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.decided_at.is_not(None)
                )
                decided.update((row.deal_id, row.decided_at) for row in connection.execute(query))
        return tuple(
            change.deal_id
            for change in changes
            if change.deal_id not in decided
            or (change.modified_at is not None and decided[change.deal_id] + ahead < change.modified_at)
        )

    def followed(self, system: SystemName, deal_ids: Sequence[str]) -> frozenset[str]:
        """Which of these deals the ledger knows and has not given up."""
        return self._known(system, deal_ids, handoff.c.reason != NO_DEAL)

    def given_up(self, system: SystemName, deal_ids: Sequence[str]) -> frozenset[str]:
        """Which of these deals the ledger gave up because they were no longer in the CRM."""
        return self._known(system, deal_ids, handoff.c.phase == Phase.LOST.value, handoff.c.reason == NO_DEAL)

    def _known(self, system: SystemName, deal_ids: Sequence[str], *where: ColumnElement[bool]) -> frozenset[str]:
        found: set[str] = set()
        with self._db.read() as connection:
            for part in chunks(deal_ids):
                query = select(handoff.c.deal_id).where(handoff.c.system == system, handoff.c.deal_id.in_(part), *where)
                found.update(connection.execute(query).scalars())
        return frozenset(found)

    def stale(
        self,
        system: SystemName,
        *,
        looked_before: datetime,
        begun_after: datetime | None = None,
        limit: int = STALE_LIMIT,
    ) -> tuple[str, ...]:
        """Handoffs under way that nobody looked at since ``looked_before``, the longest waiting first.

        Those released before ``begun_after`` are left out: they are looked at only when something changes. So are those
        that wait for a person.
        """
        aside = select(hold.c.name).where(
            hold.c.system == system, hold.c.kind == "deal", hold.c.state.in_(("held", "dropped"))
        )
        query = (
            select(handoff.c.deal_id)
            .where(
                handoff.c.system == system,
                handoff.c.decided_at < looked_before,
                handoff.c.phase.in_([phase.value for phase in IN_FLIGHT]),
                or_(handoff.c.released_at.is_(None), handoff.c.released_at >= (begun_after or LONG_AGO)),
                handoff.c.deal_id.not_in(aside),
            )
            .order_by(handoff.c.decided_at, handoff.c.deal_id)
            .limit(limit)
        )
        with self._db.read() as connection:
            return tuple(connection.execute(query).scalars())

    def unweighed(self, system: SystemName, *, beyond: str, limit: int) -> tuple[str, ...]:
        """Handoffs under way of which it is not known what they are worth, by deal id, behind that one."""
        query = (
            select(handoff.c.deal_id)
            .where(
                handoff.c.system == system,
                handoff.c.phase == Phase.IN_FLIGHT.value,
                handoff.c.csm_id.is_not(None),
                handoff.c.amount.is_(None),
                handoff.c.deal_id > beyond,
            )
            .order_by(handoff.c.deal_id)
            .limit(limit)
        )
        with self._db.read() as connection:
            return tuple(connection.execute(query).scalars())

    def roster(self, system: SystemName, *, now: datetime = LONG_AGO, begun: bool = False) -> Mapping[str, Load]:
        """What each CSM carries, by person id, with the places that open deals hold for them at a time; how many
        handoffs they have had is counted only where it is asked for."""
        query = select(roster).where(roster.c.system == system)
        with self._db.read() as connection:
            loads = {row.person_id: _load(row) for row in connection.execute(query)}
            for row in connection.execute(_places_held(system, now)):
                load = loads.get(row.early_id, Load())
                revenue = load.revenue + (read_amount(row.worth) or Decimal(0))
                loads[row.early_id] = Load(load.accounts + row.deals, load.turn, revenue)
            for person_id, count in connection.execute(_begun(system)) if begun else ():
                loads[person_id] = replace(loads.get(person_id, Load()), begun=count)
        return loads

    def waitlist(self, system: SystemName) -> tuple[Waiting, ...]:
        """The deals that wait for a CSM, the oldest first; for one that a person dropped no place is kept."""
        with self._db.read() as connection:
            rows = connection.execute(_WAITLIST, {"system": system}).all()
        return tuple(Waiting(row.deal_id, row.waiting_pool or "", row.waiting_since) for row in rows)

    def refresh_roster(self, system: SystemName, counts: Mapping[str, int], *, as_of: datetime | None = None) -> None:
        """Take over the CRM's account counts, plus accounts promised but not yet written; turns are kept. Revenue is
        summed anew from the handoffs under way.

        ``as_of`` is when the count was begun: writes confirmed since are added too, rather twice than over a cap.
        """
        with self._db.write() as connection:
            promised = Counter(
                str(values[CSM])
                for values in _account_values(connection, system, _promised(as_of)).values()
                if values.get(CSM)
            )
            known = select(roster.c.person_id).where(roster.c.system == system).with_for_update()
            revenue = _revenue(connection, system)
            people = sorted({*counts, *promised, *revenue, *connection.execute(known).scalars()})
            if not people:
                return
            statement = self._db.insert(roster)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["system", "person_id"],
                    set_={"accounts": statement.excluded.accounts, "revenue": statement.excluded.revenue},
                ),
                [
                    {
                        "system": system,
                        "person_id": person,
                        "accounts": counts.get(person, 0) + promised[person],
                        "turn": 0,
                        "revenue": revenue.get(person, 0.0),
                    }
                    for person in people
                ],
            )

    def open_account_values(self, system: SystemName) -> Mapping[str, Mapping[str, Value]]:
        """What rows on their way will write to accounts, by account id: read together with the CRM's own values."""
        with self._db.read() as connection:
            return _account_values(connection, system, outbox.c.state.in_(OPEN))


def _places_held(system: SystemName, now: datetime) -> Select[Any]:
    """What open deals hold, by whom they were given to before their close, but for those long past it."""
    columns = (handoff.c.early_id, func.count().label("deals"), func.sum(handoff.c.amount).label("worth"))
    held = and_(
        handoff.c.system == system,
        handoff.c.early_id.is_not(None),
        handoff.c.phase != Phase.LOST.value,
        or_(handoff.c.early_until.is_(None), handoff.c.early_until > now),
    )
    return select(*columns).where(held).group_by(handoff.c.early_id)


def _begun(system: SystemName) -> Select[Any]:
    """How many handoffs each CSM has."""
    of_csm = (handoff.c.system == system, handoff.c.csm_id.is_not(None))
    return select(handoff.c.csm_id, func.count()).where(*of_csm).group_by(handoff.c.csm_id)


def _load(row: Row[Any]) -> Load:
    return Load(accounts=row.accounts, turn=row.turn, revenue=read_amount(row.revenue) or Decimal(0))


def _revenue(connection: Connection, system: SystemName) -> dict[str, float]:
    query = (
        select(handoff.c.csm_id, func.sum(handoff.c.amount).label("total"))
        .where(
            handoff.c.system == system,
            handoff.c.phase == Phase.IN_FLIGHT.value,
            handoff.c.csm_id.is_not(None),
            handoff.c.amount.is_not(None),
        )
        .group_by(handoff.c.csm_id)
    )
    return {row.csm_id: float(row.total) for row in connection.execute(query)}


def read_amount(number: float | None) -> Decimal | None:
    """A sum of money as the database keeps it, to the cent."""
    return None if number is None else round(Decimal(number), 2)


def _promised(as_of: datetime | None) -> ColumnElement[bool]:
    unwritten = outbox.c.state.in_((*OPEN, State.PARKED))
    if as_of is None:
        return unwritten
    return or_(unwritten, and_(outbox.c.state == State.APPLIED, outbox.c.settled_at >= as_of))


def _account_values(
    connection: Connection, system: SystemName, where: ColumnElement[bool]
) -> dict[str, dict[str, Value]]:
    query = (
        select(outbox.c.target, outbox.c.action)
        .where(outbox.c.system == system, outbox.c.kind == Kind.ACCOUNT.value, outbox.c.operation == "update", where)
        .order_by(outbox.c.id)
    )
    found: dict[str, dict[str, Value]] = {}
    for account_id, action in connection.execute(query):
        found.setdefault(account_id, {}).update(codec.decode_values(codec.loads(action)["values"]))
    return found


def _facts(
    connection: Connection, system: SystemName, deal_ids: Sequence[str], baseline: datetime
) -> dict[str, LedgerFacts]:
    rows = connection.execute(select(handoff).where(handoff.c.system == system, handoff.c.deal_id.in_(deal_ids))).all()
    effects = effects_of(connection, system, rows)
    values = _written(connection, system, [Ref(Kind.DEAL, row.deal_id) for row in rows])
    values |= _written(connection, system, [Ref(Kind.ACCOUNT, row.account_id) for row in rows if row.account_id])
    books = playbooks_of(connection, rows)
    found: dict[str, LedgerFacts] = {}
    for row in rows:
        refs = [Ref(Kind.DEAL, row.deal_id)]
        if row.account_id:
            refs.append(Ref(Kind.ACCOUNT, row.account_id))
        found[row.deal_id] = LedgerFacts(
            baseline=baseline,
            generation=row.generation,
            won_at=row.won_at,
            left_won_at=row.left_won_at,
            released_at=row.released_at,
            gate=Gate(row.gate) if row.gate else None,
            csm_id=row.csm_id,
            assigned_at=row.assigned_at,
            stage_before_win=row.stage_before_win,
            adopted=row.adopted,
            effects=effects.get(row.deal_id, {}),
            written={ref: values[ref].written for ref in refs if ref in values},
            kept={ref: values[ref].kept for ref in refs if ref in values and values[ref].kept},
            done_signals=read_signals(row.done_signals),
            last_win_at=row.last_win_at,
            put_back_at=row.put_back_at,
            put_back_refused=read_refusal(row.put_back_refused),
            bounces=read_bounces(row.bounces),
            playbook=books.get(row.playbook or ""),
            steps=steps_before(row, effects.get(row.deal_id, {})),
            marks=read_signals(row.marks or "{}"),
            waiting_since=row.waiting_since,
            waiting_pool=row.waiting_pool or "",
            second_id=row.second_id,
            amount=read_amount(row.amount),
            briefed=read_briefed(row.briefed) if row.briefed else None,
            early_id=row.early_id,
            early_until=row.early_until,
            exempt=row.exempt or "",
            exempt_at=row.exempt_at,
        )
    return found


def _with_account(facts: LedgerFacts, ref: Ref, values: _Fields) -> LedgerFacts:
    kept = {**facts.kept, ref: values.kept} if values.kept else facts.kept
    return replace(facts, written={**facts.written, ref: values.written}, kept=kept)


def effects_of(connection: Connection, system: SystemName, rows: Iterable[Row[Any]]) -> dict[str, dict[str, Effect]]:
    """The confirmed effects of these handoff rows, each of the row's generation, by deal and step."""
    generations = {row.deal_id: row.generation for row in rows}
    query = select(effect).where(effect.c.system == system, effect.c.deal_id.in_(list(generations)))
    found: dict[str, dict[str, Effect]] = {}
    for row in connection.execute(query):
        if row.generation == generations[row.deal_id]:
            one = Effect(step=row.step, record_id=row.record_id, fingerprint=row.fingerprint, at=row.at)
            found.setdefault(row.deal_id, {})[row.step] = one
    return found


@dataclass(frozen=True, slots=True)
class _Fields:
    """The values last written to one record, and what the CRM made of those that it did not keep as they were."""

    written: dict[str, Value] = field(default_factory=dict)
    kept: dict[str, Value] = field(default_factory=dict)


def _written(connection: Connection, system: SystemName, refs: Sequence[Ref]) -> dict[Ref, _Fields]:
    found: dict[Ref, _Fields] = {}
    made_of: dict[tuple[Ref, str], codec.Json] = {}
    if not refs:
        return found
    query = select(written).where(
        written.c.system == system,
        written.c.kind == refs[0].kind.value,
        written.c.record_id.in_(sorted({ref.id for ref in refs})),
    )
    for row in connection.execute(query):
        one = found.setdefault(Ref(Kind(row.kind), row.record_id), _Fields())
        told = codec.loads(row.value)
        if row.field.startswith(KEPT):
            made_of[Ref(Kind(row.kind), row.record_id), row.field.removeprefix(KEPT)] = told
        else:
            one.written[row.field] = codec.decode_value(told)
    for (ref, name), both in made_of.items():
        # What was written since is another matter: only what became of the latest counts.
        if name in found[ref].written and found[ref].written[name] == codec.decode_value(both["asked"]):
            found[ref].kept[name] = codec.decode_value(both["kept"])
    return found


def read_signals(text: str) -> dict[str, datetime]:
    """Completion signals, step by step, from their JSON text."""
    return {step: datetime.fromisoformat(at) for step, at in codec.loads(text).items()}


def read_bounces(text: str | None) -> tuple[Bounce, ...]:
    """Returns of a deal that was put back, from their JSON text; NULL is none."""
    return tuple(
        Bounce(datetime.fromisoformat(at), Mover(MoverKind(kind), name)) for at, kind, name in codec.loads(text or "[]")
    )


def bounces_text(bounces: Sequence[Bounce]) -> str | None:
    """Returns of a deal as JSON text; None for none."""
    told = [(each.at.isoformat(), each.by.kind.value, each.by.name) for each in bounces]
    return codec.dumps(told) if told else None


def read_briefed(text: str) -> Briefed:
    """What the CSM knows of the answers, from its JSON text."""
    told = codec.loads(text)
    answers = {path: Answered(*pair) for path, pair in told["answers"].items()}
    return Briefed(answers, datetime.fromisoformat(told["since"]) if told["since"] else None)


def briefed_text(briefed: Briefed) -> str:
    """What the CSM knows of the answers, as JSON text."""
    since = briefed.since.isoformat() if briefed.since else None
    return codec.dumps({"since": since, "answers": {p: (a.print, a.text) for p, a in briefed.answers.items()}})


def read_refusal(text: str | None) -> Refusal | None:
    """A refused put-back from its JSON text."""
    return Refusal(*codec.loads(text)) if text else None


def refusal_text(refusal: Refusal | None) -> str | None:
    """A refused put-back as JSON text."""
    return codec.dumps((refusal.stage, refusal.words)) if refusal else None


def signals_text(signals: Mapping[str, datetime]) -> str:
    """Completion signals as JSON text."""
    return codec.dumps({step: at.isoformat() for step, at in signals.items()})
