"""The sandbox as a process: three loopback ports in one event loop and a gRPC port, or the same in a thread for tests.

Not a vendor and not a screen: it only puts worlds, vendor apps and the control API together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

from connector.sandbox import control
from connector.sandbox.control import PACKAGES
from connector.sandbox.faults import Faults
from connector.sandbox.hubspot.feeds import webhooks
from connector.sandbox.hubspot.feeds.desk import FeedDesk
from connector.sandbox.journal import Journal
from connector.sandbox.salesforce.pubsub.desk import Desk
from connector.sandbox.state import Message, SandboxClock, World
from connector.sandbox.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
VENDORS = {name: f"connector.sandbox.{package}" for name, package in PACKAGES.items()}
PUBSUB_LIBRARIES = ("grpc", "google", "fastavro")
CLOCK_FILE = "clock.json"
DRAIN_S = 1
# Longer than any client's pause between two looks at a job: closing sooner would break a call that is on its way.
KEEP_ALIVE_S = 75
START_WAIT_S = 30.0
DEFAULT_DEALS = 200


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on loopback; 0 takes a free one."""

    control: int = 8700
    sf: int = 8701
    hs: int = 8702
    pubsub: int = 0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the sandbox listens, as base URLs without a trailing slash.

    `pubsub` is host and port of the Salesforce org's Pub/Sub API, empty without the libraries of the extra `pubsub`.
    """

    control: str
    sf: str
    hs: str
    pubsub: str = ""


def create_worlds(
    folder: Path | None, *, fresh: bool = False, bare_salesforce: bool = False, bare_hubspot: bool = False
) -> tuple[dict[str, World], bool]:
    """The worlds of both vendors on one clock, journal and fault list; the flag says whether a folder held a state.

    A bare org or portal lacks the handoff fields; one that a folder holds already stays what it is.
    """
    clock = SandboxClock()
    journal, faults, messages = Journal(), Faults(), list[Message]()
    worlds: dict[str, World] = {}
    bare = {"sf": bare_salesforce, "hs": bare_hubspot}
    found = False
    if folder is not None and fresh:
        for path in (*(folder / f"{name}.jsonl" for name in VENDORS), folder / CLOCK_FILE):
            path.unlink(missing_ok=True)
    for name, package in VENDORS.items():
        schema = import_module(f"{package}.schema")
        world: World = schema.create_world(clock, bare=bare[name])
        # One chat sink stands beside both systems, as do one journal and one list of faults.
        world.journal, world.faults, world.messages = journal, faults, messages
        if folder is not None:
            found = world.attach(folder) or found
        schema.furnish(world)
        world.flush()
        worlds[name] = world
    if folder is not None:
        load_clock(clock, folder)
    return worlds, found


def build(worlds: dict[str, World], *, folder: Path | None = None) -> dict[str, ASGIApp]:
    """One ASGI app per port: "control", "sf" and "hs"."""
    apps: dict[str, ASGIApp] = {}
    for name, world in worlds.items():
        vendor_app = import_module(f"{VENDORS[name]}.app")
        app = Starlette(routes=[*vendor_app.routes(world), *_screens(world), Route("/", _to_screens)])
        apps[name] = Wire(app, world=world, vendor=vendor_app.VENDOR)
    apps["control"] = control.app(worlds, keep_clock=lambda: save_clock(worlds, folder))
    return apps


def serve(
    *,
    folder: Path | None,
    ports: Ports,
    seed: int | None,
    fresh: bool,
    on_ready: Callable[[Addresses], None],
    prepare: Callable[[dict[str, World]], None] | None = None,
    deals: int = DEFAULT_DEALS,
    bare_salesforce: bool = False,
    bare_hubspot: bool = False,
) -> None:
    """Run until SIGINT or SIGTERM, then save and return. `prepare` may fill the worlds before the ports open.

    A folder that holds a state is continued, not seeded again. Raises OSError when a port is taken.
    """
    worlds, found = create_worlds(folder, fresh=fresh, bare_salesforce=bare_salesforce, bare_hubspot=bare_hubspot)
    if not found:
        control.furnish_people(worlds)
        if seed is not None:
            control.fill(worlds, seed=seed, deals=deals)
    if prepare:
        prepare(worlds)
    for world in worlds.values():
        world.flush()
    running = _Running(worlds, build(worlds, folder=folder), ports)
    try:
        asyncio.run(running.until_signal(on_ready))
    finally:
        close(worlds, folder)


class Sandbox:
    """A sandbox in a thread of this process.

    `with Sandbox.running() as sb:` gives `sb.sf_url`, `sb.hs_url`, `sb.control_url` and the worlds `sb.sf`, `sb.hs`.
    """

    def __init__(
        self,
        *,
        folder: Path | None,
        seed: int | None,
        deals: int,
        ports: Ports,
        bare_salesforce: bool = False,
        bare_hubspot: bool = False,
    ) -> None:
        self._folder = folder
        worlds, found = create_worlds(folder, bare_salesforce=bare_salesforce, bare_hubspot=bare_hubspot)
        if not found:
            control.furnish_people(worlds)
            if seed is not None:
                control.fill(worlds, seed=seed, deals=deals)
        self.worlds = worlds
        self._running = _Running(worlds, build(worlds, folder=folder), ports)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._failure: BaseException | None = None
        self._addresses: Addresses | None = None

    @classmethod
    @contextlib.contextmanager
    def running(
        cls,
        *,
        folder: Path | None = None,
        seed: int | None = None,
        deals: int = DEFAULT_DEALS,
        ports: Ports | None = None,
        bare_salesforce: bool = False,
        bare_hubspot: bool = False,
    ) -> Iterator[Self]:
        """Start on free ports, yield, and stop. Without a seed the org holds schema and people only.

        `bare_salesforce` gives an org without the handoff fields, `bare_hubspot` such a portal.
        """
        free = ports or Ports(control=0, sf=0, hs=0)
        sandbox = cls(
            folder=folder,
            seed=seed,
            deals=deals,
            ports=free,
            bare_salesforce=bare_salesforce,
            bare_hubspot=bare_hubspot,
        )
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.stop()

    def start(self) -> None:
        """Open the ports. Raises what kept them from opening."""
        self._thread.start()
        self._ready.wait(START_WAIT_S)
        if self._failure is not None:
            raise RuntimeError("the sandbox did not start") from self._failure

    def stop(self) -> None:
        """Close the ports and save."""
        self._running.stop()
        self._thread.join(START_WAIT_S)
        close(self.worlds, self._folder)

    @property
    def addresses(self) -> Addresses:
        """Where it listens. Raises RuntimeError before `start`."""
        if self._addresses is None:
            raise RuntimeError("the sandbox is not running")
        return self._addresses

    @property
    def sf_url(self) -> str:
        """Base URL of the Salesforce org."""
        return self.addresses.sf

    @property
    def hs_url(self) -> str:
        """Base URL of the HubSpot portal."""
        return self.addresses.hs

    @property
    def control_url(self) -> str:
        """Base URL of the control API."""
        return self.addresses.control

    @property
    def pubsub_address(self) -> str:
        """Host and port of the org's Pub/Sub API, empty without the extra `pubsub`."""
        return self.addresses.pubsub

    @property
    def pubsub(self) -> Desk:
        """What a test may do to the org's change events."""
        return Desk(self.sf)

    @property
    def feeds(self) -> FeedDesk:
        """What a test may do to the portal's webhooks, journal and tokens."""
        return FeedDesk(self.hs)

    @property
    def sf(self) -> World:
        """The Salesforce org's rows."""
        return self.worlds["sf"]

    @property
    def hs(self) -> World:
        """The HubSpot portal's rows."""
        return self.worlds["hs"]

    @property
    def clock(self) -> SandboxClock:
        """The clock both share."""
        return self.sf.clock

    def _run(self) -> None:
        try:
            asyncio.run(self._running.until_stopped(self._on_ready))
        except BaseException as error:  # noqa: BLE001 - carried to the thread that called start
            self._failure = error
        finally:
            self._ready.set()

    def _on_ready(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._ready.set()


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to the sandbox: three servers share one loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Running:
    """The three servers in one event loop."""

    def __init__(self, worlds: dict[str, World], apps: dict[str, ASGIApp], ports: Ports) -> None:
        self._worlds = worlds
        self._ports = ports
        self._servers = {name: _Quiet(_config(app)) for name, app in apps.items()}

    def stop(self) -> None:
        """Let every server drain and end; callable from any thread."""
        for server in self._servers.values():
            server.should_exit = True

    async def until_signal(self, on_ready: Callable[[Addresses], None]) -> None:
        """Serve until SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        await self.until_stopped(on_ready)

    async def until_stopped(self, on_ready: Callable[[Addresses], None]) -> None:
        """Serve until `stop`."""
        sockets = {name: _listen(getattr(self._ports, name)) for name in self._servers}
        pubsub = _pubsub(self._worlds["sf"], port=self._ports.pubsub, org_port=sockets["sf"].getsockname()[1])
        try:
            await self._serve(sockets, f"{HOST}:{pubsub.port}" if pubsub else "", on_ready)
        finally:
            if pubsub:
                pubsub.stop()

    async def _serve(
        self, sockets: dict[str, socket.socket], pubsub: str, on_ready: Callable[[Addresses], None]
    ) -> None:
        tasks = [asyncio.create_task(s.serve(sockets=[sockets[n]])) for n, s in self._servers.items()]
        while not all(server.started for server in self._servers.values()):
            await asyncio.sleep(0.01)
            if any(task.done() for task in tasks):
                break
        else:
            urls = {name: f"http://{HOST}:{sock.getsockname()[1]}" for name, sock in sockets.items()}
            on_ready(Addresses(**urls, pubsub=pubsub))
        await asyncio.gather(*tasks)


def _pubsub(world: World, *, port: int, org_port: int) -> Any:
    # Three libraries that nobody needs who only polls: without them the sandbox has one port less.
    try:
        module = import_module("connector.sandbox.salesforce.pubsub.server")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in PUBSUB_LIBRARIES:
            raise
        return None
    server = module.Server(world, port=port, org_port=org_port)
    server.start()
    return server


def load_clock(clock: SandboxClock, folder: Path) -> None:
    """Set the clock as it was saved in the folder, if it was."""
    path = folder / CLOCK_FILE
    if path.exists():
        saved = json.loads(path.read_text(encoding="utf-8"))
        clock.offset = timedelta(seconds=saved["offset_s"])
        clock.frozen_at = datetime.fromisoformat(saved["frozen_at"]) if saved["frozen_at"] else None


def save_clock(worlds: dict[str, World], folder: Path | None) -> None:
    """Write how the clock stands; a no-op without a folder."""
    if folder is None:
        return
    clock = next(iter(worlds.values())).clock
    frozen = clock.frozen_at.isoformat() if clock.frozen_at else None
    text = json.dumps({"offset_s": clock.offset.total_seconds(), "frozen_at": frozen})
    (folder / CLOCK_FILE).write_text(text, encoding="utf-8")


def close(worlds: dict[str, World], folder: Path | None) -> None:
    """Save and close every state file."""
    save_clock(worlds, folder)
    webhooks.deliverer(worlds["hs"]).close()
    for world in worlds.values():
        world.detach()


def _screens(world: World) -> list[BaseRoute]:
    routes: list[BaseRoute] = import_module("connector.sandbox.screens.app").routes(world)
    return routes


async def _to_screens(_request: Request) -> RedirectResponse:
    return RedirectResponse("/ui/")


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's delay off only for sockets that name their protocol.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, port))
    return sock
