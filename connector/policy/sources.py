"""The mapping files as read: shape checked, places kept, nothing yet built of them.

Not here: what their content means (``maps``, ``build``) and config.toml (``settings``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from connector.errors import Problem, UserError
from connector.policy.crmmap import MapFile
from connector.policy.maps import VendorMap, mapping
from connector.policy.model.crm import CrmSpec
from connector.policy.model.playbooks import PlaybookFileSpec, PlaybooksFileSpec
from connector.policy.model.process import ProcessSpec
from connector.policy.model.product import ProductSpec
from connector.policy.model.quality import QualitySpec
from connector.settings.mistakes import Model, did_you_mean, validated
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
    product: File[ProductSpec]
    more: tuple[File[PlaybooksFileSpec], ...] = ()
    maps: Mapping[MapFile, VendorMap] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    unreadable: bool = False


def read_sources(folder: Path, files: Sequence[MapFile], problems: list[Problem]) -> Sources:
    """Read every file in use; what is wrong with their shape is added to ``problems``."""
    maps: dict[MapFile, VendorMap] = {}
    doubtful: set[str] = set()
    unreadable = False
    for one in files:
        file = _file(CrmSpec, folder / one.file, problems)
        if file.source is None:
            unreadable = True
        elif file.spec is None:
            doubtful |= _named(file.source)
        else:
            maps[one] = mapping(file.spec, of=one, source=file.source, problems=problems)
    process = _file(ProcessSpec, folder / "process.toml", problems)
    return Sources(
        folder=folder,
        process=process,
        playbook=_file(PlaybookFileSpec, folder / "playbook.toml", problems),
        more=tuple(_more(process, folder, problems)),
        quality=_optional(QualitySpec, folder / "quality.toml", problems),
        product=_optional(ProductSpec, folder / "product.toml", problems),
        maps=maps,
        doubtful=frozenset(doubtful),
        unreadable=unreadable,
    )


def segment_names(sources: Sources) -> tuple[str, ...]:
    """The segments process.toml names, even when the rest of it is wrong."""
    return tuple(str(item["name"]) for item in _items(sources, "segments") if "name" in item)


def tier_names(sources: Sources) -> tuple[str, ...]:
    """The tiers it names."""
    return tuple(str(item["name"]) for item in _items(sources, "tiers") if "name" in item)


def extra_names(sources: Sources) -> tuple[str, ...]:
    """The extras that its tiers name, each once."""
    lists = (item.get("extras") for item in _items(sources, "tiers"))
    return tuple(dict.fromkeys(str(each) for given in lists if isinstance(given, list) for each in given))


def _items(sources: Sources, key: str) -> Iterator[Mapping[str, object]]:
    given = sources.process.source.data.get(key) if sources.process.source else None
    return (item for item in (given if isinstance(given, list) else []) if isinstance(item, Mapping))


def _more(process: File[ProcessSpec], folder: Path, problems: list[Problem]) -> Iterator[File[PlaybooksFileSpec]]:
    """The files with further playbooks that process.toml names."""
    if process.source is None or process.spec is None:
        return
    names = process.spec.handoff.playbooks
    for index, name in enumerate(names):
        path, at = folder / name, ("handoff", "playbooks", index)
        if name in names[:index]:
            problems.append(process.source.problem(at, f"{name!r} stands here twice; take one out"))
        elif not path.resolve().is_relative_to(folder.resolve()) or path.suffix != ".toml":
            problems.append(
                process.source.problem(
                    at, 'must be a .toml file in the folder of this one, such as "playbooks/thirty-days.toml"'
                )
            )
        elif not path.is_file():
            present = sorted(each.relative_to(folder).as_posix() for each in folder.glob("playbooks/*.toml"))
            problems.append(
                process.source.problem(at, f"there is no file {name!r} here; {did_you_mean(name, present)}")
            )
        else:
            yield _file(PlaybooksFileSpec, path, problems)


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
