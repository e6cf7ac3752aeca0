"""First-match lists: names that are unique, and items that some deal can reach.

Not here: a single condition's sense (``conditions``) and the logic of what covers what (``reach``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from connector.handoff.rulebook.conditions import Condition
from connector.policy.conditions import Scope, condition
from connector.policy.model.words import When
from connector.policy.reach import covers
from connector.settings.spans import KeyPath


class Named(Protocol):
    """Anything in a list that has a name and a condition."""

    @property
    def name(self) -> str:
        """Its name, unique in its list."""
        ...

    @property
    def when(self) -> When:
        """Which deals it is for."""
        ...


def first_match(
    items: Sequence[Named],
    *,
    at: KeyPath,
    scope: Scope,
    barred: str = "",
    apart: frozenset[int] = frozenset(),
) -> list[Condition]:
    """One condition per item; what is wrong is noted in the scope, and a faulty condition stands as an empty one.

    ``barred`` names what the items are where their conditions may not ask for everything. The items at the places
    ``apart`` are used whether or not another one fits.
    """
    found = [
        condition(item.when, at=(*at, index, "when"), scope=scope, barred=barred) for index, item in enumerate(items)
    ]
    names = [item.name for item in items]
    for index, item in enumerate(items):
        if item.name in names[:index]:
            scope.complain((*at, index, "name"), f"{item.name!r} stands here twice; rename one")
        wide = None if index in apart else _taken_by(found, index, apart)
        if wide is not None:
            scope.complain(
                (*at, index),
                f"can never be reached: {names[wide]!r} above takes every deal it names; "
                "move this one above it or narrow that one",
            )
    return [one or Condition() for one in found]


def _taken_by(found: Sequence[Condition | None], index: int, apart: frozenset[int]) -> int | None:
    narrow = found[index]
    if narrow is None:
        return None
    before = ((n, wide) for n, wide in enumerate(found[:index]) if wide is not None and n not in apart)
    return next((n for n, wide in before if covers(wide, narrow)), None)
