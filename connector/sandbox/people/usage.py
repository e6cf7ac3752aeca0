"""What customers do in the product after they bought it, as Segment-style events with the hours from the win on.

Pure data. Not here: sending them, and what follows from them; the names are those that the shipped product.toml counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox.people.parts import Customer, Part

SOURCES = ("Slack", "Google Ads", "Postgres", "Zendesk")
EARLY_DAYS = 14
VISIT_EVERY = {True: 48.0, False: 168.0}
"""Hours between two visits: in the first weeks, and later."""
FIRST_VISIT: Mapping[Customer, float] = {
    Customer.WELL: 4.0,
    Customer.SILENT: 130.0,
    Customer.HALF: 10.0,
    Customer.EMPTY: 150.0,
}
DAYS_BETWEEN: Mapping[Customer, int] = {Customer.WELL: 1, Customer.PLAIN: 7}
"""Days between two sources: who takes a week is not there by day 14."""
CONNECTED_AFTER = 80.0
"""Hours that the one who gets stuck half-way takes for the first source."""


@dataclass(frozen=True, slots=True)
class Used:
    """One event, so many hours after the win."""

    hours: float
    event: str
    properties: Mapping[str, Any] = field(default_factory=dict)


def usage(part: Part, *, days: float) -> list[Used]:
    """Everything this customer does within so many days of the win, in order."""
    rng = part.dice("usage")
    first = FIRST_VISIT.get(part.customer, 18.0 + rng.uniform(0, 6))
    told = [*_visits(part, first, days=days), *_trouble(part), *_connects(part, first)]
    return sorted((each for each in told if each.hours < days * 24), key=lambda each: each.hours)


def _visits(part: Part, first: float, *, days: float) -> Iterator[Used]:
    """Somebody logs in, brings data in and gets a piece of work done."""
    rng, at = part.dice("visits"), first
    while at < days * 24:
        yield Used(at, "Signed In")
        yield Used(at + 0.1, "Data Imported")
        yield Used(at + 0.2, "Workflow Completed")
        if rng.random() < 0.2:
            session = f"s{round(at)}"
            for article in range(rng.randint(1, 3)):
                yield Used(at + 0.25, "Docs Opened", {"session_id": session, "article": f"Article {article}"})
        at += VISIT_EVERY[at < EARLY_DAYS * 24] * rng.uniform(0.9, 1.1)


def _connects(part: Part, first: float) -> Iterator[Used]:
    """Three sources, one after the other, each begun and finished within the hour."""
    if part.customer is Customer.HALF:
        first += CONNECTED_AFTER + 24
    for number, source in enumerate(SOURCES[1:]):
        at = first + 0.5 + 24 * number * DAYS_BETWEEN.get(part.customer, 4)
        yield Used(at, "Source Connection Started", {"integration": source})
        yield Used(at + 0.5, "Source Connected", {"integration": source})


def _trouble(part: Part) -> Iterator[Used]:
    match part.customer:
        case Customer.HALF:
            yield Used(11.0, "Source Connection Started", {"integration": SOURCES[0]})
            yield Used(11.0 + CONNECTED_AFTER, "Source Connected", {"integration": SOURCES[0]})
        case Customer.EMPTY:
            for hours in (8.0, 20.0, 30.0, 55.0, 80.0):
                yield Used(hours, "Signed In")
        case Customer.LOST:
            for article in range(7):
                yield Used(
                    76.0 + article / 60, "Docs Opened", {"session_id": "lost", "article": f"Single sign-on {article}"}
                )
        case _:
            return
