"""Keeps the summary: in one field of the deal and in notes on it, rewritten in place when the facts change.

Not here: what it says, and where it is cut for notes (``summary``). A summary that a person edited or a note that a
person deleted stays so; what a person pinned on the deal stays pinned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connector.handoff import summary
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import CrmNote, Kind, Value
from connector.handoff.ownership import Change, change_deal
from connector.handoff.plan import Action, Finding, Order, Upsert, Verdict
from connector.handoff.summary import Part

NAME = "summary"
PINNED = "pinned"
WHY = ("The CSM finds the summary as a note on the deal.", "The note follows the deal's fields.")


def find(case: Case) -> Finding | None:
    """Write or renew field and notes of a running handoff that has a CSM."""
    if not case.released or case.assignment is None:
        return None
    try:
        text = summary.document(case)
        parts = summary.parts(case, text)
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"The summary could not be written: {error}.")
    field, notes, pin = _field(case, text), _notes(case, parts), _pin(case)
    actions: tuple[Action, ...] = (*field.actions, *notes.actions, *pin.actions)
    state = "The summary is written." if actions else "The summary is up to date."
    remark = field.remark + notes.remark + pin.remark
    return Finding(NAME, Verdict.ACT if actions else Verdict.IN_SYNC, state + remark, actions=actions)


def _field(case: Case, text: str) -> Change:
    deal = case.snapshot.deal
    present = deal.text("summary")
    if summary.same_document(present, text):
        return Change(None)
    known = "summary" in case.ledger.written.get(deal.ref, {})
    if present and not known and not summary.untouched(present):
        return Change(None, (case.label("summary"),))
    return change_deal(case, {"summary": text}, reason="The summary says what the deal's fields say now.")


@dataclass(frozen=True, slots=True)
class _Notes:
    """The notes to write, and remarks on those left alone."""

    actions: tuple[Upsert, ...]
    remark: str


def _notes(case: Case, parts: Sequence[Part]) -> _Notes:
    owner = case.assignment.person_id if case.assignment else None
    kept = [keep_note(case, part, owner_id=owner, why=WHY) for part in (*parts, *_left_over(case, parts))]
    remarks = dict.fromkeys(remark for _, remark in kept if remark)
    return _Notes(tuple(upsert for upsert, _ in kept if upsert), "".join(remarks))


def _left_over(case: Case, parts: Sequence[Part]) -> Iterator[Part]:
    """Further notes that are there though the document has become too short for them."""
    prefix = case.key(f"{summary.STEP}-")
    needed = {case.key(part.step) for part in parts}
    for note in case.snapshot.notes:
        if note.key.startswith(prefix) and note.key not in needed:
            yield summary.nothing_more(case, f"{summary.STEP}-{note.key.removeprefix(prefix)}")


def keep_note(case: Case, part: Part, *, owner_id: str | None, why: tuple[str, str]) -> tuple[Upsert | None, str]:
    """The note to write, if any, and a remark on why one is left alone; ``why`` it is made, and rewritten."""
    effect = case.ledger.effects.get(part.step)
    present = _there(case, part.step)
    if present is None:
        if effect is not None:
            return None, " The note was deleted and is not made again."
        values: dict[str, Value] = {"title": part.title, "body": part.text, "owner": owner_id}
        return _upsert(case, part, values, reason=why[0]), ""
    if summary.same_document(present.body, part.text) or (effect and effect.fingerprint == note_print(part.text)):
        return None, ""
    if not _ours(present, effect.fingerprint if effect else ""):
        return None, " The note was edited by a person and is left as it is."
    values = {"title": part.title, "body": part.text}
    return _upsert(case, part, values, reason=why[1], record_id=present.id), ""


def _there(case: Case, step: str) -> CrmNote | None:
    key = case.key(step)
    return next((note for note in case.snapshot.notes if note.key == key), None)


def _pin(case: Case) -> Change:
    """Pin the note, unless something is pinned that is not ours, or a person took our pin off.

    Only a note that is there can be pinned, so it is done at the next look, which our own writes bring about.
    """
    note = _there(case, summary.STEP)
    if note is None or PINNED not in case.policy.fields:
        return Change(None)
    pinned = case.snapshot.deal.text(PINNED)
    ours = {each.id for each in case.snapshot.notes}
    if pinned and pinned not in ours:
        return Change(None)
    return change_deal(case, {PINNED: note.id}, reason="The summary stands at the top of the deal's history.")


def is_edited(case: Case, step: str) -> bool:
    """Whether the note of a step is there and says something that was not written by us."""
    note, effect = _there(case, step), case.ledger.effects.get(step)
    return note is not None and effect is not None and not _ours(note, effect.fingerprint)


def _ours(note: CrmNote, last: str) -> bool:
    return summary.untouched(note.body) or note_print(note.body) == last


def note_print(text: str) -> str:
    """The fingerprint of a note that says this."""
    return fingerprint(" ".join(text.split()))


def _upsert(case: Case, part: Part, values: dict[str, Value], *, reason: str, record_id: str | None = None) -> Upsert:
    return Upsert(
        step=part.step,
        order=Order.CREATE,
        kind=Kind.NOTE,
        key=case.key(part.step),
        values=values,
        parents=case.parents,
        fingerprint=note_print(part.text),
        reason=reason,
        record_id=record_id,
    )
