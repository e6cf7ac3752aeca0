"""The objects an org begins with and their fields: standard ones as far as the product touches them.

Not a full Salesforce schema, not the objects of setup (`setup_objects.py`), not the records that every org has
(`schema.py`), and not what an admin adds later (`catalog.py`). `PROVISIONED` are the handoff fields: an org that is
not bare has them from the start.
"""

from __future__ import annotations

from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.sales_objects import SALES_OBJECTS
from connector.sandbox.salesforce.setup_objects import SETUP_OBJECTS
from connector.sandbox.salesforce.shapes import OWNER, a_object, long_text, number, text, to_user

SUMMARY_LENGTH = 131_072

STAGES: tuple[tuple[str, bool, bool, int], ...] = (
    ("Prospecting", False, False, 10),
    ("Qualification", False, False, 10),
    ("Needs Analysis", False, False, 20),
    ("Proposal/Price Quote", False, False, 75),
    ("Negotiation/Review", False, False, 90),
    ("Closed Won", True, True, 100),
    ("Closed Lost", True, False, 0),
)
"""Name, is closed, is won, probability."""

TASK_STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
ANSWERS = ("Accepted", "Rejected", "Resubmitted")
REJECT_REASONS = ("Missing information", "Unclear promises", "Wrong CSM", "Not ready to start", "Other")
HANDOFF_STATUSES = ("1 Preparation", "2 Welcome", "3 Alignment", "4 Implementation", "5 Review")
GATES = ("Held", "Released", "Overridden", "Warned", "Not checked")

HANDOFF_FIELDS = (
    text("Handoff_Product__c", "Product", 120),
    long_text("Handoff_Why_Bought__c", "Why they bought"),
    long_text("Handoff_Use_Case__c", "Use case"),
    long_text("Handoff_Commitments__c", "Commitments made"),
    long_text("Handoff_Success_Criteria__c", "Success criteria"),
    long_text("Handoff_Risks__c", "Known risks"),
    long_text("Handoff_Competition__c", "Competition and tools"),
    long_text("Handoff_Champion_Stake__c", "Champion's stake"),
    long_text("Handoff_Stakeholders__c", "Stakeholders"),
    long_text("Handoff_Special_Terms__c", "Special terms"),
    text("Handoff_Champion__c", "Champion"),
    text("Handoff_Economic_Buyer__c", "Economic buyer"),
    Field("Handoff_Go_Live_Date__c", "date", label="Go-live date"),
    Field("Handoff_Replied_At__c", "datetime", label="Customer last replied"),
    long_text("Handoff_Scope_Requests__c", "Asked for beyond the contract"),
    Field("Handoff_Renewal_Date__c", "date", label="Renewal date"),
    number("Handoff_Milestones_Done__c", "Milestones reached", 4, 0),
    Field("Handoff_Override__c", "boolean", label="Override requested", default=False),
    text("Handoff_Override_Reason__c", "Override reason"),
    to_user("Handoff_Override_Approver__c", "Override approver"),
    Field("Handoff_Override_Expires__c", "date", label="Override expires"),
    Field("Handoff_Acceptance__c", "picklist", 255, "Handoff answer", values=ANSWERS),
    Field("Handoff_Reject_Reason__c", "picklist", 255, "Reason for rejecting", values=REJECT_REASONS),
    long_text("Handoff_Reject_Note__c", "What is missing, says the CSM"),
    Field("Handoff_Reviewed__c", "boolean", label="Summary reviewed by the CSM", default=False),
    long_text("Handoff_Assumed__c", "Handoff: to be confirmed"),
    Field("Handoff_Prefill_Confirmed__c", "boolean", label="Prefilled values confirmed", default=False),
    Field("Handoff_Complete__c", "boolean", label="Handoff complete", default=False),
    Field("Handoff_Completed_At__c", "datetime", label="Handoff complete since"),
    Field("Handoff_Status__c", "picklist", 255, "Handoff status", values=HANDOFF_STATUSES),
    Field("Handoff_Gate__c", "picklist", 255, "Handoff gate", values=GATES),
    number("Handoff_Percent__c", "Handoff percent", 3, 0),
    long_text("Handoff_Missing__c", "Handoff: what is missing"),
    long_text("Handoff_Advice__c", "Handoff: how to make it better"),
    number("Handoff_Quality__c", "Quality of the answers", 3, 0),
    to_user("Handoff_CSM__c", "CSM"),
    Field("Handoff_Started_At__c", "datetime", label="Handoff started"),
    Field("Handoff_First_Touch_At__c", "datetime", label="First touch"),
    long_text("Handoff_Summary__c", "Handoff summary", SUMMARY_LENGTH),
    number("Handoff_Completion__c", "Handoff completion", 8, 2),
    number("Handoff_Assign_Minutes__c", "Minutes to assignment", 8, 2),
    number("Handoff_TTFT_Hours__c", "Hours to first touch", 8, 2),
    number("Handoff_AE_Hours__c", "Hours to complete the handoff", 8, 2),
    number("Handoff_Kickoff_Days__c", "Working days to kickoff", 8, 2),
    number("Handoff_TTFV_Days__c", "Days to first value", 8, 2),
    number("Handoff_Milestone_Rate__c", "Milestone rate", 3, 0),
    number("Handoff_Escalations__c", "Escalated", 4, 0),
    number("Handoff_Overrides__c", "Let through by override", 4, 0),
    number("Handoff_Rating__c", "Rating of the handoff", 1, 0),
    number("Handoff_Repeat_Asks__c", "Asked again", 4, 0),
    long_text("Handoff_Feedback__c", "Feedback on the handoff"),
)

