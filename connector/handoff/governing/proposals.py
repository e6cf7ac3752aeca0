"""What to change, out of a review: each proposal with its evidence and the key to edit.

Not here: the evidence itself (``review``). A person decides; nothing here changes anything. Few cases make no proposal.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.handoff.byhand import Touch
from connector.handoff.governing.breaches import bound
from connector.handoff.governing.fold import Touched
from connector.handoff.governing.review import Line, Proposal, Repeat, Review, lacks_of
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.summing import aim, few, on_target, shown, shown_aim
from connector.handoff.rulebook.watch import Targets

OFTEN = 3
"""From so many deals on a habit is one."""

REPEATED_LACK = 2
"""From so many lost customers on what their handoffs lacked is no chance."""

MOST_MISSING = 0.3
"""The share of deals without an answer from which on a field is hard to fill."""

RUNS = 3
"""Periods off target in a row after which the target or the practice has to change."""

_ADVICE = {
    Touch.CLOSED: "Give step {step} another completion signal, or make closing its task the signal",
    Touch.CHANGED: "Give step {step} another owner or more time, or word it as people change it",
    Touch.DELETED: "Take step {step} out, or say in its text what it is good for",
    Touch.REDRAFTED: "Word the draft of step {step} as people send it",
    Touch.REWRITTEN: "Change the summary's sections to what people write into its note",
    Touch.REASSIGNED: "Put into a rule by what people choose another CSM than the rules do",
    Touch.MOVED: "Find what wins deals again that were put back, and have it ask for the fields first",
}
_KEYS = {
    Touch.CLOSED: "playbook.toml, step {step}: done_when",
    Touch.CHANGED: "playbook.toml, step {step}: owner, within, subject",
    Touch.DELETED: "playbook.toml, step {step}",
    Touch.REDRAFTED: "playbook.toml, step {step}: [playbooks.tasks.mail] text",
    Touch.REWRITTEN: "playbook.toml [[summary.sections]]",
    Touch.REASSIGNED: "process.toml [[assignment.rules]], [[assignment.pools]]",
    Touch.MOVED: "process.toml [gate] mode, fight_limit",
}


def proposals(review: Review, targets: Targets) -> tuple[Proposal, ...]:
    """All of them, the breached thresholds first."""
    found = [*_breached(review), *_fields(review), *_repeats(review), *_touched(review), *_lost(review)]
    return (*found, *_silent(review), *_off_target(review, targets))


def _breached(review: Review) -> Iterator[Proposal]:
    for ruling in review.rulings:
        if ruling.breached:
            threshold, newest = ruling.threshold, ruling.stood[0]
            measure = MEASURES[threshold.measure]
            change = (
                threshold.advice or f"Find out why “{measure.title}” is off, and say here what is to be done (advice)"
            )
            side = "above" if threshold.over else "below"
            evidence = (
                f"{measure.title} is {newest.text}, {side} {bound(threshold, measure)}, of {newest.counted} handoffs"
            )
            yield Proposal(change.rstrip("."), evidence, f"process.toml [governance] {threshold.name}")


def _fields(review: Review) -> Iterator[Proposal]:
    for one in review.fields:
        key = f"process.toml [[gate.require]] {one.field}"
        if not one.used_by:
            change = f"Have “{one.label}” shown in the summary, or require it no more"
            evidence = f"it was required of {one.asked} deals, and nothing uses the answer"
            yield Proposal(change, evidence, f"{key}; playbook.toml [[summary.sections]]")
        elif one.asked >= OFTEN and one.lacked >= OFTEN and one.lacked >= MOST_MISSING * one.asked:
            change = f"Make “{one.label}” easier to fill: prefill it, or say by example in advice what is wanted"
            evidence = f"it was missing on {one.lacked} deals, and required of {one.asked} that were won"
            yield Proposal(change, evidence, f"{key}: advice, when; [[prefill]]")


def _repeats(review: Review) -> Iterator[Proposal]:
    for one in review.repeats:
        yield _for_repeat(one, review.excused)


def _for_repeat(one: Repeat, excused: int) -> Proposal:
    evidence = f"{len(one.deals)} of {excused} exceptions"
    match one.what:
        case "field":
            change = f"Ask whether “{one.who}” should be required of all these deals, or only under a condition"
            return Proposal(change, evidence, "process.toml [[gate.require]] when")
        case "AE":
            change = f"Go through the required fields with {one.who}"
            return Proposal(change, evidence, "no key: a talk")
    change = f"Ask {one.who} what these exceptions have in common"
    return Proposal(change, evidence, "process.toml [override] approvers, [gate] exceptions")


def _touched(review: Review) -> Iterator[Proposal]:
    for one in review.touched:
        if len(one.deals) >= OFTEN:
            yield _for_touch(one, review.deals)


def _for_touch(one: Touched, deals: int) -> Proposal:
    evidence = f"{one.touch.value} on {len(one.deals)} deals; {deals} were won in the period"
    return Proposal(_ADVICE[one.touch].format(step=one.step), evidence, _KEYS[one.touch].format(step=one.step))


def _lost(review: Review) -> Iterator[Proposal]:
    for lack, count in lacks_of(review.lost).most_common():
        if count >= REPEATED_LACK:
            change = f"See to it that no handoff goes on like this: {lack}"
            evidence = f"{count} of {len(review.lost)} customers who left within 90 days"
            yield Proposal(change, evidence, "process.toml [gate], playbook.toml")


def _silent(review: Review) -> Iterator[Proposal]:
    if review.deals < OFTEN:
        return
    for one in review.silent:
        if one.kind in ("segment", "assignment rule", "playbook"):
            change = f"Take the {one.kind} “{one.name}” out, or mend its condition"
            yield Proposal(change, f"{one.said}; {review.deals} deals were won", one.key)


def _off_target(review: Review, targets: Targets) -> Iterator[Proposal]:
    for line in review.lines:
        if _is_off_for_long(line, targets):
            aimed = shown_aim(line.measure, aim(line.measure, targets))
            told = ", ".join(shown(line.measure, one).text for one in line.sums[:RUNS])
            change = f"Change the practice behind “{line.measure.title}”, or aim at something else"
            evidence = f"off its target ({aimed}) for {RUNS} periods: {told}, the newest first"
            yield Proposal(change, evidence, f"process.toml [targets] {line.measure.target}")


def _is_off_for_long(line: Line, targets: Targets) -> bool:
    wanted, latest = aim(line.measure, targets), line.sums[:RUNS]
    enough = len(latest) == RUNS and not any(few(one, least=targets.few) for one in latest)
    return enough and all(on_target(line.measure, one, wanted) is False for one in latest)
