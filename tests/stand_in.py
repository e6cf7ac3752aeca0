"""A stand-in for the connector, for testing the people who use the CRM: it hands over won deals in one pass.

It writes rows through the people's own view, knows the shipped policy from `agreed`, and can be told to make the two
mistakes the tally must find. Nothing like the real daemon: no polling over HTTP, no ledger, no retry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from connector.sandbox import agreed, people, views
from connector.sandbox.seed import HISTORY_UNTIL
from connector.sandbox.state import World
from connector.sandbox.views import CrmView, DealView

ROBOT = "app:stand-in"


@dataclass
class StandIn:
    """One pass at a time over one world. `revert` puts a held deal back to its negotiation stage."""

    world: World
    revert: bool = True
    crm: CrmView = field(init=False)

    def __post_init__(self) -> None:
        self.crm = views.view(self.world)

    def look(self) -> None:
        """One pass, leaving the trace of a poll in the journal."""
        with self.world.lock:
            since = views.as_moment(self.world.settings.get(HISTORY_UNTIL))
            for deal in list(self.crm.deals()):
                wins = self.crm.wins(deal.id)
                if deal.stage.won and (since is None or wins[-1] > since):
                    self._decide(deal)
                elif deal.text("gate") == agreed.HELD and not _gaps(deal) and deal.text("missing"):
                    self.crm.set_deal(deal.id, {"missing": None}, by=ROBOT)
        for _ in range(3):
            self.world.journal.add(
                at=self.world.clock.now(), system=self.world.name, method="GET", path="/", kind="query", rows=0,
                status=200, ms=0.0, caller=ROBOT, write=False,
            )  # fmt: skip

    def _decide(self, deal: DealView) -> None:
        gaps = _gaps(deal)
        override = self._override(deal)
        if gaps and not override and deal.text("gate") not in agreed.PASSED_GATES:
            self._hold(deal, gaps)
        else:
            self._hand_over(deal, agreed.OVERRIDDEN if gaps and override else agreed.RELEASED)

    def _hold(self, deal: DealView, gaps: tuple[str, ...]) -> None:
        self.crm.set_deal(deal.id, {"gate": agreed.HELD, "missing": ", ".join(gaps), "percent": 40}, by=ROBOT)
        if self.revert:
            self.crm.move_deal(deal.id, self.crm.stage_of("negotiation", deal.deal_type).id, by=ROBOT)

    def _hand_over(self, deal: DealView, gate: str) -> None:
        csm = deal.text("csm") or self.crm.user_named(people.with_role(people.CSM)[0].email).id
        text = f"{deal.name}\n{deal.text('success_criteria')}"
        touched = [it for it in self.crm.activities_of(deal.id) if it.owner == csm]
        wanted = {
            "gate": deal.text("gate") if deal.text("gate") in agreed.PASSED_GATES else gate,
            "status": "2 Welcome",
            "percent": 100,
            "missing": ", ".join(_gaps(deal)) or None,
            "csm": csm,
            "summary": text,
            "started_at": deal.fields.get("started_at") or self.world.clock.now(),
            "first_touch_at": touched[0].at if touched else None,
        }
        if any(deal.fields.get(name) != value for name, value in wanted.items()):
            self.crm.set_deal(deal.id, wanted, by=ROBOT)
        present = [task.subject for task in self.crm.tasks_of(deal.id)]
        for subject in agreed.subjects(deal.deal_type):
            if not any(each.startswith(subject) for each in present):
                add_task(self.crm, deal.id, f"{subject}: {deal.name}", owner=csm)
        self._note(deal, text)
        key = f"{self.world.name}:{deal.id}:1:notify-csm_assigned:{csm}"
        if not any(message.key == key for message in self.world.messages):
            self.world.add_message({"text": f"New customer for you: {deal.name}", "to": csm}, key)

    def _note(self, deal: DealView, text: str) -> None:
        ours = [note for note in self.crm.notes_of(deal.id) if agreed.is_summary(note.title)]
        if not ours:
            add_summary(self.crm, deal.id, text)
        elif text not in ours[0].body:
            rewrite_summary(self.crm, ours[0].id, text)

    def _override(self, deal: DealView) -> bool:
        approver = {u.id: u.email for u in self.crm.users()}.get(deal.text("override_approver"))
        expires = deal.fields.get("override_expires")
        return bool(
            deal.fields.get("override_requested")
            and approver in people.APPROVERS
            and deal.text("override_reason")
            and expires
            and expires >= self.world.clock.now().date()
        )


def add_task(crm: CrmView, deal_id: str, subject: str, *, owner: str) -> str:
    """A task as a program makes it."""
    due = crm.world.clock.now() + timedelta(days=1)
    return crm.add_task(deal_id, subject=subject, due=due, owner=owner, by=ROBOT)


def add_summary(crm: CrmView, deal_id: str, text: str) -> str:
    """A summary note on a deal, in either CRM."""
    if crm.world.name == "sf":
        values = {"ParentId": deal_id, "Title": agreed.SUMMARY_TITLE, "Body": text}
        return crm.world.table("Note").insert(values, by=ROBOT).id
    from connector.sandbox.hubspot import links
    from connector.sandbox.hubspot.kinds import kind_of

    values = {"hs_note_body": f"HANDOFF SUMMARY<br>{text}", "hs_timestamp": crm.world.clock.now()}
    note = crm.world.table("notes").insert(values, by=ROBOT)
    links.link(crm.world, kind_of("notes"), note.id, kind_of("deals"), deal_id, by=ROBOT)
    return note.id


def rewrite_summary(crm: CrmView, note_id: str, text: str) -> None:
    """The same note with another text."""
    if crm.world.name == "sf":
        crm.world.table("Note").update(note_id, {"Body": text}, by=ROBOT)
    else:
        crm.world.table("notes").update(note_id, {"hs_note_body": f"HANDOFF SUMMARY<br>{text}"}, by=ROBOT)


def _gaps(deal: DealView) -> tuple[str, ...]:
    return agreed.gaps(deal.fields, amount=deal.amount, deal_type=deal.deal_type)
