"""``handoff policy``: tests of the rules, the versions that ran, and what differs between two of them, in words.

Not here: holding rules to tests (``policy.expected``), comparing files (``policy.words``), and what a change does to
handoffs under way (``plan --policy-diff``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import typer

from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.policy_versions import diff, versions
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.policy.expected import FOLDER, Ground, Verdict, files_in, run_tests
from connector.policy.load import load_mappings
from connector.settings import read_settings
from connector.settings.spans import shown


class Action(StrEnum):
    """What is asked of the policy."""

    TEST = "test"
    VERSIONS = "versions"
    DIFF = "diff"


def command(
    action: Annotated[
        Action,
        typer.Argument(help="test: hold the rules to your tests. versions: what ran when. diff: what differs."),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="test: files, all of mappings/tests by default. diff: two versions or folders."),
    ] = None,
    *,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="test: also write the results for a build server, as JUnit XML.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Test the rules, list the versions that ran, or say what differs between two.

    **test** decides the deals of `mappings/tests/*.toml` by the rules as they are and says where something else comes
    out than expected: file and line, what was expected, what was found, and why. No CRM is asked, no login is needed.
    Exit code 1 when a test fails, 2 for mistakes in the files.

    **versions** lists the mappings that daemons ran with, newest first. **diff** says in words what differs: between
    the version before and the files as they are now, or between two versions or folders that you name. What a change
    does to handoffs under way says `handoff plan --policy-diff`.

    For example: `handoff policy test`, `handoff policy test mappings/tests/process.toml --junit results.xml`,
    `handoff policy versions`, `handoff policy diff 3f2a now`.
    """
    if junit is not None and action is not Action.TEST:
        raise UserError([Problem("", "--junit", "belongs to: handoff policy test")])
    if action is Action.VERSIONS:
        versions(config, as_json=as_json)
    elif action is Action.DIFF:
        if not diff(config, names or [], as_json=as_json):
            return
        raise typer.Exit(EXIT_FOUND)
    else:
        _test(config, names or [], system=system, junit=junit, as_json=as_json)


def _test(config: Config, names: Sequence[str], *, system: str, junit: Path | None, as_json: bool) -> None:
    results = run_tests(_files(config, names), _grounds(config, system))
    if junit is not None:
        junit.write_bytes(_junit(results))
    if as_json:
        sys.stdout.write(json.dumps(_data(results), indent=2) + "\n")
    else:
        _print(results)
    if any(not each.passed for each in results):
        raise typer.Exit(EXIT_FOUND)


def _files(config: Config, names: Sequence[str]) -> tuple[Path, ...]:
    if names:
        return tuple(Path(name) for name in names)
    folder = read_settings(config).mappings
    found = files_in(folder) if folder is not None else ()
    if not found:
        where = shown(folder / FOLDER) if folder is not None else FOLDER
        message = "there is no test here; write one, or copy mappings/tests/process.toml of this program and change it"
        raise UserError([Problem(where, "", message)])
    return found


def _grounds(config: Config, system: str) -> tuple[Ground, ...]:
    """One per mapping in use: systems of one vendor may share theirs, or each have their own."""
    loaded = load_mappings(config)
    found: dict[str, Ground] = {}
    for name, crm_map in sorted(loaded.maps.items()):
        same = any(each.crm_map == crm_map for each in found.values())
        if system not in ("", name) or same:
            continue
        shown_as = crm_map.vendor if crm_map.vendor not in found else f"{crm_map.vendor}, {name}"
        found[shown_as] = Ground(crm_map.vendor, loaded.policies[name], crm_map, shown_as)
    if not found:
        raise UserError([Problem("", "--system", f"there is no system {system!r} in {config}")])
    return tuple(found.values())


def _data(results: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "tests": len(results),
        "failed": sum(not each.passed for each in results),
        "results": [
            {
                "name": each.name,
                "crm": each.vendor,
                "where": each.where,
                "passed": each.passed,
                "misses": [
                    {
                        "where": miss.where,
                        "key": miss.key,
                        "expected": miss.expected,
                        "found": miss.found,
                        "why": miss.why,
                    }
                    for miss in each.misses
                ],
            }
            for each in results
        ],
    }


def _print(results: Sequence[Verdict]) -> None:
    out = console()
    for each in results:
        for miss in each.misses:
            out.print(f"{miss.where}: {each.name} ({each.vendor})", markup=False, highlight=False, soft_wrap=True)
            out.print(
                f"    {miss.key}: expected {miss.expected}, found {miss.found}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            out.print(f"    {miss.why}", markup=False, highlight=False, soft_wrap=True)
    failed = sum(not each.passed for each in results)
    files = len({each.file for each in results})
    of = f"{len(results)} test{'' if len(results) == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    out.print(f"{of}: {f'{failed} failed' if failed else 'all passed'}.")


def _junit(results: Sequence[Verdict]) -> bytes:
    """The results as build servers read them: one suite, a case per test and CRM."""
    failed = sum(not each.passed for each in results)
    suite = ElementTree.Element("testsuite", name="handoff policy", tests=str(len(results)), failures=str(failed))
    for each in results:
        case = ElementTree.SubElement(
            suite, "testcase", name=each.name, classname=f"{each.file}.{each.vendor}", file=each.file
        )
        if each.misses:
            said = [f"{miss.where}: {miss.key}: expected {miss.expected}, found {miss.found}" for miss in each.misses]
            failure = ElementTree.SubElement(case, "failure", message=said[0])
            failure.text = "\n".join(f"{line}\n  {miss.why}" for line, miss in zip(said, each.misses, strict=True))
    text: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text
