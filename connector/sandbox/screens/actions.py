"""What a person can do at a CRM screen: move a deal, fill its fields, finish a task, log a call or meeting.

Each action writes rows as that person, under the world's lock, and hands them to the state file. It is not
the API: nothing here is journaled as a call, and nothing knows the handoff policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from connector.sandbox import views
from connector.sandbox.rows import Refused

if TYPE_CHECKING:
    from connector.sandbox.state import World

# The longest text the narrowest field of either CRM takes (facts: Salesforce §4, HubSpot §5).
LINE_LIMIT = 255
TEXT_LIMIT = 32_000
CALL_MINUTES = 15
MEETING_MINUTES = 45


class Unfit(ValueError):
    """A value that the screen does not take; the message is what the person reads."""


class Refusal(Unfit):
    """What the CRM's own rules do not let through. `reasons` are (words, canonical field or "")."""

    def __init__(self, reasons: tuple[tuple[str, str], ...]) -> None:
        super().__init__(" ".join(words for words, _ in reasons))
        self.reasons = reasons


class Actions:
    """A person's hands on one world. `by` is the acting user's id.

    Unknown ids raise KeyError; whatever writes may raise Refusal, and then nothing was written.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.view = views.view(world)

    def move_stage(self, deal_id: str, stage: str, *, by: str) -> None:
        """Drag a deal to another stage. Raises Unfit for a stage that is not of the deal's pipeline."""
        self.set_fields(deal_id, {}, by=by, stage=stage)

    def set_fields(self, deal_id: str, changes: Mapping[str, Any], *, by: str, stage: str | None = None) -> None:
        """Fill or clear handoff fields, and move the deal, in one save; only what differs is written.

        Raises Unfit for a value of the wrong kind, or a stage that is not of the deal's pipeline.
        """
        with self._writing():
            deal = self.view.deal(deal_id)
            if stage is not None and stage not in {
                s.id for s in self.view.stages() if s.pipeline == deal.stage.pipeline
            }:
                raise Unfit("This pipeline has no such stage.")
            own = {field.name: field.kind for field in self.view.custom("deal")}
            fitted = {name: _fit(name, value, own.get(name)) for name, value in changes.items()}
            known = dict(deal.fields) | self.view.values("deal", deal_id)
            known |= {"amount": deal.amount, "close_date": deal.close_date}
            different = {name: value for name, value in fitted.items() if not _same(value, known.get(name))}
            if stage is not None and stage != deal.stage.id:
                self.view.move_deal(deal_id, stage, by=by, also=different)
            elif different:
                self.view.set_deal(deal_id, different, by=by)

    def complete_task(self, task_id: str, *, by: str) -> None:
        """Tick a task off."""
        with self._writing():
            self.view.complete_task(task_id, by=by)

    def log_call(self, deal_id: str, *, by: str, subject: str, body: str = "", at: datetime | None = None) -> str:
        """Log a call that took place at `at` (now) and return its id."""
        return self._log(deal_id, "call", by=by, subject=subject, body=body, at=at, minutes=CALL_MINUTES)

    def log_meeting(self, deal_id: str, *, by: str, subject: str, body: str = "", at: datetime | None = None) -> str:
        """Log a meeting that began at `at` (now) and return its id."""
        return self._log(deal_id, "meeting", by=by, subject=subject, body=body, at=at, minutes=MEETING_MINUTES)

    def _log(
        self,
        deal_id: str,
        kind: views.ActivityKind,
        *,
        by: str,
        subject: str,
        body: str,
        at: datetime | None,
        minutes: int,
    ) -> str:
        if not subject.strip():
            raise Unfit("Give the call or meeting a subject.")
        with self._writing():
            self.view.deal(deal_id)
            moment = at or self.world.clock.now()
            return self.view.add_activity(
                deal_id, kind, subject=subject.strip()[:LINE_LIMIT], body=body, at=moment, minutes=minutes, by=by
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self.world.lock:
            try:
                yield
            except Refused as error:
                raise Refusal(tuple((words, self.view.canonical(field)) for words, field in error.reasons)) from error
            self.world.flush()


def _fit(name: str, value: Any, kind: views.FieldKind | None) -> Any:
    if name in views.FLAG_FIELDS or kind == "checkbox":
        return value is True or str(value).lower() in ("true", "on", "1", "yes")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if name in views.DATE_FIELDS or kind == "date":
        return _day(value)
    if name in views.NUMBER_FIELDS or kind == "number":
        return _number(value)
    text = str(value).replace("\r\n", "\n").strip()
    if len(text) > TEXT_LIMIT:
        raise Unfit(f"That text is {len(text):,} characters long; {TEXT_LIMIT:,} fit.")
    return text


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError as error:
        raise Unfit(f"{value!r} is not a date; write it as 2027-03-31.") from error


def _number(value: Any) -> float:
    try:
        return float(str(value).replace(",", "").replace(" ", ""))
    except ValueError as error:
        raise Unfit(f"{value!r} is not a number.") from error


def _same(new: Any, old: Any) -> bool:
    return new == old or (not new and not old)
