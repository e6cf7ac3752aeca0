"""Keeps the summary: in one field of the deal and one note on it, rewritten in place when the facts change.

Not here: what it says (``summary``). A summary that a person edited or a note that a person deleted stays so.
"""

from __future__ import annotations

from connector.handoff import summary
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import CrmNote, Kind, Value
from connector.handoff.ownership import Change, change_deal
from connector.handoff.plan import Action, Finding, Order, Upsert, Verdict

NAME = "summary"


def find(case: Case) -> Finding | None:
    """Write or renew field and note of a running handoff that has a CSM."""
    if not case.released or case.assignment is None:
        return None
    try:
        text = summary.document(case)
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"The summary could not be written: {error}.")
    field, note, remark = _field(case, text), *_note(case, text)
    actions: tuple[Action, ...] = (*field.actions, *((note,) if note else ()))
    state = "The summary is written." if actions else "The summary is up to date."
    return Finding(NAME, Verdict.ACT if actions else Verdict.IN_SYNC, state + field.remark + remark, actions=actions)


def _field(case: Case, text: str) -> Change:
    deal = case.snapshot.deal
    present = deal.text("summary")
    if summary.same_document(present, text):
        return Change(None)
    known = "summary" in case.ledger.written.get(deal.ref, {})
    if present and not known and not summary.untouched(present):
        return Change(None, (case.label("summary"),))
    return change_deal(case, {"summary": text}, reason="The summary says what the deal's fields say now.")


def _note(case: Case, text: str) -> tuple[Upsert | None, str]:
    """The note to write, if any, and a remark on why one is left alone."""
    key = case.key(summary.STEP)
    effect = case.ledger.effects.get(summary.STEP)
    present = next((note for note in case.snapshot.notes if note.key == key), None)
    if present is None:
        if effect is not None:
            return None, " The note was deleted and is not made again."
        owner = case.assignment.person_id if case.assignment else None
        values: dict[str, Value] = {"title": summary.TITLE, "body": text, "owner": owner}
        return _upsert(case, values, text, reason="The CSM finds the summary as a note on the deal."), ""
    if summary.same_document(present.body, text) or (effect and effect.fingerprint == _print(text)):
        return None, ""
    if not _ours(present, effect.fingerprint if effect else ""):
        return None, " The note was edited by a person and is left as it is."
    reason = "The note follows the deal's fields."
    return _upsert(case, {"body": text}, text, reason=reason, record_id=present.id), ""


def _ours(note: CrmNote, last: str) -> bool:
    return summary.untouched(note.body) or _print(note.body) == last


def _print(text: str) -> str:
    return fingerprint(" ".join(text.split()))


def _upsert(case: Case, values: dict[str, Value], text: str, *, reason: str, record_id: str | None = None) -> Upsert:
    return Upsert(
        step=summary.STEP,
        order=Order.CREATE,
        kind=Kind.NOTE,
        key=case.key(summary.STEP),
        values=values,
        parents=case.parents,
        fingerprint=_print(text),
        reason=reason,
        record_id=record_id,
    )
