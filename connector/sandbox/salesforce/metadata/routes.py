"""The paths of the Metadata and Tooling APIs below /services/data/vXX.X/, and what happens before any other request.

Not the dispatching (`app.py`) and not SOAP, which has one path for all calls (`soap.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata import requests, rest, tooling

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.salesforce.ask import Ask, Reply

DEPLOYS = ("metadata", "deployrequest")
ROUTES: dict[tuple[str, ...], dict[str, tuple[str, Callable[[Ask], Reply]]]] = {
    DEPLOYS: {"POST": ("metadata.deploy", rest.post)},
    (*DEPLOYS, "*"): {"GET": ("metadata.status", rest.get), "PATCH": ("metadata.cancel", rest.patch)},
    ("tooling", "query"): {"GET": ("tooling.query", tooling.query)},
    ("tooling", "sobjects", "*"): {"POST": ("tooling.create", tooling.create)},
    ("tooling", "sobjects", "*", "*"): {
        "GET": ("tooling.get", tooling.read),
        "PATCH": ("tooling.update", tooling.update),
        "DELETE": ("tooling.delete", tooling.delete),
    },
}


def settle_before(ask: Ask) -> None:
    """Work off deploys that wait, unless the request only looks at one."""
    if len(ask.path) != len(DEPLOYS) + 1 or tuple(s.lower() for s in ask.path[:2]) != DEPLOYS:
        requests.settle(ask.world)
