"""The properties a portal ships with, by object type; those called handoff_ are ours and a bare portal lacks them.

Not what was changed through the API (`catalog.py`), nor what a property is (`defs.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connector.sandbox.hubspot.defs import (
    Definition,
    choice,
    day,
    derived,
    long_text,
    moment,
    number,
    options,
    owner,
    text,
    yes_no,
)
from connector.sandbox.hubspot.kinds import KINDS
from connector.sandbox.hubspot.stages import PIPELINES, STAGES

if TYPE_CHECKING:
    from connector.sandbox.hubspot.kinds import Kind

UNTRACKED = frozenset({"notes_last_updated"})
HANDOFF_GROUP = "handoff"
OURS = "handoff_"

_OWNER = owner("hubspot_owner_id", "Owner")
_CREATED = derived(moment("createdate", "Create Date"))
_MODIFIED = derived(moment("hs_lastmodifieddate", "Last Modified Date"))
_ID = derived(number("hs_object_id", "Record ID"))
_ACTIVITY = derived(moment("notes_last_updated", "Last Activity Date"))
_MERGED = derived(text("hs_merged_object_ids", "Merged record IDs"))
_PINNED = number("hs_pinned_engagement_id", "Pinned Engagement ID")

_HANDOFF_TEXTS = (
    ("why_bought", "Why they bought"),
    ("use_case", "Use case"),
    ("commitments", "Commitments made"),
    ("success_criteria", "Success criteria"),
    ("risks", "Known risks"),
    ("competition", "Competition and tools"),
    ("champion_stake", "Champion's stake"),
    ("stakeholders", "Stakeholders"),
    ("special_terms", "Special terms"),
    ("scope_requests", "Asked for beyond the contract"),
    ("missing", "Missing for handoff"),
    ("advice", "How to make it better"),
    ("reject_note", "What is missing, says the CSM"),
    ("assumed", "To be confirmed"),
    ("summary", "Handoff summary"),
)
_HANDOFF_LINES = (
    ("product", "Product"),
    ("champion", "Champion"),
    ("economic_buyer", "Economic buyer"),
    ("override_reason", "Override reason"),
)
_HANDOFF_OTHERS = (
    day("handoff_go_live_date", "Go-live date"),
    moment("handoff_replied_at", "Customer last replied"),
    day("handoff_renewal_date", "Renewal date"),
    number("handoff_milestones_done", "Milestones reached"),
    yes_no("handoff_override", "Override requested"),
    owner("handoff_override_approver", "Override approver"),
    day("handoff_override_expires", "Override expires"),
    choice("handoff_acceptance", "Handoff answer", options("Accepted", "Rejected", "Resubmitted")),
    choice(
        "handoff_reject_reason",
        "Reason for rejecting",
        options("Missing information", "Unclear promises", "Wrong CSM", "Not ready to start", "Other"),
    ),
    yes_no("handoff_reviewed", "Summary reviewed by the CSM"),
    yes_no("handoff_prefill_confirmed", "Prefilled values confirmed"),
    yes_no("handoff_complete", "Handoff complete"),
    moment("handoff_completed_at", "Handoff complete since"),
    choice(
        "handoff_status",
        "Handoff status",
        options("1 Preparation", "2 Welcome", "3 Alignment", "4 Implementation", "5 Review"),
    ),
    choice("handoff_gate", "Handoff gate", options("Held", "Released", "Overridden", "Warned", "Not checked")),
    number("handoff_percent", "Handoff completeness"),
    number("handoff_quality", "Quality of the answers"),
    owner("handoff_csm", "Customer Success Manager"),
    moment("handoff_started_at", "Handoff started"),
    moment("handoff_first_touch_at", "First touch"),
    number("handoff_completion", "Completion rate"),
    number("handoff_assign_minutes", "Time to assignment (minutes)"),
    number("handoff_ttft_hours", "Time to first touch (hours)"),
    number("handoff_ae_hours", "Time to complete handoff (hours)"),
    number("handoff_kickoff_days", "Time to kickoff (working days)"),
    number("handoff_ttfv_days", "Time to first value (days)"),
    number("handoff_milestone_rate", "Milestone rate (percent)"),
    number("handoff_escalations", "Escalated (1 = yes)"),
    number("handoff_overrides", "Let through by override (1 = yes)"),
    number("handoff_rating", "Rating of the handoff (1 to 5)"),
    number("handoff_repeat_asks", "Asked again (times)"),
    long_text("handoff_feedback", "Feedback on the handoff"),
)
_HANDOFF = (
    *(long_text(f"handoff_{name}", label) for name, label in _HANDOFF_TEXTS),
    *(text(f"handoff_{name}", label) for name, label in _HANDOFF_LINES),
    *_HANDOFF_OTHERS,
)


def _stage_times() -> tuple[Definition, ...]:
    # facts: HubSpot §4; the suffix is the stage id.
    return tuple(
        derived(moment(f"hs_v2_date_{way}_{stage.id}", f'Date {way} "{stage.label}"'))
        for stage in STAGES.values()
        for way in ("entered", "exited")
    )


_DEALS = (
    text("dealname", "Deal Name"),
    choice("pipeline", "Pipeline", options(*((p.id, p.label) for p in PIPELINES.values()))),
    choice("dealstage", "Deal Stage", options(*((s.id, s.label) for s in STAGES.values()))),
    number("amount", "Amount"),
    moment("closedate", "Close Date"),
    choice(
        "dealtype",
        "Deal Type",
        options(("newbusiness", "New Business"), ("existingbusiness", "Existing Business"), ("renewal", "Renewal")),
    ),
    replace(_OWNER, label="Deal Owner"),
    derived(moment("hubspot_owner_assigneddate", "Owner Assigned Date")),
    long_text("description", "Deal Description"),
    text("hs_next_step", "Next Step"),
    choice("hs_priority", "Priority", options(("low", "Low"), ("medium", "Medium"), ("high", "High"))),
    # A read-only choice in real portals, which HubSpot fills from the first contact; text that loads can set here.
    text("hs_analytics_source", "Original Traffic Source"),
    long_text("closed_won_reason", "Closed Won Reason"),
    long_text("closed_lost_reason", "Closed Lost Reason"),
    _CREATED,
    _MODIFIED,
    _ID,
    _ACTIVITY,
    _MERGED,
    _PINNED,
    derived(yes_no("hs_is_closed", "Is Closed")),
    derived(yes_no("hs_is_closed_won", "Is Closed Won")),
    derived(yes_no("hs_is_closed_lost", "Is Closed Lost")),
    derived(moment("hs_closed_won_date", "Closed Won Date")),
    derived(number("hs_deal_stage_probability", "Deal Probability")),
    derived(moment("hs_v2_date_entered_current_stage", "Date entered current stage")),
    *_stage_times(),
    *_HANDOFF,
)
_COMPANIES = (
    text("name", "Company name"),
    text("domain", "Company Domain Name"),
    text("website", "Website URL"),
    text("phone", "Phone Number"),
    # An enumeration in real portals; text here, so that a book of business may use its own words.
    text("industry", "Industry"),
    text("country", "Country/Region"),
    text("city", "City"),
    number("numberofemployees", "Number of Employees"),
    number("annualrevenue", "Annual Revenue"),
    long_text("description", "Description"),
    replace(_OWNER, label="Company owner"),
    owner("handoff_csm", "Customer Success Manager", group=HANDOFF_GROUP),
    replace(text("handoff_activation", "Activation"), group=HANDOFF_GROUP),
    replace(day("handoff_activated_on", "Activated on"), group=HANDOFF_GROUP),
    replace(text("handoff_milestones", "Milestones reached"), group=HANDOFF_GROUP),
    replace(text("handoff_onboarding_stage", "Onboarding stage"), group=HANDOFF_GROUP),
    replace(day("handoff_go_live_date", "Expected go-live"), group=HANDOFF_GROUP),
    replace(number("handoff_nps", "NPS"), group=HANDOFF_GROUP),
    replace(number("handoff_csat", "CSAT"), group=HANDOFF_GROUP),
    replace(number("handoff_tickets_30", "Tickets in the first 30 days"), group=HANDOFF_GROUP),
    replace(day("handoff_churned_at", "Left on"), group=HANDOFF_GROUP),
    replace(day("handoff_renewed_at", "First renewed on"), group=HANDOFF_GROUP),
    replace(day("handoff_renewal_talk_at", "First renewal talk"), group=HANDOFF_GROUP),
    replace(number("handoff_expansion_amount", "Expansion since the win"), group=HANDOFF_GROUP),
    _CREATED,
    _MODIFIED,
    _ID,
    _ACTIVITY,
    _MERGED,
    _PINNED,
)
_CONTACTS = (
    text("email", "Email", unique=True),
    text("firstname", "First Name"),
    text("lastname", "Last Name"),
    text("jobtitle", "Job Title"),
    text("phone", "Phone Number"),
    text("company", "Company Name"),
    replace(_OWNER, label="Contact owner"),
    _CREATED,
    derived(moment("lastmodifieddate", "Last Modified Date")),
    _ID,
    _ACTIVITY,
    _MERGED,
    _PINNED,
)
_ENGAGEMENT = (
    moment("hs_timestamp", "Activity date"),
    replace(_OWNER, label="Assigned to"),
    derived(moment("hs_createdate", "Create date")),
    _MODIFIED,
    _ID,
    text("hs_attachment_ids", "Attached files"),
    text("handoff_key", "Handoff key", unique=True, group=HANDOFF_GROUP),
)
_TASK_STATES = options("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED")
_ENGAGEMENTS: dict[str, tuple[Definition, ...]] = {
    "tasks": (
        text("hs_task_subject", "Task Title"),
        long_text("hs_task_body", "Notes"),
        choice("hs_task_status", "Task Status", _TASK_STATES),
        choice("hs_task_priority", "Priority", options("NONE", "LOW", "MEDIUM", "HIGH")),
        choice("hs_task_type", "Task Type", options("TODO", "CALL", "EMAIL")),
        text("hs_task_reminders", "Reminders"),
        text("hs_queue_membership_ids", "Queue"),
        derived(moment("hs_task_completion_date", "Completed at")),
        derived(yes_no("hs_task_is_completed", "Is completed")),
    ),
    "notes": (long_text("hs_note_body", "Note body"),),
    "meetings": (
        text("hs_meeting_title", "Meeting name"),
        long_text("hs_meeting_body", "Meeting description"),
        long_text("hs_internal_meeting_notes", "Internal notes"),
        moment("hs_meeting_start_time", "Start time"),
        moment("hs_meeting_end_time", "End time"),
        text("hs_meeting_location", "Location"),
        text("hs_activity_type", "Type"),
        choice(
            "hs_meeting_outcome",
            "Outcome",
            options("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"),
        ),
    ),
    "calls": (
        text("hs_call_title", "Call title"),
        long_text("hs_call_body", "Call notes"),
        number("hs_call_duration", "Duration (ms)"),
        choice("hs_call_direction", "Direction", options("INBOUND", "OUTBOUND")),
        choice("hs_call_status", "Status", options("COMPLETED", "NO_ANSWER", "BUSY", "FAILED", "QUEUED")),
    ),
    "emails": (
        text("hs_email_subject", "Subject"),
        long_text("hs_email_text", "Text"),
        long_text("hs_email_html", "Body"),
        choice("hs_email_direction", "Direction", options("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL")),
        choice("hs_email_status", "Status", options("SENT", "BOUNCED", "FAILED", "SCHEDULED", "SENDING")),
    ),
}


def own_group(kind: Kind) -> str:
    """The name of the group that a type ships with."""
    return f"{kind.singular}information" if not kind.engagement else f"{kind.singular}_information"


def _shipped(kind: Kind) -> dict[str, Definition]:
    plain = {"deals": _DEALS, "companies": _COMPANIES, "contacts": _CONTACTS}
    found = plain.get(kind.table) or (*_ENGAGEMENTS[kind.table], *_ENGAGEMENT)
    return {d.name: _placed(kind, d) for d in found}


def _placed(kind: Kind, definition: Definition) -> Definition:
    custom = definition.name.startswith(OURS)
    group = definition.group or (HANDOFF_GROUP if custom else own_group(kind))
    return replace(definition, group=group, built_in=not custom)


SHIPPED: dict[str, dict[str, Definition]] = {k.table: _shipped(k) for k in KINDS}


def followed(definition: Definition) -> bool:
    """Whether a property keeps a history."""
    return not definition.calculated and definition.name not in UNTRACKED
