"""Change events of a Salesforce org, as its event bus pushes them over gRPC.

Not here: reading the records they speak of (``reads``) and polling, which goes on without any of this (``feeds``). The
libraries it needs come with the extra ``pubsub`` and are imported when a subscription is opened, never before.
"""

from __future__ import annotations

from importlib.util import find_spec

LIBRARIES = ("grpc", "google.protobuf", "fastavro")
INSTALL = "pip install 'handoff-connector[pubsub]'"


def installed() -> bool:
    """Whether the libraries of the extra are there."""
    try:
        return all(find_spec(each) is not None for each in LIBRARIES)
    except ModuleNotFoundError:  # a package above the one looked for is missing too
        return False
