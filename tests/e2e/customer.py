"""One enterprise customer in one CRM, from the weeks before the signature on: the people, their words, the clock.

The daemon's engine runs here in this process on the shipped mappings, with lines switched on as an admin would.
Not here: any expectation, and any reading of screens.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.test_assignment_crms import add_property
from engine.test_playbook_on_crms import MAPPINGS, REP, Desk

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.server import Sandbox
from connector.store.productevents import ProductEvent

BEGIN = datetime(2027, 2, 1, 15, 0, tzinfo=UTC)
"""A Monday morning in New York, where the shipped team works."""
NAME, DOMAIN = "Fjordkraft Drift", "fjordkraft.example"
WORDS = {
    "why_bought": "Fault requests arrive by phone and get lost; two audits in a row asked for a traceable log.",
    "use_case": "Fault requests of three plants, triaged by the shift leads, about 120 people on shared tablets.",
    "success_criteria": "Median time to first response under 4 hours by 31 March, read in the weekly plant meeting.",
    "commitments": "Single sign-on with Okta | 2027-02-19 | Petra Lund with us\n"
    "Import of 4,000 old requests | 2027-03-19 | Petra Lund with us",
    "champion_stake": "She promised the board 20% less downtime this year; this project is how.",
    "competition": "Their ERP's own module, quoted at 31,000, lost on mobile use; it stays for spare parts.",
    "risks": "Plant 2 built its own tracker in 2025 and its lead, Petra Lund, is not convinced.",
}
VAGUE, EMPTY = "Better efficiency and happy users", "tbd"
PROMISED = WORDS["commitments"].replace("old requests", "old requests, without photos", 1)
"""What was promised, once the AE has answered what the CSM asks."""
PEOPLE = (
    ("Ingrid", "Solberg", "Head of Plant Operations", "champion"),
    ("Henrik", "Dahl", "Chief Operating Officer", "economic buyer"),
    ("Petra", "Lund", "Lead of plant 2", "technical admin"),
)
EVENTS = {
    "salesforce": ("Event", "OwnerId", "StartDateTime", "EndDateTime", "Subject"),
    "hubspot": ("meetings", "hubspot_owner_id", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_title"),
}
"""How each CRM calls a calendar entry, whose it is, and from when to when."""
ADDED_LATER = ("handoff_tier", "second_csm")
"""Fields that the shipped mapping has with a # before them."""


def mappings(folder: Path) -> Path:
    """The shipped mappings as an admin of this customer's seller has them."""
    shutil.copytree(MAPPINGS, folder)
    named = 'playbooks = ["playbooks/thirty-days.toml", "playbooks/ninety-days.toml"]'
    _edit(folder / "process.toml", '# playbooks = ["playbooks/thirty-days.toml"]', named)
    _edit(folder / "process.toml", 'name = "enterprise"\nmembers', 'name = "enterprise"\nsecond_from = "mid"\nmembers')
    for crm in (folder / "salesforce.toml", folder / "hubspot.toml"):
        text = crm.read_text()
        for name in ADDED_LATER:
            text = re.sub(rf"^# ({name} = )", r"\1", text, flags=re.MULTILINE)
        crm.write_text(_section(_section(text, "contacts"), "teams"))
    return folder


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new, 1))


def _section(text: str, name: str) -> str:
    """Without the # before the lines of one section, where the file has it."""
    block = re.search(rf"^# \[{name}\]\n(# .*\n)+", text, flags=re.MULTILINE)
    return text if block is None else text.replace(block[0], re.sub(r"^# ", "", block[0], flags=re.MULTILINE), 1)


def fields(sandbox: Sandbox, vendor: str) -> None:
    """What the admin makes in the CRM for the lines that were switched on."""
    if vendor == "salesforce":
        for kind in ("Opportunity", "Account"):
            second = Field("Handoff_Second_CSM__c", "reference", 18, "Second CSM", to=("User",))
            catalog(sandbox.sf).put_field(kind, second, visible=True)
        catalog(sandbox.sf).put_field("Opportunity", Field("Handoff_Tier__c", "string", 80, "Tier"), visible=True)
        return
    owner = {"type": "enumeration", "fieldType": "select", "referencedObjectType": "OWNER", "externalOptions": True}
    for path in ("companies", "deals"):
        add_property(sandbox, path, {"name": "handoff_second_csm", "label": "Second CSM", **owner})
    add_property(sandbox, "deals", {"name": "handoff_tier", "label": "Tier", "type": "string", "fieldType": "text"})


class Customer:
    """The customer with one deal, and what they do in the product."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.sent = desk, 0
        view = desk.view
        stage = view.stage_of("negotiation", "new").id
        about = {"name": NAME, "country": "Norway", "industry": "Utilities", "employees": 860, "website": DOMAIN}
        given: Mapping[str, Any] = {
            "name": f"{NAME}: request desk for three plants", "amount": 144_000, "close_date": date(2027, 2, 9),
            "owner": desk.rep, "product": "Request desk", "go_live_date": date(2027, 3, 8),
            **WORDS, "success_criteria": VAGUE, "champion_stake": EMPTY, "risks": "",
        }  # fmt: skip
        with desk.side.lock:
            self.account = view.add_account(about, by=desk.rep)
            self.deal = view.add_deal({**given, "account": self.account}, stage=stage, deal_type="new", by=desk.rep)
            for first, last, title, part in PEOPLE:
                who = {"first": first, "last": last, "title": title, "part": part}
                who["email"] = f"{first}.{last}@{DOMAIN}".lower()
                view.add_contact(self.account, who, deal_id=self.deal, by=desk.rep)
        desk.run()

    def does(self, event: str, *, times: int = 1, **properties: Any) -> None:
        """So many product events, a minute apart, the last one now."""
        letters = []
        for number in range(times):
            self.sent += 1
            at = self.desk.sandbox.clock.now() - timedelta(minutes=times - 1 - number)
            user, body = f"ingrid@{DOMAIN}", json.dumps(properties)
            letters.append(ProductEvent(f"e{self.sent}", event, at.isoformat(), user, None, body).letter())
        self.desk.shared.store.event_box("app").post(letters)

    def counted(self) -> None:
        """Let the daemon take in what was sent."""
        self.desk.run(passes=1)
        self.desk.sandbox.clock.advance(400)
        self.desk.run(passes=2)

    def busy(self, user: str, start: datetime, end: datetime) -> None:
        """Something stands in somebody's calendar."""
        desk = self.desk
        table, owner, begins, ends, title = EVENTS[desk.vendor]
        with desk.side.lock:
            event = {owner: user, begins: start, ends: end, title: "Customer days"}
            desk.side.table(table).insert(event, by=user)

    def log(self, kind: str, subject: str, *, by: str, minutes: int = 15) -> None:
        """Somebody of the seller talks to them, as the record shows afterwards."""
        desk = self.desk
        with desk.side.lock:
            at = desk.sandbox.clock.now()
            desk.view.add_activity(self.deal, kind, subject=subject, body="", at=at, minutes=minutes, by=by)  # type: ignore[arg-type]
        desk.run(passes=1)


def begin(sandbox: Sandbox, vendor: str, folder: Path) -> Customer:
    """The customer in an otherwise empty CRM, with the engine over it."""
    sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
    fields(sandbox, vendor)
    sandbox.clock.freeze(BEGIN)
    return Customer(Desk(sandbox, vendor, mappings(folder)))


__all__ = ["BEGIN", "EMPTY", "NAME", "PROMISED", "REP", "VAGUE", "WORDS", "Customer", "begin"]
