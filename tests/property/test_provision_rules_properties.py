"""Whatever conditions a policy has: the native rules stop exactly the wins that the core would hold.

Not here: single formulas (tests/unit/test_provision_rules.py). The formulas are evaluated by the sandbox's engine,
which shares nothing with the connector; sizes are held against its estimate too.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
from factories import LENA, MANAGER, MAYA, NOW, PEOPLE, a_calendar, a_policy, a_snapshot
from formulas import DEAL_TYPES, DESCRIBED, a_map, compiled, fires
from hypothesis import given, settings

from connector.crm.salesforce.provision.formula import (
    Always,
    And,
    Atom,
    Expr,
    Not,
    Or,
    compiled_size,
    fits,
    split,
    text,
)
from connector.crm.salesforce.provision.options import Options
from connector.crm.salesforce.provision.rules import validation_rules
from connector.crm.salesforce.provision.translate import Translator
from connector.handoff import conditions
from connector.handoff.decide import decide
from connector.handoff.model import DealType, Gate, Snapshot
from connector.handoff.rulebook.conditions import Condition, Op, Segment
from connector.handoff.rulebook.conditions import Test as Comparison
from connector.handoff.rulebook.gate import GateMode, GateModeRule, GatePolicy, OverridePolicy, Requirement
from connector.handoff.rulebook.policy import Policy

WORDS = ("Germany", "GERMANY", " germany ", "Österreich", 'say "hi"', "back\\slash", "")
NUMBERS = (Decimal(0), Decimal("-1.5"), Decimal(12000), Decimal(60000), Decimal("60000.01"))
SHARES = (Decimal(0), Decimal(50), Decimal(90))
DAYS = (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4))
CHOICES = ("Technology", "technology", "Retail", "Energy")
TODAY = NOW.date()

WORDED = {"name": WORDS, "champion": WORDS, "account.country": WORDS, "source": CHOICES, "account.industry": CHOICES}
COUNTED = {"amount": NUMBERS, "probability": SHARES, "account.employees": NUMBERS[::2]}
DATED = ("close_date", "go_live_date")
FILLABLE = (*WORDED, *COUNTED, *DATED, "changed", "owner", "account", "why_bought", "override_requested")

ORDER = (Op.AT_LEAST, Op.MORE_THAN, Op.AT_MOST, Op.LESS_THAN)


def _one_of(field: str, ops: tuple[Op, ...], operands: Any) -> st.SearchStrategy[Comparison]:
    return st.builds(Comparison, st.just(field), st.sampled_from(ops), operands)


def _lists(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from([one for one in values if one]), min_size=1, max_size=4).map(tuple)


PLAIN = st.one_of(
    *(_one_of(field, (Op.IS, Op.IS_NOT), st.sampled_from(values)) for field, values in WORDED.items()),
    *(_one_of(field, (Op.IN, Op.NOT_IN), _lists(values)) for field, values in WORDED.items()),
    *(_one_of(field, (Op.CONTAINS,), st.sampled_from(("GER", "\\", '"', " x "))) for field in ("name", "champion")),
    *(_one_of(field, (Op.IS, Op.IS_NOT, *ORDER), st.sampled_from(values)) for field, values in COUNTED.items()),
    *(_one_of(field, (Op.IS, Op.IS_NOT, *ORDER), st.sampled_from(DAYS)) for field in DATED),
    _one_of("changed", ORDER, st.sampled_from(DAYS)),
    _one_of("override_requested", (Op.IS, Op.IS_NOT), st.booleans()),
    st.sampled_from(FILLABLE).flatmap(lambda field: _one_of(field, (Op.FILLED,), st.booleans())),
)
SEGMENTS = ("enterprise", "mid", "small")
NAMED = st.one_of(
    _one_of("segment", (Op.IS, Op.IS_NOT), st.sampled_from(SEGMENTS)),
    _one_of("segment", (Op.IN, Op.NOT_IN), _lists(SEGMENTS)),
    _one_of("deal_type", (Op.IS, Op.IS_NOT), st.sampled_from([kind.value for kind in DealType])),
    _one_of("deal_type", (Op.IN, Op.NOT_IN), _lists(tuple(kind.value for kind in DealType))),
)


def _conditions(tests: st.SearchStrategy[Comparison], most: int = 3) -> st.SearchStrategy[Condition]:
    return st.lists(tests, max_size=most).map(lambda found: Condition(tuple(found)))


CONDITIONS = _conditions(PLAIN | NAMED)
SEGMENTATIONS = st.tuples(_conditions(PLAIN, 2), _conditions(PLAIN, 2)).map(
    lambda found: tuple(Segment(*pair) for pair in zip(SEGMENTS, (*found, Condition()), strict=True))
)


def _or_none(values: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(values)


MOMENTS = st.sampled_from(DAYS).map(lambda day: datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC))


@st.composite
def deals(draw: st.DrawFn) -> Snapshot:
    """A deal just won, with any field empty or filled, with or without an account."""
    # Salesforce keeps no blanks at the ends of a text and no text of blanks alone.
    words = _or_none([word.strip() for word in WORDS if word.strip()])
    bought = draw(_or_none((*DEAL_TYPES, "Gift")))
    deal = {
        "name": draw(words),
        "champion": draw(words),
        "why_bought": draw(words),
        "economic_buyer": draw(words),
        "amount": draw(_or_none(NUMBERS)),
        "probability": draw(_or_none(SHARES)),
        "close_date": draw(_or_none(DAYS)),
        "go_live_date": draw(_or_none(DAYS)),
        "changed": draw(st.none() | MOMENTS),
        "type": bought,
        "source": draw(_or_none(CHOICES)),
        "owner": draw(st.sampled_from((MAYA, None))),
        "override_requested": draw(st.booleans()),
        "override_reason": draw(st.sampled_from((None, "too short", "the customer starts on Monday"))),
        "override_approver": draw(st.sampled_from((None, MANAGER, MAYA, LENA))),
        "override_expires": draw(st.none() | st.sampled_from((-1, 0, 14, 15)).map(lambda n: TODAY + timedelta(n))),
    }
    account = {
        "industry": draw(_or_none(CHOICES)),
        "country": draw(words),
        "employees": draw(_or_none(NUMBERS[::2])),
    }
    with_account = draw(st.booleans())
    return a_snapshot(
        deal={**deal, "account": "001A" if with_account else None},
        account=account,
        with_account=with_account,
        deal_type=DEAL_TYPES.get(bought or "", DealType.NEW),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any gate over fields of every type; overrides by the manager or by nobody."""
    asked = st.builds(
        Requirement,
        st.sampled_from(("champion", "why_bought", "amount", "go_live_date", "source", "account.industry", "owner")),
        st.just("CS needs it"),
        st.sampled_from(("", "Name a number.")),
        CONDITIONS,
    )
    exceptions = st.lists(st.builds(GateModeRule, st.sampled_from(GateMode), CONDITIONS), max_size=2).map(tuple)
    gate = GatePolicy(draw(st.sampled_from(GateMode)), draw(exceptions), tuple(draw(st.lists(asked, max_size=4))))
    approvers = draw(st.sampled_from(((), (PEOPLE[MANAGER].email,), (PEOPLE[MANAGER].email, PEOPLE[LENA].email))))
    return a_policy(
        segments=draw(SEGMENTATIONS),
        gate=gate,
        override=OverridePolicy(approvers, min_reason_chars=10, max_days=14),
        calendar=a_calendar(tz="UTC"),
        deal_types=tuple(draw(st.sets(st.sampled_from(DealType), min_size=1))),
    )


