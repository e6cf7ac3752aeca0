"""What makes a task begin and what follows when nobody does it, out of playbook.toml and process.toml's escalation.

Not here: the rest of a task (``playbooks``) and when any of it happens (``handoff.triggers``, ``handoff.ladder``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.handoff.rulebook.calendars import Clock, Days, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.people import Escalation, Role, Rung
from connector.handoff.rulebook.playbooks import ANCHORS, Do, Make, Miss, Trigger, TriggerKind
from connector.policy.conditions import Scope, condition
from connector.policy.model.people import EscalationSpec
from connector.policy.model.playbooks import TaskSpec, TriggerSpec
from connector.policy.model.words import EMAIL, MissSpec, WithinSpec
from connector.policy.reach import impossible
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

DAY_HOURS = 24
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HIGH = "high"
DATES = frozenset({FieldType.DATE, FieldType.DATETIME})
MANAGERS = frozenset({Role.AE_MANAGER, Role.CSM_MANAGER})
TELLS_MANAGERS = frozenset({"salesforce"})
"""Which CRMs tell who manages whom (User.ManagerId); HubSpot's owners have no manager."""
NOW = Limit(Decimal(0), Clock.WALL)
IN_PRODUCT = {"milestone": TriggerKind.MILESTONE, "event": TriggerKind.EVENT, "signal": TriggerKind.STUCK}
"""Triggers that product.toml knows, by their key."""
TRIGGERS = ("step", "stage", "when", "anchor", *IN_PRODUCT)


@dataclass(frozen=True, slots=True)
class Around:
    """What process.toml says around the playbooks.

    ``ladder``: there is one. ``essential``: only tasks of high priority are reminded of. ``unmanaged`` are the CRMs in
    use that do not tell who manages whom, where process.toml does not either. ``sponsor``: somebody is named as one.
    ``day`` is the hours of a working day. ``measures``, ``milestones`` and ``stuck`` are the names that product.toml
    gives, where ``product`` says that there is one.
    """

    day: Decimal = Decimal(8)
    product: bool = False
    measures: frozenset[str] = frozenset()
    milestones: frozenset[str] = frozenset()
    stuck: frozenset[str] = frozenset()
    ladder: bool = True
    essential: bool = False
    unmanaged: tuple[str, ...] = ()
    sponsor: bool = True


def unmanaged(vendors: Collection[str], managers: Mapping[str, str]) -> tuple[str, ...]:
    """The CRMs in use that do not tell who manages whom, where nobody names them either."""
    return () if managers else tuple(sorted(set(vendors) - TELLS_MANAGERS))


def limit(spec: WithinSpec, *, at: KeyPath, scope: Scope, day: Decimal) -> Limit:
    """A limit in hours; what is wrong with it is noted in the scope."""
    given = {name: value for name, value in spec.model_dump().items() if value is not None}
    if len(given) != 1:
        scope.complain(at, "must hold exactly one of hours, working_hours, working_days", of_key=True)
        return Limit(day, Clock.BUSINESS)
    name, value = next(iter(given.items()))
    if name == "working_days":
        return Limit(value * day, Clock.BUSINESS)
    return Limit(value, Clock.BUSINESS if name == "working_hours" else Clock.WALL)


def follows(spec: TaskSpec) -> str:
    """The step that triggers a task, by either way of saying it; empty when none does."""
    return spec.after or (spec.trigger.step or "" if spec.trigger else "")


