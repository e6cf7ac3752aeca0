"""A small Salesforce mapping written out by hand, for tests that look at single requests.

Not the shipped mapping file: the contract runs with that one.
"""

from __future__ import annotations

from connector.handoff.model import DealType, Kind
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import CrmMap, MappedField, path_of

T = FieldType
SALESFORCE: tuple[tuple[Kind, str, str, FieldType], ...] = (
    (Kind.DEAL, "name", "Name", T.TEXT),
    (Kind.DEAL, "stage", "StageName", T.CHOICE),
    (Kind.DEAL, "amount", "Amount", T.NUMBER),
    (Kind.DEAL, "close_date", "CloseDate", T.DATE),
    (Kind.DEAL, "type", "Type", T.CHOICE),
    (Kind.DEAL, "owner", "OwnerId", T.PERSON),
    (Kind.DEAL, "account", "AccountId", T.REFERENCE),
    (Kind.DEAL, "why_bought", "Handoff_Why_Bought__c", T.LONG_TEXT),
    (Kind.DEAL, "use_case", "Handoff_Use_Case__c", T.LONG_TEXT),
    (Kind.DEAL, "risks", "Handoff_Risks__c", T.LONG_TEXT),
    (Kind.DEAL, "go_live_date", "Handoff_Go_Live_Date__c", T.DATE),
    (Kind.DEAL, "override_requested", "Handoff_Override__c", T.BOOL),
    (Kind.DEAL, "status", "Handoff_Status__c", T.CHOICE),
    (Kind.DEAL, "gate", "Handoff_Gate__c", T.CHOICE),
    (Kind.DEAL, "percent", "Handoff_Percent__c", T.NUMBER),
    (Kind.DEAL, "missing", "Handoff_Missing__c", T.LONG_TEXT),
    (Kind.DEAL, "csm", "Handoff_CSM__c", T.PERSON),
    (Kind.DEAL, "started_at", "Handoff_Started_At__c", T.DATETIME),
    (Kind.DEAL, "summary", "Handoff_Summary__c", T.LONG_TEXT),
    (Kind.DEAL, "metric_ttft_hours", "Handoff_TTFT_Hours__c", T.NUMBER),
    (Kind.ACCOUNT, "name", "Name", T.TEXT),
    (Kind.ACCOUNT, "country", "BillingCountry", T.TEXT),
    (Kind.ACCOUNT, "employees", "NumberOfEmployees", T.NUMBER),
    (Kind.ACCOUNT, "csm", "Handoff_CSM__c", T.PERSON),
    (Kind.TASK, "key", "Handoff_Key__c", T.TEXT),
    (Kind.TASK, "subject", "Subject", T.TEXT),
    (Kind.TASK, "due", "ActivityDate", T.DATE),
    (Kind.MEETING, "key", "Handoff_Key__c", T.TEXT),
)
FIELDS = {(kind, name): field for kind, name, field, _ in SALESFORCE}


def salesforce_map() -> CrmMap:
    """Every name as in the sandbox's org."""
    mapped = [
        MappedField(path=path_of(kind, name), kind=kind, field=field, type=of_type, owner=FieldOwner.DAEMON, label=name)
        for kind, name, field, of_type in SALESFORCE
    ]
    return CrmMap(
        vendor="salesforce",
        objects={},
        fields={each.path: each for each in mapped},
        deal_types={"New Business": DealType.NEW, "Renewal": DealType.RENEWAL, "Upsell": DealType.UPSELL},
    )
