"""Doing a plan: groups first, then properties in batches judged row by row, then changes, rules, and what goes.

Not here: what the plan holds (``compare``, ``rules``, ``remove``). A portal takes no package: each write stands by
itself, so what was done stays, what was not is told, and a second run goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.fields import NO_UNIQUE_HERE
from connector.crm.hubspot.provision.compare import merged_options
from connector.crm.hubspot.provision.definition import Definition, present
from connector.crm.hubspot.provision.desired import Group
from connector.crm.hubspot.provision.items import (
    ArchiveGroup,
    ArchiveProperty,
    ChangeProperty,
    Item,
    MakeGroup,
    MakeProperty,
    ProvisionPlan,
    SetRules,
)
from connector.crm.hubspot.provision.portal import FORBIDDEN
from connector.crm.hubspot.provision.rules import rules_path
from connector.crm.hubspot.session import Session
from connector.crm.installer import Do, Progress
from connector.errors import Advice, FaultCode

BATCH_MOST = 100
"""Rows of a batch (facts: HubSpot §3a)."""

TRIES = 4
PAUSE = 2.0
"""How often a write that the portal put off is sent, and the seconds between: a lock lasts two (facts: HubSpot §3d)."""

PUT_OFF = frozenset({FaultCode.THROTTLED, FaultCode.ROW_LOCKED})
"""Refused for now: nothing was done."""

LOST = frozenset({FaultCode.OUTCOME_UNKNOWN})
"""Nobody knows what became of it."""

THERE = frozenset({FaultCode.DUPLICATE, FaultCode.CONFLICT})
GONE = frozenset({FaultCode.RECORD_GONE})
"""What the second of two equal writes is told when the first did it: so it is as it should be."""

CREATED = "properties"


@dataclass(frozen=True, slots=True)
class Failure:
    """One line that was not done, in the vendor's words."""

    item: Item
    words: str


@dataclass(frozen=True, slots=True)
class Applied:
    """How carrying out a plan ended. ``stopped`` is why it broke off, ``doubted`` are lines whose answer was lost,
    ``undone`` those that were never tried."""

    done: tuple[Item, ...]
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    doubted: tuple[Item, ...] = ()
    undone: tuple[Item, ...] = ()
    stopped: HubSpotError | None = None

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return not self.failures and self.stopped is None


@dataclass(slots=True)
class _Run:
    """One apply under way. ``homes``: the group in which an object's properties go, where ours could not be made."""

    session: Session
    sleep: Callable[[float], None]
    told: Callable[[Progress], None]
    total: int
    done: list[Item] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubted: list[Item] = field(default_factory=list)
    homes: dict[str, str] = field(default_factory=dict)

    def finished(self, item: Item) -> None:
        """One line is done."""
        self.done.append(item)
        self.tell()

    def failed(self, item: Item, error: HubSpotError) -> None:
        """One line was refused, for a reason of its own."""
        self.failures.append(Failure(item, f"{error.fault.message} ({error.fault.vendor_code})"))
        self.tell()

    def tell(self) -> None:
        """How far it is."""
        done = len(self.done) + len(self.failures)
        self.told(Progress("portal", "writing", done, self.total))

    def change(
        self, kind: str, method: str, path: str, body: object = None, *, again: frozenset[FaultCode] = PUT_OFF
    ) -> wire.Json:
        """A write; one that the portal put off is sent ``again``. Raises `HubSpotError`."""
        for left in range(TRIES - 1, -1, -1):
            try:
                return self.session.change(kind, method, path, body)
            except HubSpotError as error:
                if error.fault.code not in again or not left:
                    raise
                self.sleep(PAUSE)
        raise AssertionError("the last try returns or raises")

    def settle(self, kind: str, method: str, path: str, body: object = None) -> None:
        """A write that does no harm when it is done twice, so a lost answer does not stop it. Raises `HubSpotError`."""
        self.change(kind, method, path, body, again=PUT_OFF | LOST)


