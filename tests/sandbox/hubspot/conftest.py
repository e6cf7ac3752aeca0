"""A portal on a free loopback port for each test, served exactly as the sandbox serves it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.sandbox.hubspot import app, schema
from connector.sandbox.hubspot.schema import TOKEN, add_owner
from connector.sandbox.rows import Row, Table
from connector.sandbox.state import SandboxClock, World
from connector.sandbox.wire import Wire

MORNING = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


@dataclass
class Portal:
    """The world behind the port, the port, and two ways to talk to it."""

    world: World
    url: str
    owner: Row
    leaver: Row
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """One request with the right token."""
        more.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
        return self.session.request(method, self.url + path, json=body, timeout=10, **more)

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The body of a request that must succeed."""
        reply = self.ask(method, path, body, **more)
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.content else None

    def table(self, name: str) -> Table:
        """The rows as they stand."""
        return self.world.table(name)

    def deal(self, **values: Any) -> Row:
        """A deal put there by a person."""
        return self.table("deals").insert({"dealname": "A deal", "dealstage": "contractsent", **values}, by="seed")

    def company(self, **values: Any) -> Row:
        """A company put there by a person."""
        return self.table("companies").insert({"name": "A company", **values}, by="seed")

    def task(self, **values: Any) -> Row:
        """A task put there by a person."""
        return self.table("tasks").insert({"hs_task_subject": "A task", **values}, by="seed")


class Port:
    """One server for all tests; each test puts its own portal behind it."""

    def __init__(self) -> None:
        # The protocol is named because asyncio sets TCP_NODELAY only then; without it every reply waits 40 ms.
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen()
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        self.app: ASGIApp | None = None
        config = uvicorn.Config(
            self._serve,
            http="h11",
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._sock]}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server and its thread."""
        self._server.should_exit = True
        self._thread.join(10)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def port() -> Iterator[Port]:
    found = Port()
    yield found
    found.close()


@pytest.fixture
def portal(port: Port) -> Iterator[Portal]:
    clock = SandboxClock()
    clock.freeze(MORNING)
    world = schema.create_world(clock)
    schema.furnish(world)
    world.settings.update(burst_limit=0, search_per_second=0)
    owner = add_owner(world, email="maya@seller.example", first="Maya", last="L", user_id=9001)
    leaver = add_owner(world, email="lena@seller.example", first="Lena", last="F", user_id=9002, active=False)
    port.app = Wire(Starlette(routes=app.routes(world)), world=world, vendor=app.VENDOR)
    found = Portal(world=world, url=port.url, owner=owner, leaver=leaver)
    yield found
    found.session.close()
