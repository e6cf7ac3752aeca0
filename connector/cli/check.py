"""``handoff check``: will it work with this config and these CRMs? Not here: the checks (``policy.check``)."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import Screen
from connector.cli.show import console
from connector.crm.port import (
    CRM,
    Examination,
    ObjectSchema,
)
from connector.engine.parts import Shared
from connector.engine.parts import System as EngineSystem
from connector.errors import CrmError, Problem, UserError
from connector.handoff.model import Kind
from connector.policy.assumed import MARK, Assumption, assumed
from connector.policy.check import ABSENT, check
from connector.policy.crmmap import CrmMap
from connector.policy.load import Loaded, load_all, unsendable
from connector.policy.schemas import export
from connector.settings import Mode, Settings
from connector.store import OlderSchema

BEHIND = "Database: of an older version; the first start of this one brings it up to date, or: handoff migrate"
CHECKED = (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.NOTE)
"""What every policy needs; meetings come with the first playbook that makes one."""
PROVISIONED: Mapping[str, Callable[[str], bool]] = {
    "salesforce": lambda name: name.endswith("__c"),
    "hubspot": lambda name: not name.startswith(("hs_", "hubspot_")),
}
"""By vendor, whether a field is one that `handoff provision` can make: the CRM's own are there or cannot be made."""
MOST_ABSENT = 5
"""More fields than this that are not there are told in one line; ``--json`` has each with its own."""
SKEW_ALLOWED = timedelta(minutes=2)
"""Tokens are signed for three minutes, so a clock further off than this will soon be refused."""


