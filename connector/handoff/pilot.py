"""Whether one deal is acted on or only observed, and the sentence that says why.

Not here: when acting began for whom (``engine.acting`` keeps that), and what is done for a deal (``rules``). A handoff
that was begun is finished: it stays acted on though the pilot would not take it in any more, for a customer who was
welcomed must not be dropped because an admin narrows a filter. A win from before acting began for its group is only
observed, whatever takes it in later.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from connector.handoff.acting import EVERYBODY, Acting, Footing, Reach, Standing
from connector.handoff.case import Case, listed
from connector.handoff.model import LedgerFacts
from connector.handoff.plan import Phase
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rules.assignment import pool_of

SHORT_ID, LONG_ID = 15, 18
"""Salesforce shows a record's id with 15 characters on screens and with 18 in its API (facts: Salesforce §3.1)."""

FINISHED = "its handoff began here, and what was begun is finished"


def stand(case: Case, acting: Acting, before: LedgerFacts) -> Standing:
    """Where a deal stands after all rules have spoken; ``before`` is the ledger as it was read."""
    if acting.reach is Reach.OBSERVE:
        return Standing(
            Footing.MODE, 'Observed: config.toml says mode = "observe", so nothing is written for any deal.'
        )
    fits = dict(_fitting(case)) if case.policy.pilot.groups else {}
    begun = _begun(case, before)
    if case.phase is Phase.BEFORE_START:
        return Standing(Footing.OLD, f"Observed: {case.day_of(case.snapshot.won_at)} lies before the first run here.")
    if acting.reach is Reach.ACT:
        fits = {EVERYBODY: "the daemon acts on every deal", **fits}
    if begun:
        why = next(iter(fits.values()), FINISHED)
        return Standing(Footing.ACTED, f"Acted on: {why}.")
    if not fits:
        return Standing(Footing.OUTSIDE, f"Observed: not in the pilot, which takes in {_pilot_words(case)}.")
    return _since(case, acting, fits)


def in_pilot(case: Case) -> bool:
    """Whether the pilot takes a deal in, whenever it was won."""
    return next(_fitting(case), None) is not None


def _since(case: Case, acting: Acting, fits: dict[str, str]) -> Standing:
    """Of a deal that is taken in: whether its win, where it has one, came after acting began."""
    why = next(iter(fits.values()))
    if case.generation == 0 or (case.won_at is None and not case.snapshot.stage.is_won):
        return Standing(Footing.ACTED, f"Acted on: {why}.")
    for group, words in fits.items():
        if group in acting.starts:
            start = acting.starts[group]
            if start is None or (case.won_at is not None and case.won_at >= start):
                return Standing(Footing.ACTED, f"Acted on: {words}.")
    starts = [at for group in fits if (at := acting.starts.get(group)) is not None]
    began = f" on {case.day(min(starts))} at {case.clock(min(starts))}" if starts else ""
    won = f"won {case.day_of(case.won_at)}"
    return Standing(Footing.BEFORE, f"Observed: {won}, before acting began{began} ({why}); old wins never get tasks.")


def _begun(case: Case, before: LedgerFacts) -> bool:
    """Whether anything of this generation was done, or a person asked for it. What was only computed leaves no mark."""
    ledger = case.ledger
    done = ledger.gate is not None or ledger.released_at is not None or ledger.early_id is not None
    return done or ledger.adopted or before.adopted or case.recovered


def _fitting(case: Case) -> Iterator[tuple[str, str]]:
    """The groups of the pilot that take this deal in, each with the words for it."""
    pilot, deal_id = case.policy.pilot, case.snapshot.key.deal_id
    for each in pilot.deals:
        if each == deal_id or (len(each) == SHORT_ID and len(deal_id) == LONG_ID and deal_id.startswith(each)):
            yield f"deal:{each}", "the pilot names this deal"
    owner = case.ae.email.strip().lower() if case.ae else ""
    if owner in pilot.owners:
        yield f"owner:{owner}", f"the pilot takes in the deals of {owner}"
    csm = case.assignment.email.strip().lower() if case.assignment else ""
    if csm in pilot.csms:
        yield f"csm:{csm}", f"the pilot takes in the customers of {csm}"
    named = pool_of(case) if pilot.pools else None
    if named is not None and named[1] in pilot.pools:
        yield f"pool:{named[1]}", f"the pilot takes in the pool {named[1]}"
    if pilot.when is not None and case.holds(pilot.when) and _can_be_read(case, pilot.when):
        yield pilot.filter_group, "the pilot's filter takes it in"


def _can_be_read(case: Case, condition: Condition) -> bool:
    """Whether the CRM shows all that a condition goes by. What it hides would be taken for empty, and a filter such as
    "is not Norway" would take everybody in."""
    policy, asked = case.policy, {test.field for test in condition.tests}
    for name, derived in (("tier", policy.tiers), ("segment", policy.segments)):
        if name in asked:
            asked |= {test.field for each in derived for test in each.when.tests}
    return all(case.snapshot.knows(path) for path in asked & policy.fields.keys())


def _pilot_words(case: Case) -> str:
    """What the pilot takes in, as part of a sentence."""
    pilot = case.policy.pilot
    words = [f"{len(pilot.deals)} named deal{'' if len(pilot.deals) == 1 else 's'}"] if pilot.deals else []
    for what, names in (("deals of", pilot.owners), ("customers of", pilot.csms), ("the pool", pilot.pools)):
        words += [f"{what} {listed(names)}"] if names else []
    if pilot.when is not None:
        tests = (
            f"{case.label(test.field)} {_spoken(test.op.value)} {_operand(test.operand)}" for test in pilot.when.tests
        )
        words.append(f"deals with {listed(tests)}")
    return "; ".join(words) or "nothing"


def _spoken(op: str) -> str:
    return op.replace("_", " ")


def _operand(operand: object) -> str:
    if isinstance(operand, tuple):
        return " or ".join(str(each) for each in operand)
    if isinstance(operand, bool):
        return "yes" if operand else "no"
    return operand.isoformat() if isinstance(operand, datetime | date) else str(operand)
