"""One deploy from zip to outcome: what is deleted first, what is put, what is deleted last; all of it or none.

Not the request's states (`requests.py`). Everything is judged against the org as it will be before anything is
changed, so taking back is leaving undone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata import applying, components, package, tree
from connector.sandbox.salesforce.metadata.checks import judge
from connector.sandbox.salesforce.metadata.package import MANIFEST, BadPackage, Found, Package
from connector.sandbox.salesforce.metadata.references import holders
from connector.sandbox.salesforce.metadata.results import ERROR, WARNING, Message, Outcome
from connector.sandbox.salesforce.metadata.types import BY_NAME, TYPES, package_name
from connector.sandbox.salesforce.metadata.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.state import World

WILDCARD = "*"
PRE, MIDDLE, POST = package.DESTRUCTIVE


@dataclass(frozen=True, slots=True)
class Options:
    """How to deploy. Without `rollback` sound components are kept though others failed."""

    check_only: bool = False
    rollback: bool = True
    allow_missing: bool = False


@dataclass(slots=True)
class _Run:
    """A deploy under way: the org as it will be, what was said, and what to do once all is judged."""

    world: World
    by: str
    options: Options
    view: View
    outcome: Outcome = field(default_factory=Outcome)
    steps: list[Callable[[], object]] = field(default_factory=list)


def deploy(world: World, data: bytes, options: Options, *, by: str) -> Outcome:
    """Deploy a zip as this user."""
    try:
        found = package.read(data)
    except BadPackage as error:
        return Outcome(error=str(error))
    run = _Run(world, by, options, View(world))
    run.outcome.messages.append(Message("", MANIFEST, found.root + MANIFEST))
    for fault in found.faults:
        message = Message(fault.type, fault.name, fault.file, problem=fault.problem, problem_type=ERROR)
        run.outcome.messages.append(_placed(message, fault.line, fault.column))
    _check_manifest(run, found)
    for stage in (PRE, MIDDLE):
        _destroy(run, found, stage)
    for component in sorted(found.found, key=lambda f: f.kind.order):
        if _listed(found, component):
            _put(run, component)
    _destroy(run, found, POST)
    if not options.check_only and not (run.outcome.failures and options.rollback):
        for step in run.steps:
            step()
    return run.outcome


def _put(run: _Run, component: Found) -> None:
    type, name = component.kind.name, component.name
    flaws = judge(run.view, type, name, component.node)
    known = components.one(run.world, type, name)
    if flaws:
        for flaw in flaws:
            message = Message(type, name, component.file, problem=flaw.problem, problem_type=ERROR)
            run.outcome.messages.append(_placed(message, flaw.line, flaw.column))
        return
    run.view.add(type, name, component.node)
    changed = known is None or not tree.same(known.node, component.node)
    id = known.id if known else ""
    run.outcome.messages.append(Message(type, name, component.file, id=id, changed=changed, created=known is None))
    if changed:
        run.steps.append(lambda: applying.put(run.world, type, name, component.node, by=run.by))


def _destroy(run: _Run, found: Package, stage: str) -> None:
    named = [(t, name) for t, name in found.destroy.get(stage, ())]
    order = {t.name: t.order for t in TYPES}
    # What refers goes before what it refers to.
    for type, name in sorted(named, key=lambda pair: -order.get(_real_type(*pair), 0)):
        _destroy_one(run, f"{found.root}{stage}", _real_type(type, name), name)


def _destroy_one(run: _Run, file: str, type: str, name: str) -> None:
    def say(problem: str = "", problem_type: str = "", *, gone: bool = False) -> None:
        message = Message(type, name, file, deleted=gone, changed=gone, problem=problem, problem_type=problem_type)
        run.outcome.messages.append(message)

    if type not in BY_NAME:
        say(f"Unknown type name '{type}' specified in {file}", ERROR)
        return
    if name == WILDCARD:
        say("A wildcard cannot be used in destructive changes", ERROR)
        return
    known = components.one(run.world, type, name)
    if known is None:
        say(f"No {type} named: {name} found", WARNING)
        return
    if type in ("CustomField", "CustomObject") and not name.endswith("__c"):
        say(f"Cannot delete standard component: {type} {name}", ERROR)
        return
    users = [holder for holder in holders(run.view, type, name) if not _goes_too(run, holder)]
    if users:
        say(
            f"This {type} is referenced elsewhere in salesforce.com. Remove the usage and try again. : {users[0]}",
            ERROR,
        )
        return
    run.view.remove(type, name)
    say(gone=True)
    run.steps.append(lambda: applying.drop(run.world, type, known.name, by=run.by))


def _goes_too(run: _Run, holder: str) -> bool:
    type, _, name = holder.partition(" ")
    return run.view.get(type, name) is None


def _check_manifest(run: _Run, found: Package) -> None:
    held = {(package_name(c.kind), c.name.lower()) for c in found.found}
    broken = {fault.name.lower() for fault in found.faults}
    names = {package_name(t) for t in TYPES}
    for type, members in found.members.items():
        if type not in names:
            problem = f"Unknown type name '{type}' specified in package.xml"
            run.outcome.messages.append(Message("", MANIFEST, MANIFEST, problem=problem, problem_type=ERROR))
            continue
        for name in members:
            if name == WILDCARD or (type, name.lower()) in held or name.lower() in broken or type == "CustomObject":
                continue
            problem = (
                f"An object '{name}' of type {type} was named in package.xml, but was not found in zipped directory"
            )
            severity = WARNING if run.options.allow_missing else ERROR
            run.outcome.messages.append(Message(type, name, MANIFEST, problem=problem, problem_type=severity))
    for component in found.found:
        if not _listed(found, component):
            name, kind = component.name, component.kind.name
            message = Message(kind, name, component.file, problem="Not in package.xml", problem_type=ERROR)
            run.outcome.messages.append(message)


def _listed(found: Package, component: Found) -> bool:
    kind = component.kind
    names = {n.lower() for n in found.members.get(package_name(kind), ())}
    if component.name.lower() in names or WILDCARD in names:
        return True
    if kind.parent or kind.name == "CustomObject":
        # Children are deployed with their object's file; the head of a file stands for what it is named by.
        holders_named = {n.lower() for n in found.members.get("CustomObject", ())}
        return component.name.partition(".")[0].lower() in holders_named or WILDCARD in holders_named
    return False


def _real_type(type: str, name: str) -> str:
    # Folders are listed under what they hold: "Report" with a name that has no slash.
    for kind in TYPES:
        if kind.folder_type == type and "/" not in name:
            return kind.name
    return type


def _placed(message: Message, line: int, column: int) -> Message:
    return replace(message, line=line, column=column)
