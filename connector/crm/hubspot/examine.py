"""What `handoff check` asks of a portal beyond its properties: scopes, edition, limits, versions, feeds.

Not here: properties, types and choices (``policy.check``), keys of tasks (``portal``). What a portal will not tell is
left out and said, never taken for allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from connector.crm.hubspot import scopes
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.live.ways import unheard
from connector.crm.hubspot.portal import Portal
from connector.crm.hubspot.session import Session
from connector.crm.live import Line
from connector.crm.port import DailyCalls, Examination
from connector.errors import Advice, Problem

WHERE = "the CRM"
SUNSET_NEAR = timedelta(days=180)
"""A version that ends within this time is something to mend."""

SCARCE = 0.1
"""The share of the day's calls below which `check` warns."""

EDITIONS = {100: "Free or Starter", 110: "a marketplace app", 190: "Professional or Enterprise"}
RAISED = 250
"""Calls in the rolling window by edition (facts: HubSpot §3e)."""

NO_RULES = 100
"""Conditional rules and rules of pipelines need Professional or above (facts: HubSpot §4). Only this number of calls
tells that a portal is below: a marketplace app is told its own in any (§3e)."""

NO_BELL = (
    "HubSpot has no call that notifies a person: the CSM learns of a handoff by the task's reminder, and by email or "
    "chat where config.toml has [notify]"
)


def examine(session: Session, portal: Portal, *, lines: Sequence[Line], wanted: bool, today: date) -> Examination:
    """Problems, each with its fix, and what an admin may want to know. ``wanted``: that changes are heard is a must.

    Raises `CrmError`.
    """
    problems = [
        Problem(WHERE, scope.name, f"this token lacks the scope: it is needed {scope.what_for}")
        for scope in scopes.missing(session)
    ]
    problems += [*_versions(session, today=today), *_calls(session.daily)]
    if wanted and not any(line.live for line in lines):
        problems.append(unheard(lines))
    budgets = (_edition(session.burst_limit), _day(session.daily), _room(session))
    notes = (portal.card, *budgets, portal.plain_keys, *_kept(session), _heard(lines), NO_BELL)
    return Examination(tuple(problems), tuple(note for note in notes if note))


def _versions(session: Session, *, today: date) -> Iterator[Problem]:
    for version, ends in session.paths.sunsets:
        if ends - today <= SUNSET_NEAR:
            said = "was supported until" if ends <= today else "is supported until"
            yield Problem(WHERE, "api_version", f"{version} {said} {ends:%Y-%m-%d}; set a newer api_version")


def _kept(session: Session) -> Iterator[str]:
    ends = ", ".join(f"{version} until {ends:%Y-%m-%d}" for version, ends in session.paths.sunsets)
    yield f"API versions: {ends}"
    if not session.paths.dated:
        yield (
            "v3 paths do not check the required properties that an admin set for a stage; the daemon's own check holds "
            "all the same"
        )


def _edition(burst: int) -> str:
    if not burst:
        return "This portal does not tell how many calls it allows in ten seconds"
    named = EDITIONS.get(burst, "with the API add-on" if burst >= RAISED else "")
    words = f"{burst} calls in ten seconds" + (f": {named}" if named else "")
    if burst == NO_RULES:
        words += "; conditional required properties need Professional, so only the daemon holds the gate here"
    return words


def _day(daily: DailyCalls | None) -> str:
    if daily is None:
        return "This portal does not tell how many calls of the day are left (OAuth apps are not told)"
    return f"{daily.used:,} of {daily.allowed:,} calls of the day used, by all apps together"


def _calls(daily: DailyCalls | None) -> Iterator[Problem]:
    if daily is not None and daily.left < daily.allowed * SCARCE:
        message = f"{daily.left:,} of the day's {daily.allowed:,} calls are left; find which app uses them up"
        yield Problem(WHERE, "calls", message)


def _room(session: Session) -> str:
    """How many properties of its own the portal may still be given; not every token is told."""
    try:
        told = session.get("limits", session.paths.limits("custom-properties"))
    except HubSpotError as error:
        if error.fault.advice is Advice.HALT:
            raise
        return f"The limits of custom properties could not be read: {error.fault.message}"
    limit, usage = told.get("overallLimit"), told.get("overallUsage")
    known = isinstance(limit, int) and isinstance(usage, int)
    return f"{usage:,} of {limit:,} custom properties used" if known else ""


def _heard(lines: Sequence[Line]) -> str:
    """Which of the feeds this portal can use, and which is used."""
    chosen = next((line.name for line in lines if line.live), "")
    told = [f"{line.name}: yes" if line.live else f"{line.name}: no, {line.why}" for line in lines]
    used = f"{chosen}, with polling as the net" if chosen else "polling alone"
    return f"Changes are learned by {used} ({'; '.join([*told, 'polling: yes'])})"
