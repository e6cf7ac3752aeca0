"""Keeps on the account how far the customer has come: the activation milestone, the onboarding stage, the go-live date.

Not here: counting (``milestones``). It speaks for new business, and rests where none of these fields is mapped. Where
no product event is known of the account nothing is said of milestones: none counted is not the same as none reached.
"""

from __future__ import annotations

from datetime import timedelta

from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.milestones import Progress, activation, fits, progress, progress_text, since_of
from connector.handoff.model import DealType, Value
from connector.handoff.ownership import change_account
from connector.handoff.plan import Finding, Verdict
from connector.handoff.productbook import Milestone
from connector.handoff.rulebook.fields import FieldType

NAME = "onboarding"
FIELDS = ("activation", "activated_on", "milestones", "onboarding_stage", "go_live_date")
"""Fields of the account, each where it is mapped."""

YOUNG = timedelta(days=90)
"""Of a handoff that began longer ago nobody says that its onboarding begins."""

GO_LIVE = "go-live:"
"""A deal hands each of its go-live dates to the account once: of two deals neither may undo the other's for ever."""


def find(case: Case) -> Finding | None:
    """What the account should say; None where nothing of it is mapped, or no handoff runs."""
    mapped = [name for name in FIELDS if f"account.{name}" in case.policy.fields]
    account, is_new = case.snapshot.account, case.snapshot.deal_type is DealType.NEW
    if not case.released or account is None or not mapped or not is_new:
        return None
    wanted: dict[str, Value] = {}
    mark = f"{GO_LIVE}{case.value('go_live_date')}"
    told = mark in case.ledger.marks and filled(case.value("account.go_live_date"))
    if filled(go_live := case.value("go_live_date")) and not told:
        wanted["go_live_date"] = go_live
    reached = _reached(case)
    wanted |= _stage(case, reached)
    said = "The customer's steps in the product are not known."
    if is_followed(case):
        wanted |= _activation(case)
        done = sum(one.done for _, one in reached)
        if reached:
            wanted |= _milestones(case, done, of=len(reached))
        said = _sentence(case, reached)
    change = change_account(case, wanted, reason="The account says how far its onboarding has come.")
    verdict = Verdict.ACT if change.patch else Verdict.IN_SYNC
    marks = {mark: case.now} if "go_live_date" in wanted else {}
    return Finding(NAME, verdict, said + change.remark, actions=change.actions, marks=marks)


def _reached(case: Case) -> list[tuple[Milestone, Progress]]:
    policy = case.policy.product
    return [(one, progress(case, one)) for one in policy.milestones if fits(case, one)] if policy else []


def is_followed(case: Case) -> bool:
    """Whether anything of this account was ever counted, or can be read off the CRM itself."""
    policy, facts = case.policy.product, case.snapshot.product
    if policy is None or facts.ambiguous:
        return False
    return (facts.since is not None and facts.named) or any(measure.field for measure in policy.measures)


def _activation(case: Case) -> dict[str, Value]:
    milestone = activation(case)
    if milestone is None:
        return {}
    found = progress(case, milestone)
    wanted: dict[str, Value] = {"activation": progress_text(milestone, found)}
    if found.done and not filled(case.value("account.activated_on")):
        at = (found.at or case.now).replace(microsecond=0)
        rule = case.policy.fields.get("account.activated_on")
        wanted["activated_on"] = at.date() if rule and rule.type is FieldType.DATE else at
    return wanted


def _milestones(case: Case, done: int, *, of: int) -> dict[str, Value]:
    """How many are reached; never fewer than the account shows, which another deal of it may have got further with."""
    before = str(case.value("account.milestones") or "").partition(" ")[0]
    return {} if before.isdigit() and int(before) >= done else {"milestones": f"{done} of {of}"}


def _stage(case: Case, reached: list[tuple[Milestone, Progress]]) -> dict[str, Value]:
    """The stage of the furthest milestone; without any the first one, unless the account is further already."""
    policy = case.policy.product
    stages = [one.onboarding for one, _ in reached if one.onboarding]
    done = [one.onboarding for one, found in reached if one.onboarding and found.done]
    if done:
        shown = str(case.value("account.onboarding_stage") or "")
        further = shown in stages and stages.index(shown) > stages.index(done[-1])
        return {} if further else {"onboarding_stage": done[-1]}
    began = since_of(case)
    is_young = began is not None and case.now - began < YOUNG
    if policy and policy.begun and is_young and not filled(case.value("account.onboarding_stage")):
        return {"onboarding_stage": policy.begun}
    return {}


def _sentence(case: Case, reached: list[tuple[Milestone, Progress]]) -> str:
    milestone = activation(case)
    done = [one.name for one, found in reached if found.done]
    said = f"{len(done)} of {len(reached)} milestones reached"
    if milestone is not None:
        said += f"; {milestone.name}: {progress_text(milestone, progress(case, milestone))}"
    return f"{said}."
