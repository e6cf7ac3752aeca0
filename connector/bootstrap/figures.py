"""The figures put together for whoever shows them: the page for leadership, and the week's mail.

Not here: what they are made of (``web.leadership``, ``engine.weekly``). Targets and the company's time are those of the
first system: process.toml is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from connector.engine.notifier import Letter
from connector.engine.parts import Shared, System
from connector.engine.weekly import Weekly
from connector.settings import WeeklySettings
from connector.web.leadership.board import Book
from connector.web.leadership.letter import digest_of


def book(shared: Shared, systems: Sequence[System]) -> Book:
    """What the page reads from."""
    policy = systems[0].policy
    return Book(
        store=shared.store,
        targets=policy.targets,
        zone=ZoneInfo(policy.calendar.tz),
        systems=tuple(each.name for each in systems),
        now=shared.clock.now,
    )


def weekly(asked: WeeklySettings, numbers: Book, *, public_url: str, send: Callable[[Letter], None]) -> Weekly:
    """The week's mail; ``public_url`` is the page's own address, empty where it has none."""
    make = partial(digest_of, numbers, public_url=public_url)
    return Weekly(asked.to, asked.weekday, asked.hour, numbers.zone, make=lambda now: make(now=now), send=send)
