"""An org and a portal as a company has them that never heard of a handoff: fields of its own names, rules, a few wins.

Not here: any expectation. Everything of ours is missing; there is no folder of mappings either.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from daemons import ELENA_AE, Desk, Site
from provisioned import ADMIN, admin_token

from connector.sandbox.hubspot.workflows import WORKFLOWS
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.metadata import planting
from connector.sandbox.server import Sandbox

OWN = (
    ("Success_Metrics__c", "success_metrics", "Success metrics", "textarea"),
    ("Primary_Competitor__c", "primary_competitor", "Primary competitor", "string"),
    ("Launch_Date__c", "launch_date", "Target launch date", "date"),
    ("Pain_Points__c", "pain_points", "Pain points", "textarea"),
    ("Shirt_Size__c", "shirt_size", "Shirt size", "string"),
)
"""The company's own fields on deals: their names here and there, the label, the org's type."""

METRICS = ("Success_Metrics__c", "success_metrics")
PAINS = ("Pain_Points__c", "pain_points")
WINS = 12


@contextlib.contextmanager
def lived_in(folder: Path) -> Iterator[Site]:
    """Both CRMs bare of ours, with fields, rules and `WINS` wins of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox.running(bare_salesforce=True, bare_hubspot=True) as sandbox:
        made = Site(folder, sandbox, {"mode": "observe"})
        made.secrets[ADMIN] = admin_token(sandbox.sf_url)
        shutil.rmtree(folder / "mappings")
        _furnish_org(made)
        _furnish_portal(made)
        for number, desk in enumerate(made.desks):
            for turn in range(WINS):
                _win(desk, turn, which=number)
        try:
            yield made
        finally:
            made.stop_all()


def _furnish_org(site: Site) -> None:
    world = site.sandbox.sf
    for name, _, label, kind in OWN:
        catalog(world).put_field(
            "Opportunity", Field(name, kind, 32_000 if kind == "textarea" else 255, label), visible=True
        )
    rule = 'AND(ISPICKVAL(StageName, "Closed Won"), ISBLANK(NextStep))'
    planting.plant_rule(world, "Needs_Next_Step", formula=rule, message="Say what comes next.", active=True)
    planting.plant_flow(world, "Renewal_Desk", label="Renewal desk")


def _furnish_portal(site: Site) -> None:
    world = site.sandbox.hs
    types = {"textarea": ("string", "textarea"), "string": ("string", "text"), "date": ("date", "date")}
    for _, name, label, kind in OWN:
        type, look = types[kind]
        body = {"name": name, "label": label, "type": type, "fieldType": look, "groupName": "dealinformation"}
        reply = requests.post(
            f"{site.sandbox.hs_url}/crm/properties/2026-09/deals",
            json=body,
            headers={"Authorization": f"Bearer {site.secrets['HS_ACCESS_TOKEN']}"},
            timeout=30,
        )
        assert reply.status_code == 201, reply.text
    flow = {"name": "Thank the rep", "when": {"property": "no_such_property"}, "set": {}}
    world.setting(WORKFLOWS, [flow, {**flow, "name": "Old one", "enabled": False}])


def _win(desk: Desk, turn: int, *, which: int) -> None:
    """A win with metrics on most, one of them empty words; a call on every third."""
    view, table = desk.crm, desk.world.table(("Opportunity", "deals")[which])
    rep = desk.user(ELENA_AE)
    values: dict[str, Any] = {OWN[4][which]: "M"}
    if turn % 4:
        answer = f"{20 + turn} orders a day by 2027-03-{turn + 10}, says Ana Ruiz"
        values[METRICS[which]] = "N/A" if turn == 1 else answer
    if turn % 2:
        values[PAINS[which]] = f"Invoice run {turn} takes nine days and the auditor Kim asks for three by June."
    with desk.world.lock:
        account = view.add_account({"name": f"Customer {turn}", "country": "France"}, by=rep)
        closes = (desk.world.clock.now() - timedelta(days=1)).date() - timedelta(days=turn)
        given = {"name": f"Deal {turn}", "amount": 5_000, "close_date": closes, "owner": rep, "account": account}
        deal_id = view.add_deal(given, stage=view.stage_of("negotiation", "new").id, deal_type="new", by=rep)
        table.update(deal_id, values | ({"NextStep": "Kickoff"} if which == 0 else {}), by=rep)
        view.move_deal(deal_id, view.stage_of("won", "new").id, by=rep)
        view.set_deal(deal_id, {"close_date": closes}, by=rep)
        if turn % 3 == 0:
            now = desk.world.clock.now()
            view.add_activity(deal_id, "call", subject="Hello", body="", at=now, minutes=5, by=rep)
        desk.world.flush()