# A custom field for Task and Event belongs to Activity; it may be an external id and unique (facts: Salesforce §3.4).
ACTIVITY_KEY = Field("Handoff_Key__c", "string", 255, "Handoff key", external_id=True, unique=True)
# Archived activities hide from a plain query (facts: Salesforce §1.1).
ARCHIVED = Field("IsArchived", "boolean", read_only=True, default=False)
MASTER_RECORD = Field("MasterRecordId", "reference", 18, read_only=True, to=("Account",), relationship="MasterRecord")
WHAT = Field("WhatId", "reference", 18, "Related To", to=("Account", "Opportunity"))
WHO = Field("WhoId", "reference", 18, "Name", to=("Contact",))
ACTIVITY_ACCOUNT = Field("AccountId", "reference", 18, read_only=True, to=("Account",))

OBJECTS: tuple[ObjectType, ...] = (
    a_object(
        "Organization",
        text("Name", "Name", 80),
        Field("IsSandbox", "boolean", read_only=True, default=True),
        text("OrganizationType", "Edition", 40),
        # Three that `sf org display` selects beside those above.
        Field("InstanceName", "string", 5, "Instance", read_only=True, default="SBX0S"),
        text("NamespacePrefix", "Namespace prefix", 15),
        Field("TrialExpirationDate", "datetime", label="Trial expiration date", read_only=True),
        text("DefaultLocaleSidKey", "Locale", 40),
        text("TimeZoneSidKey", "Time zone", 40),
        writable=False,
    ),
    a_object("UserRole", Field("Name", "string", 80, required=True), text("DeveloperName", "Developer name", 80)),
    a_object(
        "User",
        Field("Username", "string", 80, required=True, unique=True),
        Field("FirstName", "string", 40),
        Field("LastName", "string", 80, required=True),
        Field("Name", "string", 121, read_only=True),
        Field("Email", "email", 128, required=True),
        Field("Title", "string", 80),
        Field("Department", "string", 80),
        Field("IsActive", "boolean", default=True),
        Field("UserType", "picklist", 40, values=("Standard",), default="Standard"),
        Field("UserRoleId", "reference", 18, to=("UserRole",)),
        Field("ManagerId", "reference", 18, to=("User",)),
        Field("TimeZoneSidKey", "string", 40),
        Field("ProfileId", "reference", 18, to=("Profile",)),
        indexed=("Email",),
    ),
    a_object(
        "OpportunityStage",
        text("ApiName", "API name"),
        text("MasterLabel", "Label"),
        Field("IsActive", "boolean"),
        Field("IsClosed", "boolean"),
        Field("IsWon", "boolean"),
        Field("SortOrder", "int"),
        Field("DefaultProbability", "percent", precision=3, scale=0),
        text("ForecastCategoryName", "Forecast category"),
        label="Opportunity Stage",
        indexed=("ApiName",),
        writable=False,
    ),
    a_object(
        "Account",
        Field("Name", "string", 255, "Account Name", required=True),
        Field("Type", "picklist", 255, values=("Customer", "Prospect", "Partner")),
        Field("Industry", "string", 255),
        Field("BillingCity", "string", 40),
        Field("BillingCountry", "string", 80),
        Field("NumberOfEmployees", "int", precision=8),
        Field("AnnualRevenue", "currency", precision=18, scale=0),
        Field("Website", "url", 255),
        Field("Phone", "phone", 40),
        Field("Description", "textarea", 32_000),
        Field("ParentId", "reference", 18, to=("Account",)),
        MASTER_RECORD,
        Field("Site_Code__c", "string", 40, "Site code", external_id=True),
        OWNER,
        indexed=("OwnerId", "Site_Code__c", "Name"),
    ),
    a_object(
        "Contact",
        Field("AccountId", "reference", 18, to=("Account",)),
        Field("FirstName", "string", 40),
        Field("LastName", "string", 80, required=True),
        Field("Name", "string", 121, read_only=True),
        Field("Email", "email", 80),
        Field("Phone", "phone", 40),
        Field("Title", "string", 128),
        OWNER,
        indexed=("AccountId", "Email"),
        parents=("AccountId",),
    ),
    a_object(
        "Opportunity",
        Field("AccountId", "reference", 18, "Account", to=("Account",)),
        Field("Name", "string", 120, "Opportunity Name", required=True),
        Field("Description", "textarea", 32_000),
        Field("StageName", "picklist", 255, "Stage", required=True, values=tuple(s[0] for s in STAGES)),
        Field("Amount", "currency", precision=18, scale=2),
        Field("Probability", "percent", read_only=True, precision=3, scale=0),
        Field("CloseDate", "date", label="Close Date", required=True),
        Field("Type", "picklist", 255, values=("New Business", "Renewal", "Upsell")),
        Field("NextStep", "string", 255),
        Field("LeadSource", "picklist", 255, values=("Web", "Referral", "Partner", "Outbound", "Other")),
        Field("IsClosed", "boolean", read_only=True),
        Field("IsWon", "boolean", read_only=True),
        Field("LastStageChangeDate", "datetime", read_only=True),
        Field("HasOpportunityLineItem", "boolean", read_only=True, default=False),
        OWNER,
        indexed=("AccountId", "OwnerId", "Name"),
        parents=("AccountId",),
    ),
    a_object(
        "OpportunityHistory",
        Field("OpportunityId", "reference", 18, read_only=True, to=("Opportunity",)),
        Field("StageName", "picklist", 255, read_only=True),
        Field("Amount", "currency", read_only=True, precision=18, scale=2),
        Field("CloseDate", "date", read_only=True),
        Field("Probability", "percent", read_only=True, precision=3),
        label="Opportunity History",
        indexed=("OpportunityId",),
        parents=("OpportunityId",),
        writable=False,
    ),
    a_object(
        "OpportunityContactRole",
        Field("OpportunityId", "reference", 18, required=True, create_only=True, to=("Opportunity",)),
        Field("ContactId", "reference", 18, required=True, to=("Contact",)),
        Field("Role", "string", 40),
        Field("IsPrimary", "boolean", default=False),
        label="Opportunity Contact Role",
        indexed=("OpportunityId", "ContactId"),
        parents=("OpportunityId", "ContactId"),
    ),
    a_object(
        "Task",
        WHO,
        WHAT,
        Field("Subject", "combobox", 255),
        Field("ActivityDate", "date", label="Due Date Only"),
        Field("Status", "picklist", 255, values=TASK_STATUSES, default="Not Started"),
        Field("Priority", "picklist", 255, values=("High", "Normal", "Low"), default="Normal"),
        Field("TaskSubtype", "picklist", 40, create_only=True, values=("Task", "Call", "Email"), default="Task"),
        Field("Description", "textarea", 32_000, "Comments"),
        ACTIVITY_ACCOUNT,
        ARCHIVED,
        Field("IsClosed", "boolean", read_only=True),
        Field("CompletedDateTime", "datetime", read_only=True),
        Field("ReminderDateTime", "datetime"),
        Field("IsReminderSet", "boolean", default=False),
        OWNER,
        indexed=("WhatId", "AccountId", "OwnerId"),
        parents=("WhatId",),
    ),
    a_object(
        "Event",
        WHO,
        WHAT,
        Field("Subject", "combobox", 255),
        Field("Location", "string", 255),
        Field("StartDateTime", "datetime"),
        Field("EndDateTime", "datetime"),
        Field("DurationInMinutes", "int", precision=8),
        Field("IsAllDayEvent", "boolean", default=False),
        Field("ShowAs", "picklist", 40, values=("Busy", "OutOfOffice", "Free"), default="Busy"),
        Field("ActivityDate", "date", read_only=True),
        Field("Description", "textarea", 32_000),
        ACTIVITY_ACCOUNT,
        ARCHIVED,
        OWNER,
        indexed=("WhatId", "AccountId", "OwnerId"),
        parents=("WhatId",),
    ),
    a_object(
        "Note",
        Field("ParentId", "reference", 18, required=True, create_only=True, to=("Account", "Opportunity", "Contact")),
        Field("Title", "string", 80, required=True),
        Field("Body", "textarea", 32_000),
        Field("IsPrivate", "boolean", default=False),
        OWNER,
        indexed=("ParentId",),
        parents=("ParentId",),
    ),
    *SALES_OBJECTS,
    *SETUP_OBJECTS,
)
PROVISIONED: dict[str, tuple[Field, ...]] = {
    "Account": (
        to_user("Handoff_CSM__c", "CSM"),
        text("Handoff_Activation__c", "Activation"),
        Field("Handoff_Activated_On__c", "date", label="Activated on"),
        text("Handoff_Milestones__c", "Milestones reached"),
        text("Handoff_Onboarding_Stage__c", "Onboarding stage"),
        Field("Handoff_Go_Live_Date__c", "date", label="Expected go-live"),
        number("Handoff_NPS__c", "NPS", 5, 2),
        number("Handoff_CSAT__c", "CSAT", 5, 2),
        number("Handoff_Tickets_30__c", "Tickets in the first 30 days", 6, 0),
        Field("Handoff_Churned_At__c", "date", label="Left on"),
        Field("Handoff_Renewed_At__c", "date", label="First renewed on"),
        Field("Handoff_Renewal_Talk_At__c", "date", label="First renewal talk"),
        number("Handoff_Expansion_Amount__c", "Expansion", 16, 2),
    ),
    "Opportunity": HANDOFF_FIELDS,
    "Task": (ACTIVITY_KEY,),
    "Event": (ACTIVITY_KEY,),
}
"""The fields that `handoff provision` adds to a bare org, as the default org has them already."""


def objects_at_first(*, bare: bool) -> tuple[ObjectType, ...]:
    """The object types of a new org; a bare one has no handoff field."""
    return OBJECTS if bare else tuple(kind.with_fields(PROVISIONED.get(kind.name, ())) for kind in OBJECTS)
