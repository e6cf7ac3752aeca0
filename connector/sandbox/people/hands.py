"""What people of a quarter do on a screen that the common view has no word for, in either CRM.

Not an API: rows are written as a person at a screen writes them. Where Salesforce has no field, such as for a meeting's
outcome, an org has one of its own; here it is the event's location.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from connector.sandbox import views

if TYPE_CHECKING:
    from connector.sandbox.state import World
    from connector.sandbox.views import ActivityKind, TaskView

MINUTES = {"call": 15, "email": 1, "meeting": 30}


class Hands:
    """One CRM in people's hands. `by` is a user's id everywhere."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.view = views.view(world)
        self._sf = "Opportunity" in world.tables
        self._tasks = world.table("Task" if self._sf else "tasks")
        self._seen: set[str] = set()

    def new_tasks(self) -> list[TaskView]:
        """The connector's tasks that came since this was asked last."""
        fresh = [row_id for row_id in self._tasks.rows if row_id not in self._seen]
        self._seen.update(fresh)
        key = "Handoff_Key__c" if self._sf else "handoff_key"
        keyed = [row_id for row_id in fresh if self._tasks.rows[row_id].values.get(key)]
        return [task for row_id in keyed if (task := self.view.task(row_id)) is not None]

    def all_tasks(self) -> list[TaskView]:
        """Every task of the connector's, those that stand for a mail or a call among them."""
        key = "Handoff_Key__c" if self._sf else "handoff_key"
        keyed = [row.id for row in self._tasks.live() if row.values.get(key)]
        return [task for row_id in keyed if (task := self.view.task(row_id)) is not None]

    def log(self, deal: str, kind: ActivityKind, *, by: str, subject: str) -> None:
        """A call, mail or meeting that just took place."""
        at = self.world.clock.now() - timedelta(minutes=MINUTES[kind] if kind == "meeting" else 0)
        made = self.view.add_activity(deal, kind, subject=subject, body="", at=at, minutes=MINUTES[kind], by=by)
        if kind == "meeting":
            self._outcome(made, "Held" if self._sf else "COMPLETED", by=by)

    def plan(self, deal: str, *, at: datetime, by: str, subject: str) -> None:
        """A meeting that is to be, with nothing said of it yet."""
        self.view.add_activity(deal, "meeting", subject=subject, body="", at=at, minutes=MINUTES["meeting"], by=by)

    def miss(self, deal: str, *, by: str, subject: str) -> None:
        """A meeting to which the customer did not come."""
        at = self.world.clock.now() - timedelta(minutes=MINUTES["meeting"])
        made = self.view.add_activity(deal, "meeting", subject=subject, body="", at=at, minutes=30, by=by)
        self._outcome(made, "No show" if self._sf else "NO_SHOW", by=by)

    def reply(self, deal: str, *, by: str) -> None:
        """The customer writes back: a mail that came in, or what a flow of the org's notes of it on the deal."""
        at = self.world.clock.now()
        if self._sf:
            self.view.set_deal(deal, {"replied_at": at}, by=by)
            return
        made = self.view.add_activity(deal, "email", subject="Re: your mail", body="", at=at, minutes=1, by=by)
        self.world.table("emails").update(made, {"hs_email_direction": "INCOMING_EMAIL"}, by=by)

    def days_off(self, person: str, first: datetime, last: datetime) -> None:
        """Whole days in a person's calendar on which they are out of office."""
        if self._sf:
            values = {
                "Subject": "Holiday", "OwnerId": person, "StartDateTime": first, "EndDateTime": last,
                "IsAllDayEvent": True, "ShowAs": "OutOfOffice",
            }  # fmt: skip
            self.world.table("Event").insert(values, by=person)
            return
        values = {
            "hs_meeting_title": "Holiday", "hubspot_owner_id": person, "hs_timestamp": first,
            "hs_meeting_start_time": first, "hs_meeting_end_time": last,
        }  # fmt: skip
        self.world.table("meetings").insert(values, by=person)

    def _outcome(self, meeting: str, word: str, *, by: str) -> None:
        table, field = ("Event", "Location") if self._sf else ("meetings", "hs_meeting_outcome")
        self.world.table(table).update(meeting, {field: word}, by=by)