def trigger(
    spec: TaskSpec, *, at: KeyPath, scope: Scope, of_deal: Condition, around: Around | None = None
) -> Trigger | None:
    """What makes a step begin besides the release and other steps; ``of_deal`` is what the playbook is for."""
    given = spec.trigger
    if given is None:
        return None
    here: KeyPath = (*at, "trigger")
    kinds = [name for name in TRIGGERS if getattr(given, name) is not None]
    if len(kinds) != 1:
        scope.complain(here, f"must hold exactly one of {', '.join(TRIGGERS)}", of_key=True)
        return None
    if spec.after:
        scope.complain((*at, "after"), "says the same as trigger = { step = … }; keep one of the two", of_key=True)
    if kinds != ["step"] and "at_release" in spec.model_fields_set:
        message = "belongs to steps that follow another; this one is made when its trigger fires: take it out"
        scope.complain((*at, "at_release"), message, of_key=True)
    for name in ("days", "working_days", "before", "weekday", "weeks"):
        if kinds != ["anchor"] and name in given.model_fields_set:
            scope.complain((*here, name), "is counted from an anchor; take it out, or name an anchor", of_key=True)
    if kinds != ["event"] and given.at_least is not None:
        scope.complain((*here, "at_least"), "belongs to event; take it out", of_key=True)
    if kinds[0] in IN_PRODUCT:
        name = str(getattr(given, kinds[0]))
        if wrong := unknown_in_product(kinds[0], name, around or Around()):
            scope.complain((*here, kinds[0]), wrong)
        return Trigger(IN_PRODUCT[kinds[0]], name=name, at_least=given.at_least or 1)
    if given.stage is not None:
        return Trigger(TriggerKind.STAGE, stage=given.stage)
    if given.when is not None:
        return _by_field(given, at=(*here, "when"), scope=scope, of_deal=of_deal)
    return _by_time(given, at=here, scope=scope) if given.anchor is not None else None


def unknown_in_product(key: str, name: str, around: Around) -> str | None:
    """Why nobody can give a signal of the product; None for one that product.toml declares."""
    known, what = {
        "milestone": (around.milestones, "milestone"),
        "event": (around.measures, "measure"),
        "signal": (around.stuck, "stuck signal"),
    }[key]
    if name in known:
        return None
    if not known:
        return f"product.toml declares no {what}: nobody gives this signal; declare {name!r} there"
    return f"no {what} of product.toml is called {name!r}; {did_you_mean(name, sorted(known))}"


def missed(spec: TaskSpec, *, at: KeyPath, scope: Scope, around: Around) -> tuple[Miss, ...]:
    """What follows when nobody does it; a bare word comes a working day after what is before it, the first at once."""
    found = []
    for index, one in enumerate(spec.missed):
        here: KeyPath = (*at, "missed", index)
        given = one if isinstance(one, MissSpec) else MissSpec(do=Do(one))
        if given.after is not None:
            after = limit(given.after, at=(*here, "after"), scope=scope, day=around.day)
        else:
            after = Limit(around.day, Clock.BUSINESS) if index else NOW
        for complaint in _misses(spec, given, around):
            scope.complain(here, complaint)
        if given.to is not None:
            for complaint in owner_complaints(given.to, around):
                scope.complain((*here, "to"), complaint)
        found.append(Miss(given.do, after, given.to or Role.FALLBACK))
    within = spec.within.hours
    if spec.missed and within is not None and within < DAY_HOURS - around.day:
        night = f"{(DAY_HOURS - around.day).normalize():f}"
        message = (
            f"is shorter than the team's nights, which have {night} hours: what is won in the evening is late in the "
            "morning; use working_hours"
        )
        scope.complain((*at, "within", "hours"), message)
    return tuple(found)


def owner_complaints(role: Role, around: Around) -> Iterator[str]:
    """Why nobody can fill a role."""
    if role is Role.SPONSOR and not around.sponsor:
        yield 'nobody is named as executive sponsor; add sponsor = "…" to process.toml under [escalation]'
    if role in MANAGERS and around.unmanaged:
        yield (
            f"{' and '.join(around.unmanaged)} does not tell who manages whom, so this is nobody; "
            "name them in process.toml under [escalation.managers]"
        )


def escalation(spec: EscalationSpec, *, scope: Scope, day: Decimal, vendors: Collection[str]) -> Escalation:
    """The ladder of process.toml, for CRMs in use; what is wrong with it is noted in the scope."""
    around = Around(unmanaged=unmanaged(vendors, spec.managers), sponsor=spec.sponsor is not None)
    rungs = []
    for index, one in enumerate(spec.ladder):
        at: KeyPath = ("escalation", "ladder", index)
        after = limit(one.after, at=(*at, "after"), scope=scope, day=day) if one.after else None
        roles, emails = addressees(one.to, at=(*at, "to"), scope=scope, around=around)
        rungs.append(Rung(roles, emails, after or (Limit(day, Clock.BUSINESS) if index else NOW)))
    return Escalation(tuple(rungs), dict(spec.managers), spec.sponsor or "")