def command(
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    offline: Annotated[bool, typer.Option("--offline", help="Only the files; call no CRM.")] = False,
    write_schemas: Annotated[
        Path | None, typer.Option(help="Write the JSON Schemas for editors into this folder, and stop.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check files, credentials, fields, types, rights, choices, stages and people; each failure names its fix.

    Also lists what is still ASSUMED: guesses of `handoff init` that nobody confirmed, with file and line. They fail
    nothing, and are said louder once the daemon acts.

    Writes nothing to a CRM. Exit code 0 when all is well, 1 when something was found, 2 for mistakes in the files.

    For example before a change goes live: `handoff check --offline` for the files alone, then `handoff check`. When all
    is well: `handoff plan`.
    """
    if write_schemas is not None:
        export(write_schemas)
        console().print(f"Schemas written to {write_schemas}.")
        return
    if offline:
        settings, loaded = load_all(config)
        stay = unsendable(settings, loaded)
        _tell({"config": Examination(stay)} if stay else {}, as_json=as_json, still=_still(settings))
        if stay:
            raise typer.Exit(EXIT_FOUND)
        return
    runtime, behind = _opened(config)
    stay = unsendable(runtime.settings, runtime.loaded)
    found = {each.name: check_system(runtime.shared, each, runtime.loaded) for each in runtime.chosen(system)}
    found = {name: dataclasses.replace(each, problems=(*stay, *each.problems)) for name, each in found.items()}
    _tell(
        {str(name): each for name, each in found.items()},
        as_json=as_json,
        still=_still(runtime.settings),
        behind=behind,
    )
    if any(each.problems for each in found.values()):
        raise typer.Exit(EXIT_FOUND)


def _opened(config: Path) -> tuple[bootstrap.Runtime, str]:
    """The parts, and what is to be done about the ledger. One that a new version has not brought up to date yet keeps
    nobody from asking whether that version will do: nothing here depends on what it holds."""
    try:
        return bootstrap.open_runtime(config, mode="read"), ""
    except OlderSchema:
        return bootstrap.open_runtime(config, mode="none"), BEHIND


def check_system(shared: Shared, system: EngineSystem, loaded: Loaded) -> Examination:
    """Everything that would go wrong with one CRM, and what it told; one that cannot be reached is one problem."""
    crm = system.crm
    try:
        found = _connected(crm)
        meetings = any(task.draft for playbook in system.policy.playbooks for task in playbook.tasks)
        schemas = {kind: crm.describe(kind) for kind in (*CHECKED, *((Kind.MEETING,) if meetings else ()))}
        problems = _not_said_twice(found, loaded.maps[system.name], schemas)
        problems += check(
            system.policy, loaded.maps[system.name], schemas=schemas, stages=crm.stages(), people=crm.people()
        )
        examined = crm.examine()
        skew = abs(crm.server_time() - shared.clock.now())
    except CrmError as error:
        fault = error.fault
        message = f"{fault.message} ({fault.vendor_code}); {ADVICE[fault.advice.value]}"
        return Examination((Problem(system.name, fault.code.value, message),))
    problems += examined.problems
    if skew > SKEW_ALLOWED:
        message = f"this machine's clock differs by {skew.total_seconds():.0f} s; set it by NTP"
        problems.append(Problem(system.name, "clock", message))
    clock = f"clock {skew.total_seconds():.0f} s apart"
    notes = (*examined.notes, clock, *_provisioned(system.name, loaded.maps[system.name], schemas))
    return Examination(tuple(dict.fromkeys(problems)), notes)


def _connected(crm: CRM) -> Sequence[Problem]:
    """What `connect` finds. What keeps the daemon from starting is one thing to mend among others here."""
    try:
        return crm.connect()
    except UserError as error:
        return error.problems


def _provisioned(system: str, crm_map: CrmMap, schemas: Mapping[Kind, ObjectSchema]) -> Iterator[str]:
    """The one command that mends what many lines complain of: a CRM without our fields."""
    can_be_made = PROVISIONED.get(crm_map.vendor)
    if can_be_made is None:
        return
    missing = (one for kind, schema in schemas.items() for one in crm_map.of(kind) if one.field not in schema.fields)
    absent = sum(can_be_made(one.field) for one in missing)
    if absent:
        yield (
            f"{absent} {'field is' if absent == 1 else 'fields are'} missing or hidden: handoff provision {system} "
            "plans what it takes to have them all; --apply does it"
        )


def _not_said_twice(found: Sequence[Problem], crm_map: CrmMap, schemas: Mapping[Kind, ObjectSchema]) -> list[Problem]:
    """What `connect` found, less what it says of fields that are not there: `check` names those with their line."""
    missing = [one for kind, schema in schemas.items() for one in crm_map.of(kind) if one.field not in schema.fields]
    absent = {name for one in missing for name in (one.path, one.field)}
    return [problem for problem in found if problem.key not in absent]


ADVICE = {
    "retry": "the CRM was busy or out of reach: check base_url and the network, then try again",
    "reread": "try again",
    "verify": "no answer came: check base_url and the network, then try again",
    "park": "give this login the permission the CRM names",
    "halt": "check the credentials in the environment or the secret files, and the API limits",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Still:
    """What nobody confirmed yet, and whether that matters by now."""

    found: tuple[Assumption, ...]
    acts: bool


def _still(settings: Settings) -> Still:
    return Still(assumed(settings.file, settings.mappings), acts=settings.daemon.mode is not Mode.OBSERVE)


def _tell_assumed(still: Still) -> None:
    """List the guesses; where the daemon writes by them, on standard error and in red."""
    if not still.found:
        return
    count = len(still.found)
    words = (
        f"{count} {'guess is' if count == 1 else 'guesses are'} still {MARK}; look at each, then take its comment out:"
    )
    out = Screen(stderr=True, highlight=False) if still.acts else console()
    if still.acts:
        words = f"The daemon acts, and {words}"
    out.print(words, markup=False, highlight=False, soft_wrap=True, style="bold red" if still.acts else "yellow")
    for one in still.found:
        out.print(f"  {one}", markup=False, highlight=False, soft_wrap=True)


def _lines(problems: Sequence[Problem]) -> Iterator[str]:
    """The problems as people read them: a CRM that has none of our fields yet is one thing to mend, not sixty-five."""
    absent = [each for each in problems if each.message.endswith(ABSENT)]
    if len(absent) <= MOST_ABSENT:
        yield from map(str, problems)
        return
    yield from (str(each) for each in problems if each not in absent)
    names = ", ".join(each.key.removeprefix("fields.") for each in absent)
    yield f"{absent[0].where}: {len(absent)} fields do not exist or are hidden from this login: {names}"


def _tell(found: Mapping[str, Examination], *, as_json: bool, still: Still, behind: str = "") -> None:
    if as_json:
        data = {
            name: [{"where": each.where, "key": each.key, "message": each.message} for each in one.problems]
            for name, one in found.items()
        }
        notes = {name: list(one.notes) for name, one in found.items()}
        ok = not any(one.problems for one in found.values())
        guesses = [{"where": f"{one.where}:{one.line}", "key": one.key, "why": one.why} for one in still.found]
        whole = {"ok": ok, "systems": data, "notes": notes, "assumed": guesses, "store": behind}
        sys.stdout.write(json.dumps(whole, indent=2) + "\n")
        return
    out = console()
    out.print("Files: all well.")
    if behind:
        out.print(behind, soft_wrap=True)
    for name, one in found.items():
        out.print(f"{name}: {len(one.problems)} to mend" if one.problems else f"{name}: all well.")
        for line in _lines(one.problems):
            out.print(f"  {line}", markup=False)
        for note in one.notes:
            out.print(f"  {note}", markup=False, style="dim", highlight=False, soft_wrap=True)
    _tell_assumed(still)
