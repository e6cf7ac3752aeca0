"""What a query would answer with, without running it: the reply to ``columns=true``, from which `sf` draws its tables.

Not the query (`soql.py`, `metadata/tooling_query.py`). The reply is described nowhere; it has what npm @salesforce/cli
2.150 reads of it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.salesforce.grammar import Query

ASKED = "columns"
CUSTOM = "__c"


def asked(parameters: Mapping[str, str]) -> bool:
    """Whether a request wants the columns instead of the rows."""
    return parameters.get(ASKED, "").lower() == "true"


def columns(query: Query, entity: str) -> dict[str, Any]:
    """The columns of a query in their order; a parent's field stands under the parent's name."""
    numbers = itertools.count()
    told = []
    for column in query.columns:
        if column.function:
            name = column.alias or f"expr{next(numbers)}"
            told.append(_column(name, shown=f"{column.function.lower()}({column.path})", aggregate=True))
            continue
        *parents, own = column.path.split(".")
        inner = _column(own, shown=column.path)
        for parent in reversed(parents):
            inner = {**_column(parent, shown=parent), "joinColumns": [inner]}
        told.append(inner)
    return {"columnMetadata": told, "entityName": entity, "groupBy": bool(query.groups)}


def _column(name: str, *, shown: str, aggregate: bool = False) -> dict[str, Any]:
    return {
        "aggregate": aggregate,
        "columnName": name,
        "custom": name.endswith(CUSTOM),
        "displayName": shown,
        "joinColumns": [],
    }
