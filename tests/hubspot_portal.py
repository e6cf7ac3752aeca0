"""A HubSpot portal for edge cases: answers what a test scripted, over real loopback HTTP, and remembers what was asked.

Not the sandbox: it knows nothing of records. What no script covers is answered by ``otherwise``.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from connector.clock import ManualClock
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.handoff.model import DealType, Kind, SystemName
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import CrmMap, MappedField

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

_FIELDS = (
    ("name", Kind.DEAL, "dealname", FieldType.TEXT),
    ("stage", Kind.DEAL, "dealstage", FieldType.CHOICE),
    ("close_date", Kind.DEAL, "closedate", FieldType.DATE),
    ("type", Kind.DEAL, "dealtype", FieldType.CHOICE),
    ("owner", Kind.DEAL, "hubspot_owner_id", FieldType.PERSON),
    ("why_bought", Kind.DEAL, "handoff_why_bought", FieldType.LONG_TEXT),
    ("use_case", Kind.DEAL, "handoff_use_case", FieldType.LONG_TEXT),
    ("risks", Kind.DEAL, "handoff_risks", FieldType.LONG_TEXT),
    ("override_requested", Kind.DEAL, "handoff_override", FieldType.BOOL),
    ("status", Kind.DEAL, "handoff_status", FieldType.CHOICE),
    ("missing", Kind.DEAL, "handoff_missing", FieldType.LONG_TEXT),
    ("summary", Kind.DEAL, "handoff_summary", FieldType.LONG_TEXT),
    ("metric_ttft_hours", Kind.DEAL, "handoff_ttft_hours", FieldType.NUMBER),
    ("amount", Kind.DEAL, "amount", FieldType.NUMBER),
    ("gate", Kind.DEAL, "handoff_gate", FieldType.CHOICE),
    ("percent", Kind.DEAL, "handoff_percent", FieldType.NUMBER),
    ("csm", Kind.DEAL, "handoff_csm", FieldType.PERSON),
    ("started_at", Kind.DEAL, "handoff_started_at", FieldType.DATETIME),
    ("go_live_date", Kind.DEAL, "handoff_go_live_date", FieldType.DATE),
    ("account.name", Kind.ACCOUNT, "name", FieldType.TEXT),
    ("account.country", Kind.ACCOUNT, "country", FieldType.TEXT),
    ("account.csm", Kind.ACCOUNT, "handoff_csm", FieldType.PERSON),
    ("task.subject", Kind.TASK, "hs_task_subject", FieldType.TEXT),
    ("task.key", Kind.TASK, "handoff_key", FieldType.TEXT),
    ("note.key", Kind.NOTE, "handoff_key", FieldType.TEXT),
    ("meeting.key", Kind.MEETING, "handoff_key", FieldType.TEXT),
)


def a_map(**changes: Any) -> CrmMap:
    """The sandbox's names, written out by hand; the shipped mapping file is checked by its own tests."""
    fields = {
        path: MappedField(path=path, kind=kind, field=name, type=type_, owner=FieldOwner.DAEMON, label=path)
        for path, kind, name, type_ in _FIELDS
    }
    given = {"vendor": "hubspot", "objects": {}, "fields": fields, "deal_types": {"newbusiness": DealType.NEW}}
    return CrmMap(**{**given, **changes})


@dataclass
class Reply:
    """One scripted reply. ``cut`` closes the connection without a word, ``silent`` never answers."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    body: Any
    token: str


class Portal:
    """Scripted replies in order, then ``otherwise``; every request in ``asked``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.otherwise: Callable[[Asked], Reply] = lambda asked: Reply({"results": []})
        self.replies: deque[Reply] = deque()
        self.over = threading.Event()

    def say(self, *replies: Reply) -> None:
        """Answer the next requests with these."""
        self.replies.extend(replies)

    def paths(self) -> list[str]:
        """The paths asked, in order."""
        return [each.path for each in self.asked]

    def answer(self, asked: Asked) -> Reply:
        """The reply to one request."""
        self.asked.append(asked)
        return self.replies.popleft() if self.replies else self.otherwise(asked)


@contextmanager
def a_portal() -> Iterator[Portal]:
    """A portal on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            reply = portal.answer(Asked(self.command, self.path, json.loads(raw) if raw else None, token))
            if reply.silent:
                portal.over.wait()
            if reply.silent or reply.cut:
                self.close_connection = True
                return
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response_only(reply.status)
            for name, value in {"Date": format_datetime(NOW, usegmt=True), **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *args: Any) -> None:
            """Nothing: tests read what the portal remembers."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    portal = Portal(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield portal
    finally:
        portal.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Passing:
    """Time that passes only by waiting."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    waited: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """Pretend to wait."""
        self.waited.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def monotonic(self) -> float:
        """Seconds, in step with the clock."""
        return self.clock.now().timestamp()


def a_crm(portal: Portal, *, time: Passing | None = None, timeout: float = 5.0, **changes: Any) -> HubSpotCRM:
    """An adapter that talks to this portal and never really waits."""
    time = time or Passing()
    waits = Waits(clock=time.clock, monotonic=time.monotonic, wait=time.wait)
    given: dict[str, Any] = {"system": SystemName("hs"), "map": a_map(), "token": "pat-test", "base_url": portal.url}
    return HubSpotCRM(**{**given, "waits": waits, "timeout": (timeout, timeout), **changes})


def confirm(asked: Asked) -> Reply:
    """Confirm every row of a batch, as the vendor does: results by record, trace ids echoed, links both ways."""
    rows = (asked.body or {}).get("inputs", [])
    if "/associate/default" in asked.path:
        pairs = [(row["from"], row["to"]) for row in rows]
        return Reply({"status": "COMPLETE", "results": [{"from": a, "to": b} for a, b in pairs]})
    return Reply({"status": "COMPLETE", "results": [confirmed(row) for row in rows]})


def confirmed(row: dict[str, Any]) -> dict[str, Any]:
    """One confirmed row; an upserted one gets the id ``id-of-<key>``."""
    keyed = "idProperty" in row
    return {
        "id": f"id-of-{row['id']}" if keyed else row["id"],
        "properties": row["properties"],
        "updatedAt": "2026-11-20T09:30:00.123Z",
        "objectWriteTraceId": row["objectWriteTraceId"],
    }