def _core_says(policy: Policy, deal: Snapshot, condition: Condition) -> bool:
    def lookup(path: str) -> Any:
        if path == "deal_type":
            return deal.deal_type.value
        if path == "segment":
            return next(one.name for one in policy.segments if conditions.holds(one.when, lookup))
        return deal.field(path)

    return conditions.holds(condition, lookup)


@settings(max_examples=150, deadline=None)
@given(CONDITIONS, SEGMENTATIONS, deals())
def test_a_formula_says_what_the_core_says(condition: Condition, segments: tuple[Segment, ...], deal: Snapshot) -> None:
    policy = a_policy(segments=segments)
    formula = Translator(policy, a_map(), DESCRIBED).condition(condition)
    assert fires(formula, deal) is _core_says(policy, deal, condition)
    assert compiled_size(formula) >= compiled(text(formula)).size


@settings(max_examples=150, deadline=None)
@given(policies(), deals())
def test_the_rules_stop_exactly_the_wins_that_the_core_would_hold(policy: Policy, deal: Snapshot) -> None:
    made = validation_rules(a_map(), policy, Options(described=DESCRIBED))
    formulas = [one.text("errorConditionFormula") for one in made.components]
    assert made.by_hand == () or policy.gate.mode is GateMode.WARN
    held = decide(deal, policy, NOW).gate is Gate.HELD
    assert any(fires(formula, deal) for formula in formulas) is held
    assert not any(fires(formula, deal, bypass=True) for formula in formulas)
    for one in made.components:
        assert len(one.text("errorConditionFormula")) <= 3900
        assert len(one.text("errorMessage")) <= 255
        assert len(one.name.partition(".")[2]) <= 40
    assert len({one.name for one in made.components}) == len(made.components)


LETTERS = "abcdef"
EXPRESSIONS: st.SearchStrategy[Expr] = st.recursive(
    st.sampled_from(LETTERS).map(lambda letter: Atom(letter * 200)),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=5).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=5).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=40,
)


def _holds(expr: Expr, truth: frozenset[str]) -> bool:
    match expr:
        case Always(holds):
            return holds
        case Atom(words):
            return words[0] in truth
        case Not(inner):
            return not _holds(inner, truth)
        case And(parts):
            return all(_holds(part, truth) for part in parts)
        case Or(parts):
            return any(_holds(part, truth) for part in parts)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, st.frozensets(st.sampled_from(LETTERS)))
def test_pieces_fire_together_when_the_whole_would(expr: Expr, truth: frozenset[str]) -> None:
    pieces = split(expr)
    assert all(fits(piece) for piece in pieces)
    if pieces:
        assert any(_holds(piece, truth) for piece in pieces) is _holds(expr, truth)


def test_a_cut_is_needed_and_made() -> None:
    wide = Or(tuple(Atom(letter * 900) for letter in LETTERS))
    pieces = split(And((Atom("IsWon"), wide)))
    assert len(pieces) > 1
    assert split(And(tuple(Atom(letter * 900) for letter in LETTERS))) == ()


def test_the_policy_of_the_tests_has_rules_at_all() -> None:
    assert len(validation_rules(a_map(), a_policy(), Options(described=DESCRIBED)).components) == 4
