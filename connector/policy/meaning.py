"""What a mapped field is for, in the words people read beside it in their CRM.

Not here: what a field must be (``known``) and its name and type in a CRM (``crmmap``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import MappedField
from connector.policy.known import is_peoples

DESCRIPTION = "Handoff: "
"""How the description of every field we make begins, by which it is told from another that happens to be named so."""

_WRITTEN = re.compile(rf"{DESCRIPTION}\S+\. (The connector|People) may write it\.")

MEANING: Mapping[str, str] = {
    "override_requested": "Tick to ask that the deal may be won with gaps. It counts with reason, approver and expiry.",
    "override_reason": "Why this deal cannot wait for the missing fields.",
    "override_approver": "The manager who answers for the exception. Only people on the team's list count.",
    "override_expires": "The last day on which the exception counts.",
    "replied_at": "When the customer last answered. Read for the red flag of slow replies.",
    "scope_requests": "What the customer asks for that is not in the contract. Filled, it is a red flag.",
    "renewal_date": "When the contract is renewed. Tasks before the renewal are counted back from it.",
    "milestones_done": "How many milestones of the onboarding are reached. Each is acknowledged within a day.",
    "status": "Where the handoff stands. The connector keeps it up to date.",
    "gate": "What the check before Closed Won said.",
    "percent": "How many percent of the required fields are filled.",
    "missing": "What is still missing, why it is asked, and what to do.",
    "advice": "Which answers read as empty, copied, short or vague, and what a good one has.",
    "quality": "How good the answers are, from 0 to 100: an empty one counts as 0.",
    "csm": "Who takes the customer over. The connector assigns; change it here and it stays as you set it.",
    "account.csm": "Who looks after this customer. Renewals and upsells keep this person.",
    "account.activation": "How far the customer is on the way to the milestone that shows first value.",
    "account.activated_on": "When the customer reached the activation milestone.",
    "account.milestones": "How many of the milestones of the onboarding are reached.",
    "account.onboarding_stage": "Which stage of the onboarding the customer has reached.",
    "account.go_live_date": "When the customer expects to go live, as the deal says.",
    "acceptance": "The CSM's answer to the handoff. Rejected sends it back to the deal's owner, who sets Resubmitted.",
    "reject_reason": "Why the CSM cannot take over yet.",
    "reject_note": "What is missing, in the CSM's words.",
    "summary_reviewed": "Ticked by the CSM, who has read the handoff summary.",
    "complete": "The commission flag: required fields are filled, there is a CSM, and the CSM has read the summary.",
    "completed_at": "Since when the handoff is complete. It stays when a field is emptied later.",
    "prefill_confirmed": "Tick once the values below were checked: they count as confirmed from then on.",
    "assumed": "What was taken over from the CRM and nobody confirmed yet.",
    "handoff_tier": "How much care the customer gets, by what the deal is worth.",
    "started_at": "When the handoff began.",
    "first_touch_at": "The first call, email or meeting of the CSM with the customer after the win.",
    "summary": "The one-page handoff document. Edit it and the connector leaves it to you.",
    "metric_completion": "Percent of the required fields that were filled when the deal was won.",
    "metric_assign_minutes": "Minutes from the win until a CSM was assigned.",
    "metric_ttft_hours": "Hours from the win until the first touch.",
    "metric_ae_hours": "Hours the AE took until nothing was missing, from when the deal asked for it.",
    "metric_kickoff_days": "Working days from the win until the CSM's first meeting with the customer was held.",
    "metric_ttfv_days": "Days from the kickoff, else the win, until the customer reached the activation milestone.",
    "metric_milestones": "Percent of the playbook's steps of the first 30 days done by then. Empty before day 30.",
    "metric_escalations": "1 where a rung of the escalation ladder came or a red flag was raised, 0 where neither did.",
    "metric_overrides": "1 where a manager let the deal through with gaps, 0 where nobody had to.",
    "handoff_rating": "The CSM's grade for what Sales handed over: 1 (start from nothing) to 5 (nothing to ask).",
    "handoff_feedback": "What went well with this handoff and what did not, in your own words.",
    "repeat_asks": "How often the customer was asked again for what they had told Sales. The CSM counts.",
    "lead_source": "Where the deal came from. Read to compare handoffs by their source.",
    "account.nps": "Would they recommend us? From -100 to 100, or one answer from 0 to 10.",
    "account.csat": "How satisfied the customer is, asked about day 30. From 1 to 10.",
    "account.tickets_30": "How many support tickets the customer opened in the first 30 days.",
    "account.churned_at": "When the customer left. Empty while they stay.",
    "account.renewed_at": "When the customer renewed for the first time.",
    "account.renewal_talk_at": "When the renewal was first talked of.",
    "account.expansion_amount": "What the customer bought on top since the win, in your currency.",
    "task.key": "The connector's own mark, by which it finds its tasks and meetings again. Leave it as it is.",
    "note.key": "The connector's own mark, by which it finds its notes again. Leave it as it is.",
    "meeting.key": "The connector's own mark, by which it finds its tasks and meetings again. Leave it as it is.",
}
"""What a field is for, where the policy does not say it."""


def is_ours(description: str) -> bool:
    """Whether `described` wrote this. The first word alone is one that people begin with, too."""
    return _WRITTEN.match(description) is not None


def explained(mapped: MappedField, policy: Policy) -> str:
    """What a person reads beside the field: the policy's own words first."""
    asked = next((one for one in policy.gate.requirements if one.field == mapped.path), None)
    if asked:
        return f"{asked.why} {asked.advice}".strip()
    return MEANING.get(mapped.path, "Shown in the handoff summary where the team's playbook names it.")


def described(mapped: MappedField, policy: Policy) -> str:
    """The description of a field that we make: our mark, its name here, who writes it, what it is for."""
    who = "People" if is_peoples(mapped.kind, mapped.name, mapped.owner) else "The connector"
    return f"{DESCRIPTION}{mapped.path}. {who} may write it. {explained(mapped, policy)}"
