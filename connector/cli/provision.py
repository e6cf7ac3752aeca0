"""``handoff provision``: what a Salesforce org lacks for the handoff, and, when told to, putting it there.

Not here: what an org should have and what is done to it (``crm.salesforce.provision``); how the answer is laid out
(``provision_show``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli import provision_show as show
from connector.cli.app import EXIT_CRM, EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import progress_console as console
from connector.crm.salesforce.provision.apply import LeftRunning
from connector.crm.salesforce.provision.install import Applied, Look, Wish, carry_out, look
from connector.crm.salesforce.provision.options import Channel, Options
from connector.crm.salesforce.provision.source import OccupiedError, write_source
from connector.errors import Advice, CrmError, FaultCode, Problem, UserError

HELP = """Install what a Salesforce org needs for the handoff: plan it, apply it, take it out again.

Reads the mappings and the org and prints what would be made, changed and kept, what conflicts, and what only a person
can do. **Writes nothing without --apply.** Applying first lets the org check the whole package without saving, then
deploys it whole or not at all, gives the connector's user its permission set, and reads again to see that it is so.

The usual way, in a sandbox org first, as an admin, so that the daemon's own user needs no admin rights:

1. `export SF_ADMIN_TOKEN=…`: an access token of yours, for example from `sf org auth show-access-token --json`.

2. `handoff provision salesforce --token-env SF_ADMIN_TOKEN`: read the plan.

3. The same with `--apply`.

4. Assign Handoff_Sales to reps and Handoff_Customer_Success to CSMs, then `handoff check`.

What an admin added or chose (further picklist values, longer fields, other labels, an edited rule) is kept. Only
components whose name begins with Handoff_ are changed, besides the section in layouts and the channel's members.

Exit code 0 when all is well, 1 when something needs a person (a conflict, a refused deploy), 2 for mistakes in files
and arguments, 3 when the org could not be reached. Before it writes it asks, in a production org for the org's id.
"""


def command(
    system: Annotated[str, typer.Argument(help="The system's name in config.toml, or `salesforce` if there is one.")],
    *,
    config: Config = DEFAULT_CONFIG,
    apply: Annotated[bool, typer.Option("--apply", help="Do what the plan says, after asking.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write Salesforce source format into this folder, and stop.")
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
        typer.Option(help="Where change events come from; by default where config.toml has the daemon listen."),
    ] = None,
    activity_events: Annotated[
        bool, typer.Option("--activity-events", help="Events of tasks and meetings too; needs View All Data.")
    ] = False,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="The object Handoff_Effect__c, where Activity may get no external id.")
    ] = False,
    reports: Annotated[bool, typer.Option(help="The report folder with its dashboard.")] = True,
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
    if apply and not yes and not sys.stdin.isatty():
        raise UserError([Problem("", "--apply", "asks before it writes, and nobody is there to answer; add --yes")])
    org = bootstrap.open_org(config, system, token=_token(token_env))
    wish = Wish(
        crm_map=org.crm_map,
        policy=org.policy,
        options=Options(
            channel=channel or org.channel, activity_events=activity_events, ledger=ledger, reports=reports
        ),
        integration_user=org.integration_user,
        remove=remove,
        with_fields=with_fields,
        even_with_data=even_with_data,
    )
    found = _look(org, wish, token_env=token_env)
    if export is not None:
        _export(found, export, as_json=as_json)
        return
    given = (
        f"--config {config}" if config != DEFAULT_CONFIG else "",
        f"--token-env {token_env}" if token_env else "",
        "--remove" if remove else "",
        "--with-fields" if with_fields else "",
        "--even-with-data" if even_with_data else "",
        f"--channel {channel}" if channel else "",
        "--activity-events" if activity_events else "",
        "--ledger" if ledger else "",
        "" if reports else "--no-reports",
    )
    page = show.Page(
        system=org.name,
        look=found,
        login_problem=org.login_problem,
        removing=remove,
        given=" ".join(part for part in given if part),
    )
    if not as_json:
        show.tell_plan(page)
    applied, left = _apply(org, wish, found, yes=yes, quiet=as_json) if apply and _may_apply(found) else (None, None)
    if as_json:
        show.tell_json(page, applied=applied, left=left)
    elif applied is not None:
        show.tell_applied(page, applied=applied, left=left)
    else:
        show.tell_next(page, applying=apply)
    if _needs_a_person(found, applied, left, fail_on_changes=fail_on_changes):
        raise typer.Exit(EXIT_FOUND)


command.__doc__ = HELP


def _apply(
    org: bootstrap.OpenedOrg, wish: Wish, found: Look, *, yes: bool, quiet: bool
) -> tuple[Applied | None, Look | None]:
    """What became of the plan, and the org read once more; None twice when nothing was to do or the person declined."""
    if found.plan.is_empty or not (yes or show.asked_to_apply(org.name, found)):
        return None, None
    try:
        with show.watching(quiet=quiet) as told:
            applied = carry_out(org.line, found.plan, told=told, bereft=show.tell_bereft)
    except LeftRunning as left:
        words = show.left_running(left, system=org.name)
        if left.fault is None:
            raise UserError([Problem("", "interrupted", words)]) from left
        console().print(words, markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_CRM) from left
    except CrmError as error:
        if error.fault.advice is not Advice.VERIFY:
            raise
        console().print(show.lost_words(error, system=org.name), markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_CRM) from error
    return applied, look(org.line, wish, own=org.own) if applied.ok else None


def _look(org: bootstrap.OpenedOrg, wish: Wish, *, token_env: str) -> Look:
    """The org and the plan. A login that may not read set-up is the person's to mend, so it says how."""
    try:
        return look(org.line, wish, own=org.own)
    except CrmError as error:
        if error.fault.code is not FaultCode.NOT_PERMITTED:
            raise
        whose = f"the token in {token_env}" if token_env else "the connector's own login"
        words = (
            f"{whose} may not read the org's set-up ({error.fault.vendor_code}: {error.fault.message}); "
            "name the variable that holds an admin's access token: --token-env NAME"
        )
        raise UserError([Problem(org.name, "rights", words)]) from error


def _may_apply(found: Look) -> bool:
    return not found.plan.blocked and not found.desired.problems


def _needs_a_person(found: Look, applied: Applied | None, left: Look | None, *, fail_on_changes: bool) -> bool:
    if not _may_apply(found):
        return True
    if applied is not None:
        return not applied.ok or (left is not None and not left.plan.is_empty)
    return fail_on_changes and not found.plan.is_empty


def _export(found: Look, folder: Path, *, as_json: bool) -> None:
    if found.desired.problems:
        raise UserError(found.desired.problems)
    try:
        written = write_source(found.exported, folder, found.api_version, gone=found.plan.to_remove)
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


def _refuse_odd_arguments(*, apply: bool, export: Path | None, remove: bool, with_fields: bool, data: bool) -> None:
    odd = (
        (apply and export is not None, "--export", "writes files and --apply an org; ask for one of them"),
        (remove and export is not None, "--export", "shows what is installed; leave --remove out"),
        (with_fields and not remove, "--with-fields", "goes with --remove"),
        (data and not with_fields, "--even-with-data", "goes with --remove --with-fields"),
    )
    problems = [Problem("", option, words) for is_odd, option, words in odd if is_odd]
    if problems:
        raise UserError(problems)