def addressees(
    to: Sequence[str], *, at: KeyPath, scope: Scope, around: Around
) -> tuple[tuple[Role, ...], tuple[str, ...]]:
    """Who is told, as roles and as emails; what is neither, or nobody, is noted in the scope."""
    known = {role.value for role in Role}
    for index, word in enumerate(to):
        if word not in known and not re.match(EMAIL, word):
            message = f"{word!r} is neither a role nor an email address; {did_you_mean(word, known)}"
            scope.complain((*at, index), message)
        elif word in to[:index]:
            scope.complain((*at, index), f"{word} stands here twice; take one out")
        for complaint in owner_complaints(Role(word), around) if word in known else ():
            scope.complain((*at, index), complaint)
    return tuple(Role(word) for word in to if word in known), tuple(word.lower() for word in to if word not in known)


def _misses(spec: TaskSpec, given: MissSpec, around: Around) -> Iterator[str]:
    if given.do is Do.ESCALATE and not around.ladder:
        yield "there is no ladder to escalate on; add [[escalation.ladder]] to process.toml"
    if given.do is Do.REASSIGN and spec.make is Make.MEETING:
        yield "a meeting that was not held is nobody else's; use remind or escalate"
    if given.do is Do.REMIND and around.essential and spec.priority != HIGH and spec.make is Make.TASK:
        yield (
            'nobody would be reminded: process.toml has level = "essential" under [notify]; '
            'set priority = "high" here, or level = "all" there'
        )
    if given.to is not None and given.do is not Do.REASSIGN:
        yield "only reassign gives the task to somebody; take to = … out"


def _by_field(given: TriggerSpec, *, at: KeyPath, scope: Scope, of_deal: Condition) -> Trigger | None:
    when = condition(given.when or {}, at=at, scope=scope)
    if when is None:
        return None
    if not when.tests:
        scope.complain(at, "asks for nothing; write for example { go_live_date = { filled = true } }", of_key=True)
    clash = impossible(Condition((*of_deal.tests, *when.tests)))
    if clash:
        message = (
            "can never come true for the deals of this playbook, whose when says otherwise; nobody reaches this task"
        )
        scope.complain((*at, clash[1].field), message, of_key=True)
    return Trigger(TriggerKind.WHEN, when=when)


def _by_time(given: TriggerSpec, *, at: KeyPath, scope: Scope) -> Trigger | None:
    anchor = given.anchor or ""
    if wrong := _anchor_complaint(anchor, scope=scope):
        scope.complain((*at, "anchor"), wrong)
    if given.weekday is not None or given.weeks is not None:
        return _by_weekday(given, at=at, scope=scope)
    counts = [value for value in (given.days, given.working_days) if value is not None]
    if len(counts) != 1:
        scope.complain(at, "must hold exactly one of days and working_days beside its anchor", of_key=True)
        return None
    if given.before and anchor in ANCHORS:
        message = (
            f"lies before the handoff begins, so nobody reaches this task; count after {anchor}, or name a date field"
        )
        scope.complain((*at, "before"), message, of_key=True)
    counted = Days.CALENDAR if given.days is not None else Days.WORKING
    return Trigger(TriggerKind.TIME, anchor=anchor, days=-counts[0] if given.before else counts[0], counted=counted)


def _by_weekday(given: TriggerSpec, *, at: KeyPath, scope: Scope) -> Trigger | None:
    if given.weekday is None or given.weeks is None:
        scope.complain(at, "a weekday says in how many weeks, and weeks say on which day; write both", of_key=True)
        return None
    for name in ("days", "working_days", "before"):
        if name in given.model_fields_set:
            scope.complain((*at, name), "does not go with a weekday; take it out", of_key=True)
    weekday = WEEKDAYS.index(given.weekday)
    return Trigger(TriggerKind.TIME, anchor=given.anchor or "", days=1, weekday=weekday)


def _anchor_complaint(anchor: str, *, scope: Scope) -> str | None:
    if anchor in ANCHORS:
        return None
    dates = [path for path, kind in scope.words.types.items() if kind in DATES]
    kind = scope.words.type_of(anchor)
    if kind is None:
        known = scope.words.complaint(anchor)
        return f"{anchor!r} is no date; {did_you_mean(anchor, [*ANCHORS, *dates])}" if known else None
    if kind not in DATES:
        return f"{anchor!r} is no date but a {kind.value.replace('_', ' ')}; {did_you_mean(anchor, [*ANCHORS, *dates])}"
    return scope.words.complaint(anchor)
