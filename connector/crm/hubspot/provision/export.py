"""The installation as files: each the body of one call, and the clicks as a page, for review or for doing it by hand.

Not here: writing them where an earlier export stands (``crm.installer``) and sending them (``apply``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from connector.crm.hubspot.paths import Paths
from connector.crm.hubspot.provision.definition import Definition
from connector.crm.hubspot.provision.desired import Group
from connector.crm.installer import Do, Line

CLICKS = Path("by-hand.md")


def files(definitions: Sequence[Definition], lines: Sequence[Line]) -> dict[Path, bytes]:
    """Path -> content: of each type of object its group and a batch of its properties, and the clicks."""
    found: dict[Path, bytes] = {}
    for name, here in _by_object(definitions).items():
        group = Group(name)
        found[_group_file(name)] = _json({"name": group.name, "label": group.label, "displayOrder": -1})
        found[_batch_file(name)] = _json({"inputs": [one.body() for one in here]})
    by_hand = [line for line in lines if line.do is Do.BY_HAND]
    if by_hand:
        found[CLICKS] = ("\n".join(_page(by_hand)) + "\n").encode()
    return found


def commands(definitions: Sequence[Definition], folder: Path, *, base_url: str, paths: Paths) -> Iterator[str]:
    """How the files get into a portal without us; $TOKEN is an admin's."""
    head = 'curl -sS -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"'
    for name in _by_object(definitions):
        root = base_url.rstrip("/")
        yield f"{head} --data @{folder / _group_file(name)} {root}{paths.properties(name, 'groups')}"
        yield f"{head} --data @{folder / _batch_file(name)} {root}{paths.properties(name, 'batch', 'create')}"


def _by_object(definitions: Sequence[Definition]) -> Mapping[str, list[Definition]]:
    found: dict[str, list[Definition]] = {}
    for one in definitions:
        found.setdefault(one.object, []).append(one)
    return found


def _group_file(name: str) -> Path:
    return Path(f"{name}-group.json")


def _batch_file(name: str) -> Path:
    return Path(f"{name}-properties.json")


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def _page(lines: Sequence[Line]) -> Iterator[str]:
    yield "# By hand"
    for line in lines:
        yield ""
        yield f"## {line.type}: {line.name}"
        yield ""
        yield line.detail
        if line.steps:
            yield ""
        yield from (f"{number}. {step}" for number, step in enumerate(line.steps, 1))
        if line.why:
            yield ""
            yield line.why
