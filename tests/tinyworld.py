"""One deal in a CRM made of a snapshot: plans are carried out in it at once, and people change it by hand.

Not here: lost replies, lanes and retries (the engine's tests). It keeps the ledger the way the store does: facts from
`Remember`, effects of the present generation, the values last written per record.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from factories import NOW, OPEN_STAGE, STAGES, WON_STAGE, a_ledger, a_policy, a_snapshot

from connector.handoff.decide import decide
from connector.handoff.model import CrmMeeting, CrmNote, CrmTask, Effect, Kind, Ref, Snapshot, Value
from connector.handoff.moves import NOBODY_KNOWN, Mover, MoverKind, Passing
from connector.handoff.plan import Notify, Patch, Plan, Remember, SendMail, Upsert
from connector.handoff.rulebook.policy import Policy

A_PERSON = Mover(MoverKind.PERSON, "882761034")
OURSELVES = Mover(MoverKind.SELF)


class World:
    """A deal, its ledger and the time. ``made`` and ``told`` list the keys of all tasks, notes, messages.

    With ``tells_history`` its CRM says which wins were left again and who moved the deal.
    """

    def __init__(
        self,
        snapshot: Snapshot | None = None,
        *,
        policy: Policy | None = None,
        now: datetime = NOW,
        tells_history: bool = False,
    ) -> None:
        self.snapshot = snapshot or a_snapshot()
        self.tells_history = tells_history
        self._won_by = NOBODY_KNOWN
        self.policy = policy or a_policy()
        self.now = now
        self.made: list[str] = []
        self.told: list[str] = []
        self.mails: list[SendMail] = []
        self.mail_server = "answers"
        """``answers``, or the words with which it refuses; empty where what becomes of a mail is never learned."""

    def decide(self) -> Plan:
        """What would be done now."""
        return decide(self.snapshot, self.policy, self.now)

    def run(self) -> Plan:
        """Decide, record, and carry everything out."""
        return self.carry_out(self.decide())

    def carry_out(self, plan: Plan) -> Plan:
        """Record a plan and do what it says."""
        self._record(plan)
        for action in plan.actions:
            match action:
                case Patch():
                    self._patch(action)
                case Upsert():
                    self._upsert(action)
                case Notify():
                    self.told.append(action.key)
                    self._effect(Effect(action.step, action.key, action.fingerprint))
                case SendMail():
                    self._mail(action)
        return plan

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def edit(self, values: Mapping[str, Value], *, ref: Ref | None = None) -> None:
        """A person changes fields of the deal, or of the account when ``ref`` names it."""
        self._set(ref or self.snapshot.deal.ref, values)

    def move(self, stage_id: str, *, by: Mover = A_PERSON) -> None:
        """A person drags the deal to another stage, or something else moves it there."""
        stage = STAGES[stage_id]
        before = self.snapshot.stage
        changes: dict[str, Any] = {"stage": stage} | ({} if stage.id == before.id else {"stage_since": self.now})
        if self.tells_history and before.is_won and not stage.is_won and self.snapshot.won_at is not None:
            came_from = self.snapshot.stage_before_win
            ended = Passing(self.snapshot.won_at, self.now, came_from, stage_id, self._won_by, by)
            changes["passed"] = (*self.snapshot.passed, ended)
        if stage.is_won and not before.is_won:
            self._won_by = by
        if self.tells_history:
            changes["won_by"] = self._won_by if stage.is_won else NOBODY_KNOWN
        if stage.is_won and not before.is_won:
            # The last open stage, as an adapter reads it from history: nobody wants a deal put back to a lost one.
            changes |= {"won_at": self.now} | ({} if before.is_closed else {"stage_before_win": before.id})
        self._change(**changes)

    def win(self, *, by: Mover = A_PERSON) -> None:
        """A person wins the deal, or something else does."""
        self.move(WON_STAGE.id, by=by)

    def reopen(self) -> None:
        """A person takes the deal out of the won stage."""
        self.move(OPEN_STAGE.id)

    def close_task(self, step: str) -> None:
        """A person closes the newest task of a playbook step."""
        self._replace_task(self.task(step), done=True, done_at=self.now)

    def delete_task(self, step: str) -> CrmTask:
        """A person deletes it; the task that is gone."""
        gone = self.task(step)
        self._change(tasks=tuple(task for task in self.snapshot.tasks if task is not gone))
        return gone

    def forgive(self, task: CrmTask) -> None:
        """Let a deleted task be made again: with the ledger lost too, nothing knows that it was there."""
        self.made.remove(str(task.key))

    def lose_ledger(self) -> None:
        """The database is gone; a new one remembers only when acting first began."""
        self._change(ledger=a_ledger(baseline=self.snapshot.ledger.baseline))

    def task(self, step: str) -> CrmTask:
        """The newest task of a step; raises IndexError when there is none."""
        return [task for task in self.snapshot.tasks if task.key and task.key.endswith(f":{step}")][-1]

    def meeting(self, step: str) -> CrmMeeting:
        """The newest meeting of a step; raises IndexError when there is none."""
        return [one for one in self.snapshot.meetings if one.key.endswith(f":{step}")][-1]

    def edit_meeting(self, step: str, **changes: Any) -> None:
        """A person changes a meeting."""
        self._replace_meeting(self.meeting(step), **changes)

    def delete_meeting(self, step: str) -> None:
        """A person deletes a meeting."""
        gone = self.meeting(step)
        self._change(meetings=tuple(one for one in self.snapshot.meetings if one is not gone))

    def steps(self) -> list[str]:
        """The steps that have a task, in the order they were made."""
        return [task.key.rsplit(":", 1)[1] for task in self.snapshot.tasks if task.key]

    def text(self, name: str) -> str:
        """A field of the deal as text."""
        return self.snapshot.deal.text(name)

    def edit_task(self, step: str, **changes: Any) -> None:
        """A person changes a task."""
        self._replace_task(self.task(step), **changes)

    def _record(self, plan: Plan) -> None:
        ledger = self.snapshot.ledger
        facts = {name: getattr(plan.remember, name) for name in Remember.__slots__}
        kept = ledger.effects if plan.generation == ledger.generation else {}
        self._change(ledger=dataclasses.replace(ledger, effects=kept, **facts))

    def _patch(self, patch: Patch) -> None:
        record = self.snapshot.deal if patch.ref.kind is Kind.DEAL else self.snapshot.account
        assert record is not None
        present = {name: self.snapshot.stage.id if name == "stage" else record.get(name) for name in patch.values}
        assert dict(patch.expected) == present
        values = dict(patch.values)
        if "stage" in values:
            self.move(str(values.pop("stage")), by=OURSELVES)
        self._set(patch.ref, values)
        ledger = self.snapshot.ledger
        written = {**ledger.written, patch.ref: {**ledger.written.get(patch.ref, {}), **patch.values}}
        self._change(ledger=dataclasses.replace(ledger, written=written))

    def _upsert(self, upsert: Upsert) -> None:
        write = {
            Kind.TASK: self._upsert_task,
            Kind.NOTE: self._upsert_note,
            Kind.MEETING: self._upsert_meeting,
            Kind.EMAIL: self._keep_mail,
            Kind.MEMBER: lambda upsert: upsert.key,
        }[upsert.kind]
        self._effect(Effect(upsert.step, write(upsert), upsert.fingerprint))

    def _keep_mail(self, upsert: Upsert) -> str:
        assert upsert.key not in self.made
        self.made.append(upsert.key)
        return upsert.key

    def _mail(self, mail: SendMail) -> None:
        """The server takes it, or says no, or nobody learns what became of it; the mark must be there before."""
        marked = self.snapshot.ledger.effects.get(mail.note)
        assert marked is not None
        assert marked.fingerprint == mail.marked
        if self.mail_server == "answers":
            self.mails.append(mail)
            self._effect(Effect(mail.step, "<message-id>", mail.fingerprint))
        elif self.mail_server:
            self._effect(Effect(mail.step.replace("mail--", "unsent--"), self.mail_server, "rejected"))

    def _upsert_meeting(self, upsert: Upsert) -> str:
        known = next((one for one in self.snapshot.meetings if one.key == upsert.key), None)
        names = {"subject": "subject", "owner": "owner_id", "start": "start", "end": "end"}
        given: dict[str, Any] = {names[name]: value for name, value in upsert.values.items() if name in names}
        if known is not None:
            assert upsert.record_id == known.id
            self._replace_meeting(known, **given)
            return known.id
        self.made.append(upsert.key)
        new = CrmMeeting(id=f"m{len(self.made)}", key=upsert.key, **given)
        self._change(meetings=(*self.snapshot.meetings, new))
        return new.id

    def _upsert_task(self, upsert: Upsert) -> str:
        known = next((task for task in self.snapshot.tasks if task.key == upsert.key), None)
        values = dict(upsert.values)
        if known is None:
            self.made.append(upsert.key)
            new = CrmTask(
                id=f"t{len(self.made)}",
                key=upsert.key,
                subject=str(values["subject"]),
                owner_id=str(values["owner"]),
                done=False,
                due=values["due"],  # type: ignore[arg-type]
            )
            self._change(tasks=(*self.snapshot.tasks, new))
            return new.id
        assert upsert.record_id == known.id
        changes: dict[str, Any] = {"done": True, "done_at": self.now} if values.get("status") == "done" else {}
        names = {"subject": "subject", "owner": "owner_id", "due": "due"}
        changes |= {names[name]: value for name, value in values.items() if name in names}
        self._replace_task(known, **changes)
        return known.id

    def _upsert_note(self, upsert: Upsert) -> str:
        known = next((note for note in self.snapshot.notes if note.key == upsert.key), None)
        if known is None:
            self.made.append(upsert.key)
        body = str(upsert.values["body"])
        note = CrmNote(known.id if known else f"n{len(self.made)}", upsert.key, body)
        self._change(notes=(*(one for one in self.snapshot.notes if one is not known), note))
        return note.id

    def _effect(self, effect: Effect) -> None:
        ledger = self.snapshot.ledger
        self._change(ledger=dataclasses.replace(ledger, effects={**ledger.effects, effect.step: effect}))

    def _replace_task(self, task: CrmTask, **changes: Any) -> None:
        tasks = (dataclasses.replace(one, **changes) if one is task else one for one in self.snapshot.tasks)
        self._change(tasks=tuple(tasks))

    def _replace_meeting(self, meeting: CrmMeeting, **changes: Any) -> None:
        meetings = (dataclasses.replace(one, **changes) if one is meeting else one for one in self.snapshot.meetings)
        self._change(meetings=tuple(meetings))

    def _set(self, ref: Ref, values: Mapping[str, Value]) -> None:
        part = "deal" if ref.kind is Kind.DEAL else "account"
        record = getattr(self.snapshot, part)
        self._change(**{part: dataclasses.replace(record, values={**record.values, **values})})

    def _change(self, **changes: Any) -> None:
        self.snapshot = dataclasses.replace(self.snapshot, **changes)
