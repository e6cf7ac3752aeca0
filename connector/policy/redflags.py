"""Red flags out of process.toml: each seen by exactly one thing, no name twice, and people who can be told.

Not here: when one is raised (``handoff.redflags``).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal

from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.watch import NO_RED_FLAGS, FlagKind, RedFlag, RedFlags
from connector.policy.conditions import Scope, condition
from connector.policy.consequences import Around, addressees, limit, unmanaged
from connector.policy.model.people import EscalationSpec
from connector.policy.model.watch import RedFlagSpec, RedFlagsSpec
from connector.settings.spans import KeyPath

SEEN_BY = {"slower_than": FlagKind.SILENCE, "no_shows": FlagKind.NO_SHOWS, "when": FlagKind.FIELD}


def red_flags(
    spec: RedFlagsSpec | None, *, scope: Scope, day: Decimal, escalation: EscalationSpec, vendors: Collection[str]
) -> RedFlags:
    """The red flags, none without the table; what is wrong with them is noted in the scope."""
    if spec is None:
        return NO_RED_FLAGS
    at: KeyPath = ("red_flags",)
    around = Around(unmanaged=unmanaged(vendors, escalation.managers), sponsor=escalation.sponsor is not None)
    roles, emails = addressees(spec.to, at=(*at, "to"), scope=scope, around=around)
    within = Limit(day, Clock.BUSINESS)
    if spec.within is not None:
        within = limit(spec.within, at=(*at, "within"), scope=scope, day=day)
    flags = [
        flag
        for index, one in enumerate(spec.flags)
        if (flag := _flag(one, at=(*at, "flags", index), scope=scope, day=day)) is not None
    ]
    named = [one.name for one in spec.flags]
    for index, name in enumerate(named):
        if name in named[:index]:
            scope.complain((*at, "flags", index, "name"), f"{name!r} stands here twice; rename one")
    return RedFlags(tuple(flags), roles, emails, within, timedelta(days=spec.days), spec.since)


def _flag(spec: RedFlagSpec, *, at: KeyPath, scope: Scope, day: Decimal) -> RedFlag | None:
    given = [name for name in SEEN_BY if getattr(spec, name) is not None]
    if len(given) != 1:
        scope.complain(at, f"must hold exactly one of {', '.join(SEEN_BY)}")
        return None
    made = RedFlag(spec.name, SEEN_BY[given[0]], no_shows=spec.no_shows or 0, advice=spec.advice.strip())
    match made.kind:
        case FlagKind.SILENCE if spec.slower_than is not None:
            late = limit(spec.slower_than, at=(*at, "slower_than"), scope=scope, day=day)
            return RedFlag(made.name, made.kind, slower_than=late, advice=made.advice)
        case FlagKind.FIELD if spec.when is not None:
            when = condition(spec.when, at=(*at, "when"), scope=scope)
            if when is not None and not when.tests:
                message = "asks for nothing, so every deal would have this flag; write { a_field = { filled = true } }"
                scope.complain((*at, "when"), message, of_key=True)
            return RedFlag(made.name, made.kind, when=when, advice=made.advice) if when and when.tests else None
    return made
