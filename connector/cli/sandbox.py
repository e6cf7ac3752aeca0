"""``handoff sandbox``: two CRMs on this machine, to try the product and to test against.

Not the sandbox itself (``connector.sandbox``) and not the daemon: this command starts the one without the other.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from connector.cli.options import AsJson
from connector.errors import Problem, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.server import Addresses
    from connector.sandbox.state import World

SystemChoice = Literal["sf", "hs"]
USUAL_SF, USUAL_PUBSUB = 8701, 8703
NO_PUBSUB = "off: it needs the extra handoff-connector[pubsub]"
PORT_HELP = "0 takes a free port."


def command(
    *,
    folder: Annotated[
        Path, typer.Option("--folder", "-f", help="Where the two CRMs keep their records between runs.")
    ] = Path("sandbox"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder holds and start over.")] = False,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Fill empty CRMs with a believable book of business; the same each time."),
    ] = None,
    deals: Annotated[int, typer.Option("--deals", min=0, help="How many deals the seed makes in each CRM.")] = 200,
    load: Annotated[
        Path | None,
        typer.Option(
            "--load", help="Load CSV files (sales_pipeline, accounts, products, sales_teams) from this folder."
        ),
    ] = None,
    into: Annotated[
        SystemChoice | None, typer.Option("--into", help="Load into this CRM only: sf or hs. Both by default.")
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="Both CRMs as on day one: no handoff field, nothing granted.")
    ] = False,
    port_control: Annotated[int, typer.Option("--port-control", help=f"Port of the control API. {PORT_HELP}")] = 8700,
    port_sf: Annotated[int, typer.Option("--port-sf", help=f"Port of the Salesforce org. {PORT_HELP}")] = USUAL_SF,
    port_hs: Annotated[int, typer.Option("--port-hs", help=f"Port of the HubSpot portal. {PORT_HELP}")] = 8702,
    port_pubsub: Annotated[
        int | None,
        typer.Option(
            "--port-pubsub", help="Port of the org's Pub/Sub API: 8703 while --port-sf is 8701, else a free one."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a Salesforce org and a HubSpot portal on this machine, and keep them until Ctrl-C.

    Both answer the vendors' HTTP APIs well enough for the vendors' own client libraries, and both have a screen to
    click in: open the addresses that are printed. No account anywhere, nothing leaves this machine.

    **Begin** with `handoff sandbox --seed 7`: the same people, accounts and deals each time. Run it again and it
    goes on where it was; `--fresh` starts over.

    **Your own data**: `handoff sandbox --fresh --load DIR` reads the CSV files of a sales data set into both CRMs
    and reports, row by row, what it had to repair. Loading twice adds nothing.

    **Credentials** (they open nothing else): Salesforce client id `handoff-daemon`, secret `sandbox-secret`;
    HubSpot token `pat-sandbox-handoff`. The Salesforce org's admin: client id `handoff-admin`, secret
    `sandbox-admin-secret`.

    **A new customer**: with `--bare` the Salesforce org and the HubSpot portal have none of the handoff fields, as
    before the first `handoff provision`. A folder that holds them keeps the ones it has, unless `--fresh` is given
    too.

    **Trouble on purpose**, through the control port: make the next two task writes lose their reply with

    `curl -d '{"system":"sf","match":"PATCH .*Task","kind":"reset_after","count":2}' localhost:8700/faults`

    and count what was asked of the CRMs with `curl localhost:8700/journal/counts`.
    """
    from connector.sandbox.server import Ports, serve

    _check(load, into)
    usual = USUAL_PUBSUB if port_sf == USUAL_SF else 0
    ports = Ports(control=port_control, sf=port_sf, hs=port_hs, pubsub=usual if port_pubsub is None else port_pubsub)
    reports: dict[str, Any] = {}
    try:
        serve(
            folder=folder,
            ports=ports,
            seed=seed,
            deals=deals,
            fresh=fresh,
            bare_salesforce=bare,
            bare_hubspot=bare,
            prepare=_loader(load, into, folder, reports) if load else None,
            on_ready=lambda addresses: _announce(addresses, folder, reports, as_json=as_json),
        )
    except OSError as error:
        raise UserError(
            [Problem("", "port", f"{error.strerror or error}; choose others with --port-sf and so on")]
        ) from error
    if not as_json:
        sys.stdout.write(f"Stopped. The records are in {folder}.\n")


def _check(load: Path | None, into: str | None) -> None:
    problems = []
    if load is not None and not load.is_dir():
        problems.append(Problem("", "--load", f"no folder {load}; name the one that holds sales_pipeline.csv"))
    if into is not None and load is None:
        problems.append(Problem("", "--into", "says where to load; give --load DIR too"))
    if problems:
        raise UserError(problems)


def _loader(load: Path, into: str | None, folder: Path, reports: dict[str, Any]) -> Callable[[dict[str, World]], None]:
    def prepare(worlds: dict[str, World]) -> None:
        from connector.sandbox.control import load as load_folder
        from connector.sandbox.dataset import DatasetError

        for name, world in worlds.items():
            if into not in (None, name):
                continue
            try:
                reports[name] = dataclasses.asdict(load_folder(world, load))
            except DatasetError as error:
                raise UserError([Problem(str(load), "--load", str(error))]) from error
            _report_file(folder, name).write_text(json.dumps(reports[name], default=str, indent=1), encoding="utf-8")

    return prepare


def _report_file(folder: Path, system: str) -> Path:
    return folder / f"load-{system}.json"


def _announce(addresses: Addresses, folder: Path, reports: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        found = {**dataclasses.asdict(addresses), "folder": str(folder), "loaded": reports}
        sys.stdout.write(json.dumps(found, default=str) + "\n")
    else:
        for name, report in reports.items():
            sys.stdout.write(_loaded(name, report, _report_file(folder, name)))
        sys.stdout.write(
            f"Salesforce org   {addresses.sf}/ui/\n"
            f"HubSpot portal   {addresses.hs}/ui/\n"
            f"Control API      {addresses.control}/\n"
            f"Pub/Sub API      {addresses.pubsub or NO_PUBSUB}\n"
            f"Records in {folder}. Ctrl-C stops.\n"
        )
    sys.stdout.flush()


def _loaded(system: str, report: dict[str, Any], path: Path) -> str:
    head = (
        f"Loaded into {system}: {report['loaded']:,} of {report['rows']:,} opportunities "
        f"({report['already']:,} there already), {report['accounts']:,} accounts, {report['users']:,} users."
    )
    lines = [head]
    for what, counts in report["counts"].items():
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in counts.items())
        lines.append(f"  {what}: {kinds or 'none'}")
    return "\n".join([*lines, f"  row by row: {path}", ""])