def carry_out(
    session: Session,
    plan: ProvisionPlan,
    *,
    told: Callable[[Progress], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Applied:
    """Do what the plan says, as far as the portal lets us. Raises nothing that the portal answers."""
    lines = [item for item in plan.items if item.act is not None]
    run = _Run(session, sleep, told, len(lines))
    stopped: HubSpotError | None = None
    try:
        for step in _STEPS:
            step(run, lines)
    except HubSpotError as error:
        stopped = error
    tried = {id(item) for item in (*run.done, *(one.item for one in run.failures), *run.doubted)}
    undone = tuple(item for item in lines if id(item) not in tried)
    return Applied(tuple(run.done), tuple(run.failures), tuple(run.notes), tuple(run.doubted), undone, stopped)


def _groups(run: _Run, lines: Sequence[Item]) -> None:
    for item in lines:
        if isinstance(item.act, MakeGroup):
            group = item.act.group
            body = {"name": group.name, "label": group.label, "displayOrder": -1}
            path = run.session.paths.properties(group.object, "groups")
            with _judged(run, item, done_by=THERE):
                try:
                    run.settle("groups", "POST", path, body)
                except HubSpotError as error:
                    if error.fault.code is not FaultCode.REJECTED:
                        raise
                    _stand_elsewhere(run, group, error)


def _stand_elsewhere(run: _Run, group: Group, error: HubSpotError) -> None:
    """Where an object takes no group of ours, its properties stand in one it has. Whether activities take groups is
    told by nobody (facts: HubSpot §3b has them in ``task_information``). Raises the refusal when there is none."""
    told = run.session.get("groups", run.session.paths.properties(group.object, "groups"))
    names = [str(each["name"]) for each in told.get("results") or () if each.get("name") and not each.get("archived")]
    if not names:
        raise error
    run.homes[group.object] = names[0]
    run.notes.append(f"{group.key} could not be made ({error.fault.message}); its properties stand in {names[0]}")


def _properties(run: _Run, lines: Sequence[Item]) -> None:
    made = [(item, _at_home(run, item.act)) for item in lines if isinstance(item.act, MakeProperty)]
    for name in dict.fromkeys(act.definition.object for _, act in made):
        here = [(item, act) for item, act in made if act.definition.object == name]
        # Bringing an archived name back was seen with single calls only (facts: HubSpot §5), and a key may need a
        # second try without unique values.
        plain = [(item, act) for item, act in here if not act.restores and not act.definition.unique]
        left = [(item, act) for item, act in here if act.restores or act.definition.unique]
        for start in range(0, len(plain), BATCH_MOST):
            some = plain[start : start + BATCH_MOST]
            left += _batch(run, name, some)
        for item, act in left:
            _single(run, item, act.definition)


def _at_home(run: _Run, act: MakeProperty) -> MakeProperty:
    home = run.homes.get(act.definition.object)
    return replace(act, definition=replace(act.definition, group=home)) if home else act


Pair = tuple[Item, MakeProperty]


def _batch(run: _Run, name: str, some: Sequence[Pair]) -> list[Pair]:
    """Make many at once; gives those that the answer does not confirm, to be tried one by one for their own answer."""
    body = {"inputs": [act.definition.body() for _, act in some]}
    try:
        told = run.change(CREATED, "POST", run.session.paths.properties(name, "batch", "create"), body)
    except HubSpotError as error:
        if not error.refuses_content and error.fault.code is not FaultCode.OUTCOME_UNKNOWN:
            raise
        return list(some)
    made = {str(each.get("name", "")): each for each in told.get("results") or ()}
    for item, act in some:
        if act.definition.name in made:
            _check(run, act.definition, made[act.definition.name])
            run.finished(item)
    return [(item, act) for item, act in some if act.definition.name not in made]


def _single(run: _Run, item: Item, definition: Definition) -> None:
    path = run.session.paths.properties(definition.object)
    with _judged(run, item):
        try:
            told = run.change(CREATED, "POST", path, definition.body())
        except HubSpotError as error:
            if error.fault.code in THERE | LOST:
                told = _as_made(run, definition, error)
            elif definition.unique and error.refuses_content:
                told = _without_unique(run, definition, error)
            else:
                raise
        _check(run, definition, told)


def _as_made(run: _Run, definition: Definition, error: HubSpotError) -> wire.Json:
    """The property as it is there, when a write whose answer was lost, or somebody else, has made just this one."""
    there = _shown(run, definition, error)
    found = present(definition.object, there)
    if (found.type, found.field_type, found.refers) != (definition.type, definition.field_type, definition.refers):
        raise error
    return there


def _shown(run: _Run, definition: Definition, error: HubSpotError) -> wire.Json:
    """A property that was made a moment ago; it shows up to 700 ms late (facts: HubSpot §5). Raises ``error`` when it
    is not there."""
    path = run.session.paths.properties(definition.object, definition.name)
    try:
        return run.session.get(CREATED, path)
    except HubSpotError as early:
        if early.fault.code not in GONE:
            raise
    run.sleep(PAUSE)
    try:
        return run.session.get(CREATED, path)
    except HubSpotError as absent:
        if absent.fault.code in GONE:
            raise error from absent
        raise


def _without_unique(run: _Run, definition: Definition, error: HubSpotError) -> wire.Json:
    """Make a key whose unique values were refused without them. Whether activities take them is not settled (facts:
    HubSpot §3b), and the connector works without. Raises the first refusal when that was not the reason."""
    description = f"{definition.description} {NO_UNIQUE_HERE}"
    plain = replace(definition, unique=False, description=description)
    try:
        told = run.change(CREATED, "POST", run.session.paths.properties(definition.object), plain.body())
    except HubSpotError as refused:
        if refused.refuses_content:
            raise error from refused
        raise
    run.notes.append(
        f"{definition.key} was made without unique values, which this portal refuses there ({error.fault.message}): "
        "the connector reads before it makes, with more calls"
    )
    return told


def _check(run: _Run, definition: Definition, told: wire.Json) -> None:
    """Say when the portal made something else than it was asked for."""
    found = present(definition.object, told)
    unique = found.unique or NO_UNIQUE_HERE in found.description or not definition.unique
    if found.name and ((found.type, found.field_type) != (definition.type, definition.field_type) or not unique):
        run.notes.append(f"{definition.key} is now a {found.shape}, though {definition.shape} was asked for")


def _changes(run: _Run, lines: Sequence[Item]) -> None:
    for item in lines:
        if isinstance(item.act, ChangeProperty):
            wanted, body = item.act.wanted, dict(item.act.body)
            path = run.session.paths.properties(wanted.object, wanted.name)
            with _judged(run, item):
                if "options" in body:
                    # The list is replaced, so what somebody added since the plan was made has to be in it.
                    there = present(wanted.object, run.session.get(CREATED, path))
                    body["options"] = [one.body(order) for order, one in enumerate(merged_options(wanted, there))]
                run.settle(CREATED, "PATCH", path, body)


def _rules(run: _Run, lines: Sequence[Item]) -> None:
    for item in lines:
        if isinstance(item.act, SetRules):
            with _judged(run, item):
                run.settle("rules", "PATCH", rules_path(run.session, item.act.pipeline), dict(item.act.body))


def _archives(run: _Run, lines: Sequence[Item]) -> None:
    for item in lines:
        if isinstance(item.act, ArchiveProperty):
            with _judged(run, item, done_by=GONE):
                run.settle(CREATED, "DELETE", run.session.paths.properties(item.act.object, item.act.name))
    for item in lines:
        if isinstance(item.act, ArchiveGroup):
            group = item.act.group
            with _judged(run, item, done_by=GONE):
                run.settle("groups", "DELETE", run.session.paths.properties(group.object, "groups", group.name))


_STEPS: tuple[Callable[[_Run, Sequence[Item]], None], ...] = (_groups, _properties, _changes, _rules, _archives)


class _judged:
    """Takes what becomes of one line: done, refused for a reason of its own, or a reason to stop altogether.

    ``done_by``: refusals that say it is so already.
    """

    def __init__(self, run: _Run, item: Item, *, done_by: frozenset[FaultCode] = frozenset()) -> None:
        self._run = run
        self._item = item
        self._done_by = done_by

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None or (isinstance(error, HubSpotError) and error.fault.code in self._done_by):
            self._run.finished(self._item)
            return True
        if isinstance(error, HubSpotError) and (error.refuses_content or error.status == FORBIDDEN):
            self._run.failed(self._item, error)
            return True
        if isinstance(error, HubSpotError) and error.fault.code in LOST:
            self._run.doubted.append(self._item)
        return False


_COUNTED = ((Do.CREATE, "made"), (Do.CHANGE, "changed"), (Do.REMOVE, "taken out"))


def words(applied: Applied, *, system: str) -> Iterator[str]:
    """How it went, for people."""
    counted = [f"{len([one for one in applied.done if one.do is do])} {said}" for do, said in _COUNTED]
    counts = ", ".join(part for part in counted if not part.startswith("0 "))
    yield f"Done: {counts}." if counts else "Nothing was done."
    yield from applied.notes
    for failure in applied.failures:
        yield f"  ! {failure.item.type} {failure.item.name} was refused: {failure.words}"
    if applied.stopped is not None:
        fault = applied.stopped.fault
        unknown = fault.advice is Advice.VERIFY
        how = "the portal's answer was lost" if unknown else "the portal stopped taking writes"
        yield f"Broken off, {how}: {fault.message} ({fault.vendor_code})"
    for item in applied.doubted:
        yield f"  - {item.type} {item.name} was sent, and may be done or not"
    for item in applied.undone:
        yield f"  - {item.type} {item.name} was not tried"
    if not applied.ok:
        yield f"What was done stays. What is left to do: handoff provision {system}"
