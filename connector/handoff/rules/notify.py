"""Tells people at the moments the policy names: a CSM was assigned, a deal was held, nobody was eligible.

Not here: email and chat (``engine``) and the CRM's own notifications (its adapter). A moment is the difference between
what the ledger remembers and what was just decided, so it comes once, and switching a moment on tells nobody of the
past. Where the ledger is lost, whoever was held lately is told again: a message that was still to be sent stood there
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from connector.handoff.acceptance import answers
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Gate, Person
from connector.handoff.ownership import same
from connector.handoff.plan import Finding, Noticed, Notify, Order, Phase, Verdict
from connector.handoff.rulebook.people import Role
from connector.handoff.rules.assignment import FALLBACK
from connector.handoff.templating import render
from connector.handoff.text import names, one_line

NAME = "notify"
OUTSIDE = ""

TOLD_AGAIN = timedelta(days=3)
"""How long after a win its hold is told again when the ledger was lost: a loss on a Friday is mended by Monday."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When somebody is told, whom, under which subject, the text used where the policy has none, and the news
    in half a sentence."""

    name: str
    to: Callable[[Case], Person | None]
    happened: Callable[[Case], bool]
    subject: str
    text: str
    news: str
    marker: Callable[[Case], str] = lambda case: ""  # noqa: ARG005  # most come once per handoff
    """What tells one such moment of a handoff from another."""


def find(case: Case) -> Finding | None:
    """The messages this decision gives rise to; None when nothing happened that anyone is told of."""
    happened = [moment for moment in MOMENTS if moment.name in case.policy.notify.moments and moment.happened(case)]
    if not happened:
        return None
    try:
        told = [(moment, message) for moment in happened for message in _messages(case, moment)]
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"A message could not be written: {error}.")
    actions = tuple(message for _, message in told if message)
    reached = {moment.name for moment, message in told if message}
    unreached = [moment.name for moment in happened if moment.name not in reached]
    reason = " ".join(dict.fromkeys(message.reason for message in actions))
    if unreached:
        reason = f"{reason} Nobody new to tell of: {', '.join(unreached)}.".strip()
    return Finding(NAME, Verdict.ACT if actions else Verdict.IN_SYNC, reason, actions=actions)


def _messages(case: Case, moment: Moment) -> Iterator[Notify | None]:
    """Outside the CRM, and inside it in each way the policy names: a way that fails holds up no other."""
    yield _message(case, moment, way=OUTSIDE)
    for way in case.policy.notify.in_crm:
        yield _message(case, moment, way=way)


def _message(case: Case, moment: Moment, *, way: str) -> Notify | None:
    """The message, or None when its person is not known, not active or was told already."""
    step = f"notify-{moment.name}" + (f"-{way}" if way else "")
    person = moment.to(case)
    told = case.ledger.effects.get(step)
    if person is None or not person.active or not person.email:
        return None
    marker = moment.marker(case)
    said = fingerprint(person.id, marker) if marker else fingerprint(person.id)
    if told and told.fingerprint == said:
        return None
    context = names(case)
    return Notify(
        step=step,
        order=Order.NOTIFY,
        key=":".join(part for part in (case.key(step), marker, person.id) if part),
        to_email=person.email,
        to_name=one_line(person.name),
        subject=one_line(render(moment.subject, context)),
        text=render(case.policy.notify.texts.get(moment.name, moment.text), context).strip(),
        fingerprint=said,
        reason=f"{one_line(person.name)} is told {moment.news}{_when(case)}.",
        way=way,
        to_id=person.id,
        deal_id=case.snapshot.deal.ref.id,
        not_before=case.told_at(),
    )


def _when(case: Case) -> str:
    at = case.told_at()
    return f", when the quiet hours end at {case.clock(at)}" if at else ""


def _csm_assigned(case: Case) -> bool:
    assignment = case.assignment
    if assignment is None or not case.released or assignment.person_id == case.ledger.csm_id:
        return False
    # The stand-in hears once, and of the reason: nobody was eligible.
    stands_in = assignment.rule == FALLBACK
    return not (stands_in and "nobody_eligible" in case.policy.notify.moments)


def _deal_held(case: Case) -> bool:
    if case.recovered and case.ledger.gate is Gate.HELD:
        return _maybe_untold(case)
    return case.snapshot.stage.is_won and case.gate is Gate.HELD and case.ledger.gate is not Gate.HELD


def _maybe_untold(case: Case) -> bool:
    """Whether a hold that only the deal itself tells of is so fresh that its message may never have been sent. A deal
    that went back since stands in its stage as long. Where the CRM tells neither, nobody knows, and old holds are not
    told anew."""
    since = case.ledger.last_win_at or case.snapshot.stage_since
    lately = since is not None and case.now - since <= TOLD_AGAIN
    return lately and case.phase is Phase.HELD and not case.excluded and bool(case.gaps)


def _csm_preassigned(case: Case) -> bool:
    """Whether the deal is given to somebody whom it does not name yet."""
    assignment = case.assignment
    if not case.pre_assigns or assignment is None:
        return False
    return str(case.snapshot.deal.get("csm") or "") != assignment.person_id


def _deal_lost(case: Case) -> bool:
    return _let_go_of(case) is not None


def _let_go_of(case: Case) -> Person | None:
    """Who was to be CSM of a deal that was lost before it was theirs."""
    if case.phase is not Phase.LOST or case.ledger.csm_id is not None:
        return None
    deal = case.snapshot.deal
    put = case.ledger.written.get(deal.ref, {}).get("csm")
    still = put if put is not None and same(deal.get("csm"), put) else None
    return case.snapshot.person(case.ledger.early_id or still)


def _rejected(case: Case) -> bool:
    found = answers(case)
    return found is not None and found.begins


def _resubmitted(case: Case) -> bool:
    found = answers(case)
    return found is not None and found.ends and not found.accepted


def _resubmit_late(case: Case) -> bool:
    found = answers(case)
    return found is not None and found.late


def _round(case: Case) -> str:
    """Which rejection it is."""
    found = answers(case)
    return str(found.latest.number) if found and found.latest else ""


def _nobody_eligible(case: Case) -> bool:
    return case.assignment is not None and case.assignment.rule == FALLBACK


def _deal_fought(case: Case) -> bool:
    return case.snapshot.stage.is_won and case.gate is Gate.HELD and Noticed.FIGHT in case.noticed


def _sales_lead(case: Case) -> Person | None:
    """The AE's manager where the CRM knows one, else the fallback person."""
    boss = case.snapshot.person(case.ae.manager_id) if case.ae else None
    return boss if boss and boss.active else case.fallback


