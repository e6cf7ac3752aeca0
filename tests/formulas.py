"""Formulas of ours, tried by the sandbox's own formula engine on deals as the core sees them.

Not here: the tests. The map below names fields that the sandbox's Opportunity and Account have, one of every type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from factories import NOW, PEOPLE

from connector.crm.salesforce.provision.formula import Expr, text
from connector.crm.salesforce.wire import to_wire
from connector.handoff.model import DealType, Kind, Person, Snapshot, Value
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import CrmMap, MappedField, path_of
from connector.sandbox.salesforce.formula import Formula, Surroundings, parse
from connector.sandbox.salesforce.objects import objects_at_first

T = FieldType
_DEAL: Mapping[str, tuple[str, FieldType]] = {
    "name": ("Name", T.TEXT),
    "stage": ("StageName", T.CHOICE),
    "amount": ("Amount", T.NUMBER),
    "probability": ("Probability", T.NUMBER),
    "close_date": ("CloseDate", T.DATE),
    "changed": ("LastStageChangeDate", T.DATETIME),
    "type": ("Type", T.CHOICE),
    "source": ("LeadSource", T.CHOICE),
    "owner": ("OwnerId", T.PERSON),
    "account": ("AccountId", T.REFERENCE),
    "why_bought": ("Handoff_Why_Bought__c", T.LONG_TEXT),
    "use_case": ("Handoff_Use_Case__c", T.LONG_TEXT),
    "success_criteria": ("Handoff_Success_Criteria__c", T.LONG_TEXT),
    "risks": ("Handoff_Risks__c", T.LONG_TEXT),
    "champion": ("Handoff_Champion__c", T.TEXT),
    "economic_buyer": ("Handoff_Economic_Buyer__c", T.TEXT),
    "go_live_date": ("Handoff_Go_Live_Date__c", T.DATE),
    "override_requested": ("Handoff_Override__c", T.BOOL),
    "override_reason": ("Handoff_Override_Reason__c", T.TEXT),
    "override_approver": ("Handoff_Override_Approver__c", T.PERSON),
    "override_expires": ("Handoff_Override_Expires__c", T.DATE),
}
_ACCOUNT: Mapping[str, tuple[str, FieldType]] = {
    "name": ("Name", T.TEXT),
    "industry": ("Industry", T.CHOICE),
    "country": ("BillingCountry", T.TEXT),
    "employees": ("NumberOfEmployees", T.NUMBER),
    "about": ("Description", T.LONG_TEXT),
}
DEAL_TYPES = {"New Business": DealType.NEW, "Renewal": DealType.RENEWAL, "Upsell": DealType.UPSELL}


def _mapped(kind: Kind, name: str, field: str, type: FieldType) -> MappedField:
    label = name.replace("_", " ").capitalize()
    return MappedField(path_of(kind, name), kind, field, type, FieldOwner.HUMAN, label)


def a_map(*more: MappedField, other: DealType = DealType.NEW) -> CrmMap:
    """Opportunity and Account as the sandbox has them, and any fields more."""
    fields = [
        *(_mapped(Kind.DEAL, name, *theirs) for name, theirs in _DEAL.items()),
        *(_mapped(Kind.ACCOUNT, name, *theirs) for name, theirs in _ACCOUNT.items()),
        *more,
    ]
    return CrmMap(
        vendor="salesforce",
        objects={Kind.DEAL: "Opportunity", Kind.ACCOUNT: "Account", Kind.TASK: "Task", Kind.MEETING: "Event"},
        fields={one.path: one for one in fields},
        deal_types=DEAL_TYPES,
        other_deal_type=other,
    )


_TYPES = {kind.name: kind for kind in objects_at_first(bare=False)}
DESCRIBED = {f"{kind.name}.{field.name}": field.type for kind in _TYPES.values() for field in kind.fields.values()}
"""What the sandbox's describe says of its fields."""


def compiled(formula: str) -> Formula:
    """The formula as the sandbox's org takes it; raises FormulaError when it would not."""
    return parse(formula, _TYPES["Opportunity"])


def fires(
    formula: Expr | str,
    snapshot: Snapshot,
    *,
    prior: Mapping[str, object] | None = None,
    now: datetime = NOW,
    bypass: bool = False,
) -> bool:
    """Whether a rule of this formula stops the deal from being saved as it is; ``prior`` None: it is a new one."""
    people = {person.id: _user(person) for person in (snapshot.people or PEOPLE).values()}
    accounts = {snapshot.account.ref.id: _row(Kind.ACCOUNT, snapshot.account.values)} if snapshot.account else {}
    row = _row(Kind.DEAL, snapshot.deal.values)
    row |= {"IsWon": snapshot.stage.is_won, "StageName": snapshot.stage.id}
    row["AccountId"] = snapshot.account.ref.id if snapshot.account else None
    tables: Mapping[str, Mapping[str, Mapping[str, object]]] = {"User": people, "Account": accounts}
    around = Surroundings(user={}, look=lambda table, id: tables[table].get(id), holds=lambda _: bypass, now=now)
    words = formula if isinstance(formula, str) else text(formula)
    return compiled(words).fires(row, prior, around=around)


def any_fires(formulas: Iterable[str], snapshot: Snapshot, **how: object) -> bool:
    """Whether at least one of these rules stops the save."""
    return any(fires(formula, snapshot, **how) for formula in formulas)  # type: ignore[arg-type]


def _user(person: Person) -> dict[str, object]:
    return {"Id": person.id, "Email": person.email, "IsActive": person.active}


def _row(kind: Kind, values: Mapping[str, Value]) -> dict[str, object]:
    the_map = a_map()
    return {mapped.field: to_wire(mapped, values[mapped.name]) for mapped in the_map.of(kind) if mapped.name in values}
