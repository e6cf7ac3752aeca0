"""product.toml as a `ProductPolicy`: every name followed, every count of something that is counted.

Not here: the shape of keys (``model``), where events come from (config.toml) and what follows from them (``handoff``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from connector.handoff.model import Kind
from connector.handoff.productbook import (
    By,
    Identity,
    Measure,
    Milestone,
    Need,
    ProductPolicy,
    Rescue,
    Stuck,
)
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition, Op, Operand, Test
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.playbooks import Do, Miss
from connector.policy.conditions import Scope, condition
from connector.policy.consequences import NOW, Around, limit, owner_complaints
from connector.policy.known import KNOWN
from connector.policy.model.product import (
    IdentitySpec,
    MeasureSpec,
    MilestoneSpec,
    NeedSpec,
    ProductSpec,
    RescueSpec,
    StuckSpec,
)
from connector.policy.model.words import MissSpec, TestsSpec
from connector.policy.templates import Words, complaints
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

COUNTED = frozenset({FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME, FieldType.BOOL})
"""Fields that can be counted: a number counts as many, a date or a ticked box once."""

NAMING = frozenset({FieldType.TEXT, FieldType.NUMBER, FieldType.CHOICE, FieldType.REFERENCE})
TIMELESS = frozenset({FieldType.NUMBER, FieldType.BOOL})
CHURNED = frozenset({FieldType.DATE, FieldType.DATETIME, FieldType.BOOL})
ACCOUNT = "account."
SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Offered:
    """What playbooks may name of it; ``present`` says that the file is there."""

    present: bool = False
    measures: frozenset[str] = frozenset()
    milestones: frozenset[str] = frozenset()
    stuck: frozenset[str] = frozenset()


def offered(spec: ProductSpec | None) -> Offered:
    """The names there are, even where something else in the file is wrong."""
    if spec is None:
        return Offered()
    return Offered(
        True,
        frozenset(one.name for one in spec.measures),
        frozenset(one.name for one in spec.milestones),
        frozenset(one.name for one in spec.stuck),
    )


def product(spec: ProductSpec, *, scope: Scope, words: Words, around: Around) -> ProductPolicy:
    """What product.toml describes. Problems go to the scope."""
    for table in ("measures", "milestones", "stuck"):
        _refuse_twins([one.name for one in getattr(spec, table)], at=table, scope=scope)
    known = [one.name for one in spec.measures]
    milestones = tuple(
        _milestone(one, known, at=("milestones", n), scope=scope) for n, one in enumerate(spec.milestones)
    )
    _judge_activations(milestones, scope=scope)
    if spec.analysis.churned and (wrong := _wrong_churned(spec.analysis.churned, scope)):
        scope.complain(("analysis", "churned"), wrong)
    return ProductPolicy(
        identities=tuple(_identity(one, at=("identities", n), scope=scope) for n, one in enumerate(spec.identities)),
        measures=tuple(_measure(one, at=("measures", n), scope=scope) for n, one in enumerate(spec.measures)),
        milestones=milestones,
        stuck=tuple(
            _stuck(one, spec, at=("stuck", n), scope=scope, words=words, around=around)
            for n, one in enumerate(spec.stuck)
        ),
        rescue=Rescue(
            spec.rescue.minutes,
            spec.rescue.offers,
            _hours(spec.rescue.within_hours),
            tuple(_missed(spec.rescue, scope=scope, around=around)),
        ),
        silent_after=_hours(spec.events.silent_hours),
        since=spec.events.since,
        churned=spec.analysis.churned,
        stayed=timedelta(days=spec.analysis.stayed_days),
        first=timedelta(days=spec.analysis.first_days),
        begun=spec.onboarding.begun,
    )


def _missed(spec: RescueSpec, *, scope: Scope, around: Around) -> Iterator[Miss]:
    """What follows when nobody does a rescue task; a bare word comes a working day after the one before it."""
    for index, one in enumerate(spec.missed):
        at: KeyPath = ("rescue", "missed", index)
        given = one if isinstance(one, MissSpec) else MissSpec(do=Do(one))
        if given.do is Do.REASSIGN:
            scope.complain(at, "a rescue task stays with whoever has it; use remind or escalate")
        if given.do is Do.ESCALATE and not around.ladder:
            scope.complain(at, "there is no ladder to escalate on; add [[escalation.ladder]] to process.toml")
        after = Limit(around.day, Clock.BUSINESS) if index else NOW
        if given.after is not None:
            after = limit(given.after, at=(*at, "after"), scope=scope, day=around.day)
        yield Miss(given.do, after)


def _identity(spec: IdentitySpec, *, at: KeyPath, scope: Scope) -> Identity:
    if spec.by is By.CRM_ID:
        if spec.field:
            message = 'is not asked for with by = "crm_id"; take it out, or write by = "field"'
            scope.complain((*at, "field"), message, of_key=True)
    elif not spec.field:
        scope.complain((*at, "by"), 'needs the field to compare with; add field = "account.website" or the like')
    elif wrong := scope.words.complaint(spec.field):
        scope.complain((*at, "field"), wrong)
    elif (kind := scope.words.type_of(spec.field)) is not None and kind not in NAMING:
        scope.complain((*at, "field"), f"is a {_spoken(kind)}, which names nobody; name a text or a number")
    return Identity(spec.take, spec.by, spec.field)


def _measure(spec: MeasureSpec, *, at: KeyPath, scope: Scope) -> Measure:
    if bool(spec.events) == bool(spec.field):
        scope.complain(at, "must say what is counted: either events or field, one of the two", of_key=True)
    if spec.field:
        for name in ("where", "distinct", "session"):
            if getattr(spec, name):
                scope.complain((*at, name), "belongs to events; a field is counted as it stands", of_key=True)
        wrong = scope.words.complaint(spec.field)
        kind = scope.words.type_of(spec.field)
        if wrong is None and kind is not None and kind not in COUNTED:
            wrong = f"is a {_spoken(kind)}, which cannot be counted; name a number, a date or a checkbox"
        if wrong:
            scope.complain((*at, "field"), wrong)
    where = _where(spec.where, at=(*at, "where"), scope=scope)
    return Measure(spec.name, spec.events, where, spec.distinct, spec.session, spec.field)


def _where(given: Mapping[str, TestsSpec], *, at: KeyPath, scope: Scope) -> Condition:
    """Tests of an event's properties, which no map knows: any property may be named."""
    tests: list[Test] = []
    for name, spec in given.items():
        told = {key: value for key, value in spec.model_dump(by_alias=True).items() if value is not None}
        if not told:
            message = "compares with nothing; write for example { is = … } or { filled = true }"
            scope.complain((*at, name), message, of_key=True)
        for key, value in told.items():
            operand: Operand = tuple(value) if isinstance(value, (list, tuple)) else value
            tests.append(Test(name, Op(key), operand))
    return Condition(tuple(tests))