MOMENTS: tuple[Moment, ...] = (
    Moment(
        "csm_assigned",
        lambda case: case.csm,
        _csm_assigned,
        "New customer for you: {{ account }}",
        "You are the CSM of {{ account }} ({{ deal }}, {{ amount }}, {{ segment }}), won on {{ won_on }} by {{ ae }}. "
        "The handoff summary and your tasks are on the deal.",
        "of the new customer",
    ),
    Moment(
        "deal_held",
        lambda case: case.ae,
        _deal_held,
        "Held at the handoff: {{ deal }}",
        "{{ deal }} ({{ account }}) cannot be handed to customer success yet. "
        "Please fill in on the deal:\n{{ missing }}",
        "that the deal is held",
    ),
    Moment(
        "nobody_eligible",
        lambda case: case.fallback,
        _nobody_eligible,
        "Nobody was eligible as CSM: {{ account }}",
        "No CSM could take {{ account }} ({{ deal }}, {{ amount }}, {{ segment }}), so it stands with you. "
        "Please choose a CSM on the account.\n{{ passed_over }}",
        "that nobody was eligible",
    ),
    Moment(
        "deal_fought",
        _sales_lead,
        _deal_fought,
        "Stays won with gaps: {{ deal }}",
        "{{ deal }} ({{ account }}) was put back {{ put_back }} because required fields are empty, and "
        "{{ moved_by }} moved it to Closed Won again each time. It now stays there, held: nothing is handed over. "
        "Please have the fields filled in, or have an admin stop what moves it.\n{{ missing }}",
        "that something keeps moving the deal back",
        marker=lambda case: f"{case.ledger.bounces[-1].at:%Y%m%dT%H%M%S}" if case.ledger.bounces else "",
    ),
    Moment(
        "csm_preassigned",
        lambda case: case.csm,
        _csm_preassigned,
        "Coming up for you: {{ account }}",
        "You are to be the CSM of {{ account }} ({{ deal }}, {{ amount }}, {{ segment }}) once {{ ae }} has won the "
        "deal. What the handoff still needs stands on the deal; join the last calls if you can.",
        "of a customer to come",
    ),
    Moment(
        "deal_lost",
        _let_go_of,
        _deal_lost,
        "Not coming after all: {{ account }}",
        "{{ deal }} ({{ account }}, {{ amount }}) was lost, so you are not to be its CSM. Your place is free again; "
        "there is nothing to do.",
        "that the deal was lost",
    ),
    Moment(
        "handoff_rejected",
        lambda case: case.person_for(Role.AE)[0],
        _rejected,
        "Sent back to you: {{ account }}",
        "{{ csm }} cannot take over {{ account }} ({{ deal }}) yet. Why stands in the task on the deal, with the day "
        "by which your answer is due.\n{{ missing }}",
        "that the handoff was rejected",
        marker=_round,
    ),
    Moment(
        "handoff_resubmitted",
        lambda case: case.csm,
        _resubmitted,
        "Resubmitted: {{ account }}",
        "{{ ae }} answered your rejection of {{ account }} ({{ deal }}). Please look at the deal again, and accept the "
        "handoff or say what is still missing.",
        "that the handoff was resubmitted",
        marker=_round,
    ),
    Moment(
        "resubmit_late",
        _sales_lead,
        _resubmit_late,
        "No answer to a rejection: {{ account }}",
        "{{ csm }} rejected the handoff of {{ account }} ({{ deal }}, {{ amount }}), and {{ ae }} has not answered in "
        "time. Why stands on the deal.",
        "that a rejection was not answered in time",
        marker=_round,
    ),
)
