"""Who may write a field, and whether a write is needed: a person's edit always wins.

Not here: what a field should say (each rule knows) and how rules' wishes become one write (``decide``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connector.handoff.case import Case, listed
from connector.handoff.conditions import filled
from connector.handoff.model import Kind, Record, Value
from connector.handoff.plan import Order, Patch
from connector.handoff.rulebook.fields import FieldOwner


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written on one record, if anything; ``left`` are labels of fields left alone because of people,
    ``hidden`` of those the connector may not see."""

    patch: Patch | None
    left: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def actions(self) -> tuple[Patch, ...]:
        """The patch as a finding carries it."""
        return (self.patch,) if self.patch else ()

    @property
    def remark(self) -> str:
        """A sentence on what was left alone; empty when nothing was."""
        said = f" Left as it is because a person edited it: {listed(self.left)}." if self.left else ""
        if self.hidden:
            said += f" Not written, because the CRM does not show it to the connector: {listed(self.hidden)}."
        return said


def change_deal(case: Case, wanted: Mapping[str, Value], *, reason: str) -> Change:
    """Fields of the deal that must change for it to say what is ``wanted`` (by canonical name)."""
    return _change(case, case.snapshot.deal, wanted, reason=reason, order=Order.DEAL)


def put_back(case: Case, stage_id: str, wanted: Mapping[str, Value], *, reason: str) -> Change:
    """The same with the stage set back: the one field of people's that is written, because the gate's mode says so."""
    deal = case.snapshot.deal
    change = _change(case, deal, wanted, reason=reason, order=Order.REVERT)
    values = {"stage": stage_id, **(change.patch.values if change.patch else {})}
    expected = {"stage": case.snapshot.stage.id, **(change.patch.expected if change.patch else {})}
    return Change(Patch(REVERT_STEP, Order.REVERT, deal.ref, values, expected, reason), change.left, change.hidden)


def change_account(case: Case, wanted: Mapping[str, Value], *, reason: str) -> Change:
    """Fields of the account that must change (by canonical name, without ``account.``); nothing without an account."""
    account = case.snapshot.account
    return _change(case, account, wanted, reason=reason, order=Order.ASSIGN) if account else Change(None)


def may_fill(case: Case, name: str) -> bool:
    """Whether an empty field of the deal may be filled once: people did not empty it, and the mapping allows it."""
    rule, deal = case.policy.fields.get(name), case.snapshot.deal
    if rule is None or rule.owner is not FieldOwner.FILL_IF_EMPTY or not case.snapshot.knows(name):
        return False
    written = case.ledger.written.get(deal.ref, {})
    return _may_write(rule.owner, deal.get(name), known=name in written, last=written.get(name))


def same(one: Value, other: Value) -> bool:
    """Whether two values say the same in a CRM, which may trim text, drop fractions of a second and pad numbers."""
    return _comparable(one) == _comparable(other)


REVERT_STEP = "patch-revert"
_STEP = {Kind.DEAL: "patch-deal", Kind.ACCOUNT: "patch-account"}


def _change(case: Case, record: Record, wanted: Mapping[str, Value], *, reason: str, order: Order) -> Change:
    prefix = "account." if record.ref.kind is Kind.ACCOUNT else ""
    written = case.ledger.written.get(record.ref, {})
    values: dict[str, Value] = {}
    left: list[str] = []
    hidden: list[str] = []
    for name, value in wanted.items():
        rule = case.policy.fields.get(prefix + name)
        present = _as_written(case, record, name)
        if rule is None or same(present, value) or rule.owner is FieldOwner.HUMAN:
            continue
        if not case.snapshot.knows(prefix + name):
            # Whoever may not read a field may not write it either: one such name would spoil the whole batch.
            hidden.append(rule.label)
            continue
        if _may_write(rule.owner, present, known=name in written, last=written.get(name)):
            values[name] = value
        elif rule.owner is FieldOwner.DAEMON:
            left.append(rule.label)
    if not values:
        return Change(None, tuple(left), tuple(hidden))
    expected = {name: record.get(name) for name in values}
    patch = Patch(_STEP[record.ref.kind], order, record.ref, values, expected, reason)
    return Change(patch, tuple(left), tuple(hidden))


def _as_written(case: Case, record: Record, name: str) -> Value:
    """What a field says; for one that still says what the CRM made of our words, the words."""
    present = record.get(name)
    kept = case.ledger.kept.get(record.ref, {})
    return case.ledger.written[record.ref][name] if name in kept and same(present, kept[name]) else present


def _may_write(owner: FieldOwner, present: Value, *, known: bool, last: Value) -> bool:
    """``known`` says whether this connector wrote the field before, ``last`` what it then wrote."""
    match owner:
        case FieldOwner.DAEMON:
            return not known or same(present, last)
        case FieldOwner.FILL_IF_EMPTY:
            # What we filled and a person emptied stays empty.
            return not filled(present) and (not known or same(present, last))
        case FieldOwner.CREATE_ONLY:
            return not filled(present) and not known
        case FieldOwner.HUMAN:
            return False


def _comparable(value: Value) -> Value:
    if isinstance(value, str):
        text = "\n".join(line.rstrip() for line in value.splitlines()).strip()
        return text or None
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    if isinstance(value, Decimal):
        return value.normalize()
    return value