def _milestone(spec: MilestoneSpec, known: Collection[str], *, at: KeyPath, scope: Scope) -> Milestone:
    needs = tuple(_need(one, known, at=(*at, "needs", n), scope=scope) for n, one in enumerate(spec.needs))
    if "{n}" not in spec.says:
        scope.complain((*at, "says"), 'must hold {n}, the number reached; write for example "{n} of {of} connected"')
    when = condition(spec.when, at=(*at, "when"), scope=scope) or Condition()
    return Milestone(spec.name, needs, when, spec.says, spec.activation, spec.onboarding)


def _need(spec: NeedSpec, known: Collection[str], *, at: KeyPath, scope: Scope) -> Need:
    _judge_measure(spec.measure, known, at=(*at, "measure"), scope=scope)
    return Need(spec.measure, spec.at_least)


def _judge_measure(name: str, known: Collection[str], *, at: KeyPath, scope: Scope) -> None:
    if name not in known:
        scope.complain(at, f"no measure is called {name!r}; {did_you_mean(name, known)}")


def _judge_activations(milestones: tuple[Milestone, ...], *, scope: Scope) -> None:
    """Of two for the same deals the second would never be shown."""
    before = ""
    for index, one in enumerate(milestones):
        if not one.activation:
            continue
        if before:
            message = f"is never the activation milestone: {before} above is for every deal; give that one a when"
            scope.complain(("milestones", index, "activation"), message)
        before = before or ("" if one.when.tests else one.name)


