"""Keeps the drafts of mails: each in a note on the deal, renewed while nobody edits it and its step is open.

Not here: what a draft says (``mails``), the task that asks for it (``rules.playbook``), mails that go out by themselves
(``rules.posting``). A draft that a person
edited or deleted is left so.
"""

from __future__ import annotations

from connector.handoff import mails
from connector.handoff.case import Case, listed
from connector.handoff.mails import Drafted
from connector.handoff.plan import Action, Finding, Upsert, Verdict
from connector.handoff.rules.playbook import comes_now
from connector.handoff.rules.posting import APART, Posting, posted
from connector.handoff.rules.summarise import keep_note
from connector.handoff.sending import DRAFT
from connector.handoff.steps import Step, walk
from connector.handoff.summary import Part, sealed_note

NAME = "mails"


def find(case: Case) -> Finding | None:
    """Write or renew the drafts of the steps that are under way; None where the playbook drafts no mail."""
    if not case.released or case.assignment is None:
        return None
    drafting = [step for step in walk(case) if step.spec.mail is not None]
    if not drafting:
        return None
    open_steps = [step for step in drafting if step.done_at is None and (step.task or comes_now(case, step))]
    actions: list[Action] = []
    remarks: list[str] = []
    lacking: list[str] = []
    sent = [step for step in drafting if _goes(step) and (step in open_steps or step.done_at is not None)]
    try:
        posts = _one_by_one(case, [posted(case, step) for step in sent])
        for step, post in zip(sent, posts, strict=True):
            lacking += [step.spec.step] if post.lacks else []
            actions += post.actions
            remarks += [post.remark] if post.remark else []
        for step in (one for one in open_steps if not _goes(one)):
            made = _drafted(case, step)
            lacking += [step.spec.step] if made.lacks else []
            upsert, remark = _note(case, step, made)
            actions += [upsert] if upsert else []
            remarks += [remark] if remark else []
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"A draft could not be written: {error}.")
    said = f"{len(open_steps)} of {len(drafting)} drafts of mails are under way."
    if lacking:
        said += f" {listed(lacking)} {'lacks' if len(lacking) == 1 else 'lack'} the customer's own words."
    said += "".join(dict.fromkeys(remarks))
    return Finding(
        NAME,
        Verdict.ACT if actions else Verdict.IN_SYNC,
        said,
        actions=tuple(actions),
        recheck_at=min((at for post in posts if (at := post.recheck_at) and at > case.now), default=None),
        marks={name: at for post in posts for name, at in post.marks.items()},
    )


def _one_by_one(case: Case, posts: list[Posting]) -> list[Posting]:
    """At most one mail begins in one decision; its mark keeps the others back in the next ones."""
    first = next((post for post in posts if post.marks), None)
    waits = Posting(remark=" Another mail goes first.", recheck_at=case.now + APART)
    return [waits if post.marks and post is not first else post for post in posts]


def _goes(step: Step) -> bool:
    """Whether its mail goes out by itself."""
    return step.spec.mail is not None and step.spec.mail.send is not None


def _drafted(case: Case, step: Step) -> Drafted:
    assert step.spec.mail is not None
    return mails.draft(case, step, step.spec.mail)


def _note(case: Case, step: Step, made: Drafted) -> tuple[Upsert | None, str]:
    name = f"{DRAFT}{step.spec.step}"
    part = Part(name, mails.title(made.subject), sealed_note(case, name, made.text))
    why = (f"{step.owner.name if step.owner else 'Nobody'} finds the draft on the deal.", "The draft follows the deal.")
    return keep_note(case, part, owner_id=step.owner.id if step.owner else None, why=why)
