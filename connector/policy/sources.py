"""The mapping files as read: shape checked, places kept, nothing yet built of them.

Not here: what their content means (``maps``, ``build``) and config.toml (``settings``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from connector.errors import Problem, UserError
from connector.policy.maps import VendorMap, mapping
from connector.policy.model import CrmSpec, PlaybookFileSpec, ProcessSpec, QualitySpec
from connector.settings.mistakes import Model, validated
from connector.settings.spans import Source, read


@dataclass(frozen=True, slots=True)
class File(Generic[Model]):
    """One file: ``source`` is None when it is not even TOML, ``spec`` when its shape is wrong."""

    source: Source | None
    spec: Model | None


@dataclass(frozen=True, slots=True)
class Sources:
    """All mapping files in use. ``doubtful`` are the fields named in maps that could not be read as a whole."""

    folder: Path
    process: File[ProcessSpec]
    playbook: File[PlaybookFileSpec]
    quality: File[QualitySpec]
    maps: Mapping[str, VendorMap] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    unreadable: bool = False


def read_sources(folder: Path, vendors: Sequence[str], problems: list[Problem]) -> Sources:
    """Read every file in use; what is wrong with their shape is added to ``problems``."""
    maps: dict[str, VendorMap] = {}
    doubtful: set[str] = set()
    unreadable = False
    for vendor in vendors:
        file = _file(CrmSpec, folder / f"{vendor}.toml", problems)
        if file.source is None:
            unreadable = True
        elif file.spec is None:
            doubtful |= _named(file.source)
        else:
            maps[vendor] = mapping(file.spec, vendor=vendor, source=file.source, problems=problems)
    return Sources(
        folder=folder,
        process=_file(ProcessSpec, folder / "process.toml", problems),
        playbook=_file(PlaybookFileSpec, folder / "playbook.toml", problems),
        quality=_optional(QualitySpec, folder / "quality.toml", problems),
        maps=maps,
        doubtful=frozenset(doubtful),
        unreadable=unreadable,
    )


def segment_names(sources: Sources) -> tuple[str, ...]:
    """The segments process.toml names, even when the rest of it is wrong."""
    given = sources.process.source.data.get("segments") if sources.process.source else None
    items = given if isinstance(given, list) else []
    return tuple(str(item["name"]) for item in items if isinstance(item, Mapping) and "name" in item)


def _file(model: type[Model], path: Path, problems: list[Problem]) -> File[Model]:
    try:
        source = read(path)
    except UserError as error:
        problems.extend(error.problems)
        return File(None, None)
    return File(source, validated(model, source, problems))


def _optional(model: type[Model], path: Path, problems: list[Problem]) -> File[Model]:
    """A file that need not be there; nothing is wrong with one that is not."""
    return _file(model, path, problems) if path.is_file() else File(None, None)


def _named(source: Source) -> set[str]:
    fields = source.data.get("fields")
    deal, account = ((fields.get(kind) if isinstance(fields, Mapping) else None) or {} for kind in ("deal", "account"))
    return set(deal) | {f"account.{name}" for name in account}
