"""A task and the row that keeps its key, made in one transaction: for orgs without a unique field on Activity.

Not here: when this way is taken (``keys``) and rows that already exist (``writes``). Composite Graph makes both or
neither, so a key that stands in the ledger object already keeps the second task from being made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.crm.batch import chunks
from connector.crm.salesforce.faults import odd_answer, of_row
from connector.crm.salesforce.keys import LEDGER_DEAL, LEDGER_KEY, LEDGER_OBJECT, LEDGER_RECORD
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.writing import (
    Applied,
    Refused,
    Unknown,
    WriteOutcome,
)
from connector.errors import Advice, CrmError

GRAPHS = 75
"""Graphs of one call (facts: Salesforce §3.1); each is a transaction of its own."""

MADE, KEPT = "made", "kept"
HALTED_CODE = "PROCESSING_HALTED"
HALTED = ({"errorCode": HALTED_CODE, "message": "the graph was not done and no reason was given"},)
"""After so many graphs that failed the rest is not tried (facts: Salesforce §3.1); how they are then told of is not
documented. A graph that failed left nothing behind, so it may go again."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A record to make, as it is sent, and the key and deal of its ledger row."""

    object_name: str
    values: Mapping[str, Any]
    key: str
    deal_id: str


def make(session: SalesforceSession, pairs: Sequence[Pair]) -> list[WriteOutcome]:
    """One outcome per pair, in order. Raises `CrmError` only when nothing at all was sent."""
    outcomes: list[WriteOutcome] = []
    for part in chunks(pairs, size=GRAPHS):
        outcomes += _make_part(session, part, first=not outcomes)
    return outcomes


def _make_part(session: SalesforceSession, pairs: Sequence[Pair], *, first: bool) -> list[WriteOutcome]:
    root = f"/services/data/v{session.api_version}/sobjects/"
    body = {"graphs": [_graph(pair, name=str(place), root=root) for place, pair in enumerate(pairs)]}
    try:
        answer = session.write("composite.graph", "composite/graph", method="POST", body=body)
    except CrmError as error:
        if error.fault.advice is Advice.VERIFY:
            return [Unknown(error.fault)] * len(pairs)
        if first and error.fault.advice is not Advice.PARK:
            raise
        return [Refused(error.fault)] * len(pairs)
    told = answer.get("graphs") if isinstance(answer, Mapping) else None
    by_name = {str(each.get("graphId")): each for each in told or () if isinstance(each, Mapping)}
    return [_outcome(by_name.get(str(place))) for place in range(len(pairs))]


def _graph(pair: Pair, *, name: str, root: str) -> dict[str, Any]:
    values = {field: value for field, value in pair.values.items() if field != "attributes"}
    kept = {LEDGER_KEY: pair.key, LEDGER_DEAL: pair.deal_id, LEDGER_RECORD: f"@{{{MADE}.id}}"}
    steps = ((MADE, pair.object_name, values), (KEPT, LEDGER_OBJECT, kept))
    return {
        "graphId": name,
        "compositeRequest": [
            {"method": "POST", "url": root + of, "referenceId": ref, "body": body} for ref, of, body in steps
        ],
    }


def _outcome(graph: Any) -> WriteOutcome:
    if not isinstance(graph, Mapping):
        return Unknown(odd_answer("a graph was sent and its answer is not there"))
    answer = graph.get("graphResponse")
    parts = (answer.get("compositeResponse") if isinstance(answer, Mapping) else None) or ()
    by_ref = {str(part.get("referenceId")): part.get("body") for part in parts if isinstance(part, Mapping)}
    if graph.get("isSuccessful"):
        made = by_ref.get(MADE)
        record_id = made.get("id") if isinstance(made, Mapping) else None
        return Applied(str(record_id)) if record_id else Unknown(odd_answer("a graph succeeded without an id"))
    errors = [each for body in by_ref.values() if isinstance(body, list) for each in body]
    causes = [each for each in errors if each.get("errorCode") != HALTED_CODE]
    return Refused(of_row(causes or errors or HALTED, key_field=LEDGER_KEY))
