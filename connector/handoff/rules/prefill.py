"""Takes over what the CRM knows into empty answers of a deal near its close, and lists what the AE is to confirm.

Not here: where each value comes from (``handoff.prefill``). Only empty fields that the mapping lets be filled are
written, each once: what a person empties stays empty, what a person writes is theirs.
"""

from __future__ import annotations

from connector.handoff.case import Case, listed
from connector.handoff.model import Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Finding, Phase, Verdict
from connector.handoff.prefill import ASSUMED, assumed, fills, line

NAME = "prefill"
HEADLINE = "Taken over from the CRM. Please confirm, or write it as it is:"


def find(case: Case) -> Finding | None:
    """The values to take over, and the list of those that nobody confirmed yet."""
    if not case.policy.prefills or case.excluded or case.phase in (Phase.BEFORE_START, Phase.LOST):
        return None
    new, standing = fills(case), assumed(case)
    every = (*standing, *new.values())
    text = "\n".join((HEADLINE, *(line(case, one) for one in every))) if every else None
    wanted: dict[str, Value] = {one.field: one.value for one in new.values()}
    if every or case.snapshot.deal.text(ASSUMED):
        wanted[ASSUMED] = text
    if not wanted:
        return None
    reason = (
        "What the CRM knows is taken over until the AE confirms it." if every else "Nothing is left to be confirmed."
    )
    change = change_deal(case, wanted, reason=reason)
    said = f"Assumed until the AE confirms it: {listed(case.label(one.field) for one in every)}." if every else reason
    verdict = Verdict.ACT if change.patch else Verdict.WAIT if every else Verdict.IN_SYNC
    return Finding(NAME, verdict, said + change.remark, actions=change.actions)
