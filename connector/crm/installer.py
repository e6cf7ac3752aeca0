"""Installing what the handoff needs into a CRM: the plan's words and the port that ``handoff provision`` works through.

Not here: what any vendor needs and how it is put there (``crm.<vendor>.provision``), and what a person reads (``cli``).
A plan is a comparison between what should stand and what stands; only what an apply may do is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from connector.errors import Problem
from connector.handoff.model import SystemName


class Do(StrEnum):
    """What a line of a plan means for its component."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"
    CONFLICT = "conflict"
    BY_HAND = "by_hand"


WRITES = frozenset({Do.CREATE, Do.CHANGE, Do.REMOVE})
"""What makes a plan one with something to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One attribute of a component that would become another; ``before`` is empty when there was none."""

    attribute: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan. ``blocks`` keeps the whole plan from being applied; ``steps`` are clicks, in order."""

    do: Do
    type: str
    name: str
    detail: str = ""
    why: str = ""
    differences: tuple[Difference, ...] = ()
    blocks: bool = False
    steps: tuple[str, ...] = ()


L_co = TypeVar("L_co", bound=Line, covariant=True)


@dataclass(frozen=True, slots=True)
class Plan(Generic[L_co]):
    """Everything one apply would do and say, in order."""

    items: tuple[L_co, ...]

    def of(self, *wanted: Do) -> tuple[L_co, ...]:
        """The lines of these kinds."""
        return tuple(item for item in self.items if item.do in wanted)

    @property
    def blocked(self) -> tuple[L_co, ...]:
        """The lines because of which nothing may be applied."""
        return tuple(item for item in self.items if item.blocks)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any(item.do in WRITES for item in self.items)


class Weight(StrEnum):
    """How surely something goes wrong."""

    REFUSES = "refuses"
    MAY_REFUSE = "may refuse"
    RUNS_TOO = "runs too"


@dataclass(frozen=True, slots=True)
class Danger:
    """One thing of the CRM's own: what it is, what it does to us, what to do about it."""

    weight: Weight
    what: str
    effect: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Site:
    """Which CRM this is, so that nobody applies to the wrong one. ``noun`` is what people call it: org, portal.

    ``kind`` in words ("a sandbox org"). Where everybody works it is ``guarded``: whoever writes types its id, which may
    be any of ``ids``.
    """

    noun: str
    kind: str
    guarded: bool
    ids: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        known = " ".join(part for part in (self.name, self.ids[0] if self.ids else "") if part)
        return f"{known or f'one {self.noun}'}, {self.kind}"


@dataclass(frozen=True, slots=True)
class Survey:
    """One CRM as it stands, and what there is to do.

    ``besides`` are writes that no line of the plan says, ``problems`` mistakes to be mended before anything is applied,
    ``unread`` what this login could not see, ``lacking`` what it is not allowed that an apply needs. ``data`` is the
    vendor's own for ``--json``.
    """

    site: Site
    plan: Plan[Line]
    besides: tuple[str, ...] = ()
    dangers: tuple[Danger, ...] = ()
    problems: tuple[Problem, ...] = ()
    unread: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_apply(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.plan.blocked and not self.problems


class Mark(StrEnum):
    """How an apply ended, as far as an exit code tells."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ending:
    """How carrying out a plan ended, line by line in words. ``unknown``: the CRM stopped answering on the way.

    ``done`` are the changes that stand in the CRM now, ``doubted`` those of which nobody knows.
    """

    mark: Mark
    words: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    done: tuple[Line, ...] = ()
    doubted: tuple[Line, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return self.mark is Mark.DONE


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an apply is: ``job`` tells one bar from another."""

    job: str
    words: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, relative to its folder; how it gets into the CRM without us; what to know of it."""

    files: tuple[Path, ...]
    deploy_with: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person at the command line chose. Those that one vendor alone knows are named in `Installer.knows`.

    ``rivals`` asks for everything of the CRM's own that would fight, and for no plan.
    """

    remove: bool = False
    with_fields: bool = False
    even_with_data: bool = False
    channel: str = ""
    activity_events: bool = False
    ledger: bool = False
    reports: bool = True
    pipeline_rules: bool = False
    rivals: bool = False


class Installer(Protocol):
    """One CRM to install into."""

    @property
    def name(self) -> SystemName:
        """The system's name in config.toml."""
        ...

    @property
    def vendor(self) -> str:
        """The vendor as people write it."""
        ...

    @property
    def knows(self) -> frozenset[str]:
        """The choices of `Choices` that mean something here, besides those of the way back."""
        ...

    @property
    def login_problem(self) -> str:
        """Why the daemon's own login does not work and what follows from it; empty when it works."""
        ...

    def look(self, choices: Choices) -> Survey:
        """Read the CRM and plan; writes nothing. Raises `CrmError`."""
        ...

    def carry_out(self, *, told: Callable[[Progress], None]) -> Ending:
        """Do what the last look planned. Raises `CrmError` only while nothing was done, `UserError` on Ctrl-C."""
        ...

    def export(self, folder: Path) -> Exported:
        """Write the last look's installation as files. Raises `OccupiedError` and OSError."""
        ...


class OccupiedError(Exception):
    """Files that no export wrote stand where one would write; nothing was changed."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        super().__init__(", ".join(map(str, paths)))


EXPORT_LIST = Path("handoff-export.json")
"""Names the files an export wrote, so that the next one replaces those and nobody else's."""


def write_export(files: Mapping[Path, bytes], folder: Path) -> tuple[Path, ...]:
    """Write files below a folder and give them, relative to it, in order.

    What an earlier export left there and this one no longer has is taken away; other files stay. Raises `OccupiedError`
    before anything is written when a file of somebody else's is in the way, OSError when the folder cannot be written.
    """
    earlier = _earlier(folder)
    own = earlier | {EXPORT_LIST} if earlier else earlier
    foreign = sorted(path for path in (*files, EXPORT_LIST) if path not in own and (folder / path).exists())
    if foreign:
        raise OccupiedError(tuple(foreign))
    listed = json.dumps({"files": sorted(path.as_posix() for path in files)}, indent=2) + "\n"
    for stale in earlier - {*files}:
        (folder / stale).unlink(missing_ok=True)
    whole = {**files, EXPORT_LIST: listed.encode()}
    for path, content in sorted(whole.items()):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return tuple(sorted(whole))


def _earlier(folder: Path) -> frozenset[Path]:
    """What an earlier export left, by its own list; a path that leads out of the folder is not taken from it."""
    try:
        told = json.loads((folder / EXPORT_LIST).read_bytes())
        named = [Path(str(one)) for one in told["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset(one for one in named if not one.is_absolute() and ".." not in one.parts)


def by_weight(found: Iterable[Danger]) -> tuple[Danger, ...]:
    """The dangers, the surest first."""
    order: Sequence[Weight] = list(Weight)
    return tuple(sorted(found, key=lambda one: order.index(one.weight)))
