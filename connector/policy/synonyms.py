"""What companies call the fields that a handoff asks for: the words by which a field of theirs is recognised.

Not here: how alike two names are (``suggest``). Plain words in small letters, an admin's English; a name of ours that
is not listed is recognised by its own label alone.
"""

from __future__ import annotations

from collections.abc import Mapping

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "why_bought": (
        *("reason for buying", "buying reason", "reason they bought", "closed won reason", "win reason", "reason won"),
        *(
            "pain points",
            "business pain",
            "business problem",
            "problem statement",
            "compelling event",
            "buying drivers",
        ),
        *("customer challenges", "motivation", "purchase reason"),
    ),
    "use_case": (
        *("primary use case", "use cases", "intended use", "planned usage", "project scope", "solution scope"),
    ),
    "commitments": (
        *("promises", "promises made", "sales commitments", "agreed deliverables", "deliverables promised"),
        *("concessions", "special commitments", "commitments to customer", "agreed scope"),
    ),
    "success_criteria": (
        *("success metrics", "success measures", "success metric", "kpis", "goals", "customer goals", "objectives"),
        *("business objectives", "desired outcomes", "expected outcomes", "definition of success", "target outcome"),
    ),
    "risks": (*("risk", "risk factors", "concerns", "blockers", "objections", "known issues", "implementation risks"),),
    "competition": (
        *("competitors", "competitor", "main competitors", "primary competitor", "incumbent", "current vendor"),
        *("current tools", "existing tools", "current solution", "tech stack", "tools in use", "alternatives"),
    ),
    "champion_stake": (
        *("champion motivation", "champion goal", "personal win", "champion incentive", "personal stake"),
    ),
    "stakeholders": (
        *("stakeholder map", "key stakeholders", "buying committee", "key contacts", "project team", "decision makers"),
    ),
    "special_terms": (
        *("special conditions", "contract terms", "non standard terms", "custom terms", "terms", "special pricing"),
        *("discount reason", "legal terms"),
    ),
    "champion": (*("champion name", "internal champion", "main contact", "primary contact name", "power user"),),
    "economic_buyer": (
        *("decision maker", "budget holder", "budget owner", "signatory", "signer", "buyer", "executive buyer"),
    ),
    "go_live_date": (
        *("go live", "target go live", "launch date", "target launch date", "implementation date", "start date"),
        *("rollout date", "project start", "expected start date", "onboarding date", "service start"),
    ),
    "product": (*("product name", "products", "plan", "package", "edition", "solution", "product line", "offering"),),
    "renewal_date": (
        *("contract end", "contract end date", "subscription end date", "term end date", "expiration date", "renewal"),
    ),
    "replied_at": (*("last reply", "last customer reply", "last inbound email", "last response date"),),
    "scope_requests": (*("out of scope requests", "change requests", "additional requests", "scope changes"),),
    "account.csm": (
        *("csm", "success manager", "success owner", "cs owner", "customer success owner", "account manager"),
        *("onboarding manager", "customer success"),
    ),
    "account.industry": (*("sector", "vertical", "branch"),),
    "account.country": (*("billing country", "headquarters country", "country region"),),
    "account.employees": (*("number of employees", "headcount", "company size"),),
}
"""Canonical name -> other names for the same thing; the label in the mapping file counts as well, and counts most."""