def _stuck(spec: StuckSpec, whole: ProductSpec, *, at: KeyPath, scope: Scope, words: Words, around: Around) -> Stuck:
    known = [one.name for one in whole.measures]
    for key, text in (("subject", spec.subject), ("body", spec.body)):
        for complaint in complaints(text, words=words):
            scope.complain((*at, key), complaint.message)
    if "\n" in spec.subject:
        scope.complain((*at, "subject"), "must be one line")
    if spec.seen is not None:
        _judge_measure(spec.seen.measure, known, at=(*at, "seen", "measure"), scope=scope)
        seen = next((one for one in whole.measures if one.name == spec.seen.measure), None)
        if seen and seen.field and scope.words.type_of(seen.field) in TIMELESS:
            message = f"{seen.name!r} is a field that does not say when; name a measure of events, or of a date"
            scope.complain((*at, "seen", "measure"), message)
    if spec.missing:
        _judge_measure(spec.missing, known, at=(*at, "missing"), scope=scope)
    for n, name in enumerate(spec.moved_on):
        _judge_measure(name, known, at=(*at, "moved_on", n), scope=scope)
    for path, message in _contradictions(spec, whole):
        scope.complain((*at, *path), message, of_key=True)
    for message in owner_complaints(spec.owner, around):
        scope.complain((*at, "owner"), message)
    return Stuck(
        name=spec.name,
        subject=spec.subject,
        body=spec.body,
        thing=spec.thing,
        seen=Need(spec.seen.measure, spec.seen.at_least) if spec.seen else None,
        missing=spec.missing,
        after=_hours(spec.after_hours),
        in_session=spec.in_session or 0,
        moved_on=spec.moved_on,
        within=timedelta(days=spec.within_days),
        when=condition(spec.when, at=(*at, "when"), scope=scope) or Condition(),
        owner=spec.owner,
    )


def _contradictions(spec: StuckSpec, whole: ProductSpec) -> Iterator[tuple[KeyPath, str]]:
    seen = next((one for one in whole.measures if spec.seen and one.name == spec.seen.measure), None)
    if spec.in_session is None:
        if not spec.missing:
            yield (
                (),
                "must say what the customer has not done: add missing, or in_session to count a session",
            )
        if spec.seen is None and spec.after_hours == 0:
            yield (), "calls for help the moment the deal is won; add after_hours = 48"
        return
    if spec.seen is None:
        yield ("in_session",), "must say what is counted in a session; add seen = { measure = … }"
    elif seen is not None and not seen.session:
        yield ("in_session",), f"measure {seen.name!r} does not say which property names the session; add session there"
    if spec.missing:
        yield ("missing",), "does not go with in_session; name it in moved_on, which ends the episode"
    if not spec.moved_on:
        yield (), "its task would never be closed by itself; add moved_on = [ … ]"


def _wrong_churned(path: str, scope: Scope) -> str | None:
    if not path.startswith(ACCOUNT):
        return f"{path!r} is no field of the account; write account. before its name"
    known = KNOWN[Kind.ACCOUNT].get(path.removeprefix(ACCOUNT))
    if known and known.written:
        return "is written by the connector; name the field in which people, or your billing, say that a customer left"
    kind = scope.words.type_of(path)
    if kind is not None and kind not in CHURNED:
        return f"is a {_spoken(kind)}; a date or a checkbox says that a customer left"
    return scope.words.complaint(path)


def _refuse_twins(names: list[str], *, at: str, scope: Scope) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            scope.complain((at, index, "name"), f"{name!r} stands here twice; rename one")


def _hours(hours: Decimal) -> timedelta:
    return timedelta(seconds=int(hours * SECONDS))


def _spoken(kind: FieldType) -> str:
    return kind.value.replace("_", " ")


def with_offered(around: Around, names: Offered) -> Around:
    """What is around the playbooks, with what they may name of the product."""
    return dataclasses.replace(
        around,
        product=names.present,
        measures=names.measures,
        milestones=names.milestones,
        stuck=names.stuck,
    )
