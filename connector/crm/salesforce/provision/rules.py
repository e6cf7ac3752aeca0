"""The native gate: validation rules that stop a save into a won stage while a required field is empty.

Not here: what the gate says of a win that came about all the same (``handoff.rules.gate``: that check stays, and
is the stricter of the two). A rule here may let more through than that check, never less, but for the day on which an
override ends: the org counts it in the saver's time zone, the connector in the team's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.crm.salesforce.provision.component import Component, leaf
from connector.crm.salesforce.provision.formula import (
    FALSE,
    TRUE,
    Atom,
    Expr,
    all_of,
    any_of,
    negated,
    split,
    text,
)
from connector.crm.salesforce.provision.options import BYPASS, PREFIX, ByHand, Options, Part
from connector.crm.salesforce.provision.translate import (
    NotNativeError,
    Reference,
    Translator,
    among_emails,
    blank,
    literal,
    relation,
)
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.gate import GateMode, Requirement
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap

OBJECT = "Opportunity"
NAME_CHARS = 40
MESSAGE_CHARS = 255
"""Most of a rule's name and of its message (facts: Salesforce §5.3)."""
DESCRIPTION_CHARS = 255
BLOCKING = frozenset({GateMode.HOLD, GateMode.REVERT})
"""The modes in which a win with gaps does not go on; only those may stop a save."""

_PART_CHARS = 3
_DIGEST_CHARS = 4
_NUMBERED = re.compile(r"_[0-9]+$")
_WORDS = re.compile(r"[^A-Za-z0-9]+")
_NO_BYPASS = negated(Atom(f"$Permission.{BYPASS}"))


@dataclass(frozen=True, slots=True)
class _Demand:
    """One required field: when it is asked for, and in which words."""

    field: str
    why: str
    advice: str
    asks: tuple[Requirement, ...]


def validation_rules(crm_map: CrmMap, policy: Policy, options: Options) -> Part:
    """The rules a policy's gate asks for, one for each required field, and what no rule can say."""
    if crm_map.objects.get(Kind.DEAL, OBJECT) != OBJECT:
        why = f"only {OBJECT} knows whether a stage is won"
        return Part(by_hand=(_left("The native gate", why),))
    translator = Translator(policy, crm_map, options.described)
    try:
        asked = _asked(translator)
    except NotNativeError as error:
        return Part(by_hand=(_left("The native gate", str(error)),))
    if asked == FALSE:
        return Part(by_hand=tuple(_silent(policy)))
    excuse = (override(translator), override(translator, anybody=True))
    asked = all_of(*_step_into_won(options.won_stages), _NO_BYPASS, asked)
    return Part.of(
        _rules(translator, demand, name=name, asked=asked, excuse=excuse) for name, demand in _named(policy).items()
    )


def _step_into_won(won_stages: tuple[str, ...]) -> tuple[Expr, ...]:
    """True for the save that wins a deal. From one won stage on to another is no win: old deals take that step too.

    IsWon follows the stage's own flag, so the stage that is saved is not named; ISCHANGED is false on a new record
    (facts: Salesforce §5.3). Where one stage alone is won, whoever changes to it came from one that is not.
    """
    changed: Expr = Atom("ISCHANGED(StageName)")
    if len(won_stages) > 1:
        was = (Atom(f"ISPICKVAL(PRIORVALUE(StageName), {literal(one)})") for one in sorted(won_stages))
        changed = all_of(changed, negated(any_of(*was)))
    return Atom("IsWon"), any_of(Atom("ISNEW()"), changed)


def override(translator: Translator, *, anybody: bool = False) -> Expr:
    """True when a valid override stands on the deal, as near to ``handoff.override`` as a formula comes.

    With ``anybody`` the approver may be any active person, for lists that are too long for a formula.
    """
    policy = translator.policy.override
    found = {name: translator.crm_map.get(Kind.DEAL, f"override_{name}") for name in _OVERRIDE}
    if not policy.approvers or any(mapped is None for mapped in found.values()):
        return FALSE
    try:
        requested, reason, approver, expires = (translator.reference(f"override_{name}") for name in _OVERRIDE)
        through = relation(approver.text)
    except NotNativeError:
        return FALSE
    day = f"DATEVALUE({expires.text})" if expires.type is FieldType.DATETIME else expires.text
    emails = tuple(sorted({email.strip().lower() for email in policy.approvers}))
    return all_of(
        negated(blank(requested)),
        negated(blank(reason)),
        _long_enough(reason, policy.min_reason_chars),
        negated(blank(approver)),
        Atom(f"{through}.IsActive"),
        TRUE if anybody else among_emails(f"LOWER({through}.Email)", emails),
        negated(blank(expires)),
        Atom(f"{day} >= TODAY()"),
        Atom(f"{day} <= TODAY() + {policy.max_days}"),
    )


_OVERRIDE = ("requested", "reason", "approver", "expires")


def _long_enough(reason: Reference, least: int) -> Expr:
    # LEN of a long text is documented nowhere (facts: Salesforce §5.3), so there any reason does.
    return TRUE if reason.type is FieldType.LONG_TEXT else Atom(f"LEN(TRIM({reason.text})) >= {least}")


def _asked(translator: Translator) -> Expr:
    """True for the deals whose gate mode stops a win, and whose type gets a handoff at all."""
    gate = translator.policy.gate
    cases = [(one.when, one.mode in BLOCKING) for one in gate.exceptions]
    blocking = translator.first_match(cases, default=gate.mode in BLOCKING)
    return all_of(blocking, translator.deal_type(frozenset(translator.policy.deal_types)))


