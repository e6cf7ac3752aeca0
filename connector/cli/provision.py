"""``handoff provision``: what a CRM lacks for the handoff, and, when told to, putting it there.

Not here: what a CRM should have and what is done to it (``crm.<vendor>.provision``, behind ``crm.installer``); how the
answer is laid out (``provision_show``).
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from connector import bootstrap
from connector.bootstrap.acts import who
from connector.cli import provision_show as show
from connector.cli.app import EXIT_CRM, EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.screen import complain
from connector.crm.installer import Choices, Do, Ending, Installer, Line, Mark, OccupiedError, Survey
from connector.errors import CrmError, FaultCode, Problem, UserError
from connector.handoff.model import SystemName
from connector.store import SetUp, failure

HELP = """Install what a CRM needs for the handoff: plan it, apply it, take it out again.

Reads the mappings and the CRM and prints what would be made, changed and kept, what conflicts, and what only a person
can do, click by click. **Writes nothing without --apply.** After applying it reads again to see that it is so.

**Salesforce**: fields with their access, validation rules, page layouts, permission sets, reports; checked by the org
without saving, then deployed whole or not at all. **HubSpot**: property groups and properties; limits and scopes are
looked at first, pipelines are verified and never changed, required properties at a stage are a list of clicks.

The usual way, in a sandbox org or test portal first, as an admin, so that the daemon's own login needs no admin rights:

1. `export ADMIN_TOKEN=…`. Salesforce: an access token of yours, as `sf org auth show-access-token --json` tells it.
   HubSpot: a service key or app token with the scopes `crm.schemas.….read` and `.write`.

2. `handoff provision hubspot --token-env ADMIN_TOKEN`: read the plan.

3. The same with `--apply`.

4. What is listed under *By hand* (in Salesforce: assign the permission sets), then `handoff check`.

What an admin added or chose (further choices, longer fields, other labels, an edited rule) is kept. Only what is ours
is changed: in Salesforce names that begin with Handoff_, the section in layouts and the channel's members; in HubSpot
properties that the mapping names.

Exit code 0 when all is well, 1 when something needs a person (a conflict, a refused write), 2 for mistakes in files and
arguments, 3 when the CRM could not be reached. Before it writes it asks, where everybody works for the org's or
portal's id.
"""


def _remedy(token_env: str) -> str:
    """What to do about a login that may not do something."""
    if token_env:
        return f"Give the token in {token_env} what it lacks, or take one that has it"
    return "Name the variable that holds an admin's access token: --token-env NAME"


class Channel(StrEnum):
    """Where change events come from: the org's standard channel, a channel of our own, or nowhere (polling alone)."""

    OFF = "off"
    STANDARD = "standard"
    CUSTOM = "custom"


