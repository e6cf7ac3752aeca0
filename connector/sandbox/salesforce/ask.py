"""One API request in the vendor's terms, and its reply: the same for a call over HTTP and for a Composite subrequest.

Not HTTP itself: `app.py` reads the socket's request into an `Ask` and writes the `Reply` out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError, not_found
from connector.sandbox.salesforce.permissions import Sight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.state import World
    from connector.sandbox.wire import Trace


@dataclass(frozen=True, slots=True)
class Ask:
    """A request below `/services/data/vXX.X/`: `path` is what follows, split and unquoted; `body` is parsed JSON,
    or bytes when the content type is not JSON (multipart, CSV, XML)."""

    world: World
    user: Row
    version: str
    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    trace: Trace
    base_url: str = ""

    def object_type(self, name: str) -> ObjectType:
        """The whole object type a path names, in any case. Raises ApiError NOT_FOUND, also when it is hidden."""
        kind = catalog(self.world).object(name)
        if kind is None or self.sight.object(name) is None:
            raise not_found()
        return kind

    def seen_type(self, name: str) -> ObjectType:
        """The object type a path names without what the user may not see. Raises ApiError NOT_FOUND."""
        kind = self.sight.object(name)
        if kind is None:
            raise not_found()
        return kind

    @property
    def sight(self) -> Sight:
        """The org as the calling user sees it."""
        return Sight(self.world, self.user.id)

    def fields_of(self, kind: str = "object") -> dict[str, Any]:
        """The body as a JSON object. Raises ApiError JSON_PARSER_ERROR when it is none."""
        if not isinstance(self.body, dict):
            raise ApiError("JSON_PARSER_ERROR", f"The request body must be a JSON {kind}")
        return self.body

    def count(self, rows: int, *, write: bool = False) -> None:
        """Tell the journal how many records were served or written."""
        self.trace.rows += rows
        self.trace.write = self.trace.write or write


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body (JSON, bytes whose content-type stands in the headers, or None for an empty one) and headers."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