def _named(policy: Policy) -> Mapping[str, _Demand]:
    """What is asked for under the names of its rules; entries that differ in their condition alone are one."""
    asks: dict[tuple[str, str, str], list[Requirement]] = {}
    for one in policy.gate.requirements:
        asks.setdefault((one.field, one.why, one.advice), []).append(one)
    plain = [_plain(field) for field, _, _ in asks]
    named = {}
    for (field, why, advice), entries in asks.items():
        name = _plain(field)
        # A long rule is cut into numbered parts: Risk_2 may be a field's own name, or the second part of Risk.
        alike = (name.lower(), _NUMBERED.sub("", name.lower()))
        crowded = sum(other.lower() in alike for other in plain) > 1
        if crowded or len(name) > NAME_CHARS - _PART_CHARS:
            # Two demands of one field, or two fields that read alike: told apart by what they say, not by their order.
            digest = hashlib.sha256("\n".join((field, why, advice)).encode()).hexdigest()[:_DIGEST_CHARS]
            name = f"{name[: NAME_CHARS - _PART_CHARS - _DIGEST_CHARS - 1].rstrip('_')}_{digest}"
        named[name] = _Demand(field, why, advice, tuple(entries))
    return named


def _plain(field: str) -> str:
    words = [word.capitalize() for word in _WORDS.split(field.replace("_", " ")) if word]
    return f"{PREFIX}Req_{'_'.join(words)}"


def _rules(translator: Translator, demand: _Demand, *, name: str, asked: Expr, excuse: tuple[Expr, Expr]) -> Part:
    label = _label(translator, demand.field)
    try:
        found = translator.reference(demand.field)
        when = any_of(*(translator.condition(one.when) for one in demand.asks))
    except NotNativeError as error:
        return Part(by_hand=(_left(f"Native gate for {label}", str(error)),))
    needed = (asked, when)
    wholes = [all_of(*needed, negated(one), blank(found)) for one in excuse]
    if FALSE in wholes:
        return Part()
    formulas, lenient = split(wholes[0]), split(wholes[1])
    if not lenient:
        why = "its conditions make a formula too long for an org, and cannot be cut into several rules"
        return Part(by_hand=(_left(f"Native gate for {label}", why),))
    message = _message(translator, label, demand, excuse=excuse[0])
    chosen = formulas or lenient
    names = [name, *(f"{name}_{number}" for number in range(2, len(chosen) + 1))]
    return Part(
        components=tuple(
            _component(one, formula, found=found, message=message, label=label, part=(number, len(chosen)))
            for number, (one, formula) in enumerate(zip(names, chosen, strict=True), 1)
        ),
        by_hand=() if formulas else (_left(f"The approver's name for {label}", _MANY_APPROVERS),),
    )


_MANY_APPROVERS = "the list of approvers is too long for a formula, so the native rule takes any active person's name"


def _component(
    name: str, formula: Expr, *, found: Reference, message: str, label: str, part: tuple[int, int]
) -> Component:
    number, total = part
    of = f" Part {number} of {total}." if total > 1 else ""
    description = (
        f"Handoff gate: {label}.{of} Made by handoff provision; who edits it owns it. Seen by the connector only: "
        "text of nothing but blanks, a long-text reason's length, and an override's last day in the team's time zone."
    )
    shown = () if found.foreign else (leaf("errorDisplayField", found.text),)
    body = (
        leaf("fullName", name),
        leaf("active", True),
        leaf("description", _cut(description, DESCRIPTION_CHARS)),
        leaf("errorConditionFormula", text(formula)),
        *shown,
        leaf("errorMessage", message),
    )
    return Component("ValidationRule", f"{OBJECT}.{name}", body, why=f"{label} is required before a deal is won.{of}")


def _message(translator: Translator, label: str, demand: _Demand, *, excuse: Expr) -> str:
    """What is missing, why, and the way out; the advice where there is room for it."""
    lead = _cut(f"{label} is missing for the handoff.", MESSAGE_CHARS // 3)
    hint = ""
    if excuse != FALSE:
        ticked = _label(translator, "override_requested")
        hint = _cut(f'Cannot wait? Tick "{ticked}" with reason, approver and expiry date.', MESSAGE_CHARS // 3)
    room = MESSAGE_CHARS - len(lead) - len(hint) - 2
    why, advice = demand.why.strip(), demand.advice.strip()
    middle = f"{why} {advice}".strip()
    middle = middle if len(middle) <= room else _cut(why, room)
    return " ".join(part for part in (lead, middle, hint) if part)


def _label(translator: Translator, path: str) -> str:
    mapped = translator.crm_map.fields.get(path)
    return (mapped.label or mapped.field) if mapped else path


def _cut(words: str, most: int) -> str:
    words = " ".join(words.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def _left(what: str, why: str) -> ByHand:
    return ByHand(
        "ValidationRule", what, "Nothing to do: the connector checks every win itself, as the mode says.", why
    )


def _silent(policy: Policy) -> Iterator[ByHand]:
    if policy.gate.mode is GateMode.WARN and policy.gate.requirements:
        why = 'the gate\'s mode is "warn": a win with gaps goes on, and a validation rule cannot warn'
        yield _left("The native gate", why)
