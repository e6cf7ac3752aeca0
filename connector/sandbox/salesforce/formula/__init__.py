"""Salesforce's formula language as validation rules use it: text in, a checked formula out, and whether it fires.

Not formula fields (they may not ask what changed), not flows, and not where rules are kept or enforced (`rules.py`).

Where a behaviour comes from stands beside it: "facts: Salesforce §5.3" is the project's fact sheet, "engine" is the
formula engine that the vendor publishes (github.com/salesforce/formula-engine: grammar, message labels, treatment of
null), and "unconfirmed" is a choice made here because neither says.
"""

from connector.sandbox.salesforce.formula.compiled import Formula, parse
from connector.sandbox.salesforce.formula.faults import FormulaError, RuntimeFault
from connector.sandbox.salesforce.formula.surroundings import Surroundings

__all__ = ["Formula", "FormulaError", "RuntimeFault", "Surroundings", "parse"]