def command(
    system: Annotated[
        str,
        typer.Argument(help="The system's name in config.toml, or `salesforce` or `hubspot` if there is one."),
    ],
    *,
    config: Config = DEFAULT_CONFIG,
    apply: Annotated[bool, typer.Option("--apply", help="Do what the plan says, after asking.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the installation into this folder (source format, JSON), and stop."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Plan the way back; with --apply, do it.")] = False,
    with_fields: Annotated[
        bool, typer.Option("--with-fields", help="With --remove: fields too, those that hold no data.")
    ] = False,
    even_with_data: Annotated[
        bool, typer.Option("--even-with-data", help="With --with-fields: also fields that hold data. It is lost.")
    ] = False,
    channel: Annotated[
        Channel | None,
        typer.Option(help="Salesforce: where change events come from; by default where config.toml has them."),
    ] = None,
    activity_events: Annotated[
        bool, typer.Option("--activity-events", help="Salesforce: events of tasks and meetings too; View All Data.")
    ] = False,
    ledger: Annotated[
        bool,
        typer.Option("--ledger", help="Salesforce: Handoff_Effect__c, where Activity may get no external id."),
    ] = False,
    reports: Annotated[bool, typer.Option(help="Salesforce: the report folder with its dashboard.")] = True,
    pipeline_rules: Annotated[
        bool,
        typer.Option(
            "--pipeline-rules", help="HubSpot (beta): won deals are not moved back by hand; with --remove, off."
        ),
    ] = False,
    token_env: Annotated[
        str, typer.Option(metavar="NAME", help="The variable that holds an admin's access token for this command.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before applying.")] = False,
    fail_on_changes: Annotated[
        bool, typer.Option("--fail-on-changes", help="Exit code 1 also when the plan has something to do (for CI).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """See ``HELP``, which is what the terminal shows."""
    _refuse_odd_arguments(apply=apply, export=export, remove=remove, with_fields=with_fields, data=even_with_data)
    if apply and not yes and (as_json or not sys.stdin.isatty()):
        nobody = "--json shows no plan to say yes to" if as_json else "nobody is there to answer"
        raise UserError([Problem("", "--apply", f"asks before it writes, and {nobody}; add --yes")])
    choices = Choices(
        remove=remove,
        with_fields=with_fields,
        even_with_data=even_with_data,
        channel=channel or "",
        activity_events=activity_events,
        ledger=ledger,
        reports=reports,
        pipeline_rules=pipeline_rules,
    )
    installer = bootstrap.open_installer(config, system, token=_token(token_env))
    _refuse_strange_choices(choices, installer)
    found = _look(installer, choices, token_env=token_env)
    if export is not None:
        _export(installer, found, export, as_json=as_json)
        return
    given = (
        f"--config {config}" if config != DEFAULT_CONFIG else "",
        f"--token-env {token_env}" if token_env else "",
        *(_spelled(name, value) for name, value in _chosen(choices).items()),
    )
    page = show.Page(
        system=installer.name,
        survey=found,
        login_problem=installer.login_problem,
        removing=remove,
        given=" ".join(part for part in given if part),
    )
    if not as_json:
        show.tell_plan(page)
    if apply and found.lacking:
        words = f"this login may not do it; it lacks a scope on {'; '.join(found.lacking)}. {_remedy(token_env)}"
        raise UserError([Problem(installer.name, "rights", words)])
    agreed = apply and found.may_apply and not found.plan.is_empty and (yes or show.asked_to_apply(page))
    ended, left = _apply(installer, choices, quiet=as_json) if agreed else (None, None)
    noted = ended is None or _noted(config, installer.name, ended)
    if as_json:
        show.tell_json(page, ended=ended, left=left)
    elif ended is not None:
        show.tell_applied(page, ended=ended, left=left)
    else:
        show.tell_next(page, applying=apply)
    if ended is not None and ended.mark is Mark.UNKNOWN:
        raise typer.Exit(EXIT_CRM)
    if not noted or _needs_a_person(found, ended, left, fail_on_changes=fail_on_changes):
        raise typer.Exit(EXIT_FOUND)


command.__doc__ = HELP


def _apply(installer: Installer, choices: Choices, *, quiet: bool) -> tuple[Ending, Survey | None]:
    """What became of the plan, and the CRM read once more when all of it was done."""
    with show.watching(quiet=quiet) as told:
        ended = installer.carry_out(told=told)
    if not ended.ok:
        return ended, None
    try:
        return ended, installer.look(choices)
    except CrmError as error:
        # What was done is done: an error of the reading alone would say that nothing was.
        words = (
            f"It could not be read again ({error.fault.vendor_code}: {error.fault.message}). "
            "Whether nothing is left to do, a second plan tells."
        )
        return dataclasses.replace(ended, mark=Mark.UNKNOWN, words=(*ended.words, words)), None


def _noted(config: Path, system: SystemName, ended: Ending) -> bool:
    """Tell the audit trail of each change, where there is a ledger yet. False, and said, when it could not be told:
    what was done stands in the CRM all the same."""
    changes = [_set_up(line, sure=True) for line in ended.done] + [_set_up(line, sure=False) for line in ended.doubted]
    if not changes:
        return True
    try:
        store = bootstrap.open_ledger_if_any(config)
        if store is not None:
            store.provisioned(system, changes, by=who())
            store.close()
    except UserError as error:
        words = "; ".join(str(problem) for problem in error.problems)
    except SQLAlchemyError as error:
        words = failure(error) or type(error).__name__
    else:
        return True
    complain(f"What was done in the CRM is done, but the audit trail could not be told of it: {words}")
    return False


def _set_up(line: Line, *, sure: bool) -> SetUp:
    """A line of a plan as the trail tells it: attributes where it names them, else the component as it describes it."""
    described = {"definition": line.detail} if line.detail else {}
    if line.do is Do.REMOVE:
        return SetUp(line.do.value, line.type, line.name, described, None, line.why, sure=sure)
    after = {each.attribute: each.after or None for each in line.differences} or described
    found = {each.attribute: each.before or None for each in line.differences} if line.do is Do.CHANGE else None
    return SetUp(line.do.value, line.type, line.name, found, after, line.why, sure=sure)


def _look(installer: Installer, choices: Choices, *, token_env: str) -> Survey:
    """The CRM and the plan. A login that may not read set-up is the person's to mend, so it says how."""
    try:
        return installer.look(choices)
    except CrmError as error:
        if error.fault.code is not FaultCode.NOT_PERMITTED:
            raise
        whose = f"the token in {token_env}" if token_env else "the connector's own login"
        words = (
            f"{whose} may not read {installer.vendor}'s set-up ({error.fault.vendor_code}: {error.fault.message}). "
            f"{_remedy(token_env)}"
        )
        raise UserError([Problem(installer.name, "rights", words)]) from error


def _needs_a_person(found: Survey, ended: Ending | None, left: Survey | None, *, fail_on_changes: bool) -> bool:
    if not found.may_apply:
        return True
    if ended is not None:
        return not ended.ok or (left is not None and not left.plan.is_empty)
    return fail_on_changes and not found.plan.is_empty


def _export(installer: Installer, found: Survey, folder: Path, *, as_json: bool) -> None:
    if found.problems:
        raise UserError(found.problems)
    try:
        written = installer.export(folder)
    except OccupiedError as error:
        words = f"has files that no export wrote and this one would overwrite: {error}; name an empty folder"
        raise UserError([Problem(str(folder), "--export", words)]) from error
    except OSError as error:
        raise UserError([Problem(str(folder), "--export", f"cannot be written: {error.strerror}")]) from error
    show.tell_export(folder, written, found, as_json=as_json)
    if found.plan.blocked:
        raise typer.Exit(EXIT_FOUND)


def _token(variable: str) -> str:
    if not variable:
        return ""
    token = os.environ.get(variable, "").strip()
    if not token:
        raise UserError([Problem("", "--token-env", f"the variable {variable} is not set or empty")])
    return token


def _chosen(choices: Choices) -> Mapping[str, bool | str]:
    """What was chosen otherwise than by default, by the name of its choice."""
    fields = dataclasses.fields(Choices)
    return {one.name: value for one in fields if (value := getattr(choices, one.name)) != one.default}


def _spelled(name: str, value: bool | str) -> str:
    """A choice as it is typed."""
    option = name.replace("_", "-")
    if isinstance(value, str):
        return f"--{option} {value}"
    return f"--{option}" if value else f"--no-{option}"


WAY_BACK = frozenset({"remove", "with_fields", "even_with_data"})


def _refuse_strange_choices(choices: Choices, installer: Installer) -> None:
    strange = [name for name in _chosen(choices) if name not in WAY_BACK | installer.knows]
    if strange:
        words = f"means nothing in {installer.vendor}; leave it out"
        raise UserError([Problem("", f"--{name.replace('_', '-')}", words) for name in strange])


def _refuse_odd_arguments(*, apply: bool, export: Path | None, remove: bool, with_fields: bool, data: bool) -> None:
    odd = (
        (apply and export is not None, "--export", "writes files and --apply a CRM; ask for one of them"),
        (remove and export is not None, "--export", "shows what is installed; leave --remove out"),
        (with_fields and not remove, "--with-fields", "goes with --remove"),
        (data and not with_fields, "--even-with-data", "goes with --remove --with-fields"),
    )
    problems = [Problem("", option, words) for is_odd, option, words in odd if is_odd]
    if problems:
        raise UserError(problems)
