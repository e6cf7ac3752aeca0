"""The control API: what a test or a person may do to the sandbox that no vendor offers.

Not a vendor API: nothing the connector runs may call it, except the chat sink, which stands for a chat service.
"""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from connector.sandbox.hubspot.feeds.desk import ACTIONS as FEED_ACTIONS
from connector.sandbox.hubspot.feeds.desk import FeedDesk
from connector.sandbox.rows import Missing, NotUnique, Refused
from connector.sandbox.salesforce.pubsub.desk import ACTIONS, Desk
from connector.sandbox.wording import Json, act, body_of, instant, need, refused, settled, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from connector.sandbox.state import World

Worlds = dict[str, "World"]
PERSON = "a person"
PACKAGES = {"sf": "salesforce", "hs": "hubspot"}
"""System name -> package of the vendor under `connector.sandbox`."""


def furnish_people(worlds: Worlds) -> None:
    """Give both systems the people who work there."""
    import_module("connector.sandbox.seed").people(worlds)


def fill(worlds: Worlds, *, seed: int, deals: int) -> Any:
    """Give both systems a believable book of business."""
    with ExitStack() as past:
        for world in worlds.values():
            past.enter_context(world.history())
        return import_module("connector.sandbox.seed").fill(worlds, seed, deals)


def load(world: World, folder: Path) -> Any:
    """Load a folder of CSV files into one system and report it."""
    with world.history():
        return import_module("connector.sandbox.load").load_folder(world, folder)


def app(worlds: Worlds, *, keep_clock: Callable[[], None]) -> Starlette:
    """The ASGI app of the control port."""
    return Starlette(routes=_Control(worlds, keep_clock).routes(), exception_handlers={HTTPException: refused})


class _Control:
    def __init__(self, worlds: Worlds, keep_clock: Callable[[], None]) -> None:
        self._worlds = worlds
        self._keep_clock = keep_clock
        first = next(iter(worlds.values()))
        self._clock, self._journal, self._faults = first.clock, first.journal, first.faults

    def routes(self) -> list[Route]:
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Any]]], ...] = (
            ("GET", "/", self.about),
            ("POST", "/reset", self.reset),
            ("POST", "/seed", self.seed),
            ("POST", "/load", self.load),
            ("GET", "/clock", self.clock),
            ("POST", "/clock", self.set_clock),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/journal", self.journal),
            ("GET", "/journal/counts", self.journal_counts),
            ("DELETE", "/journal", self.clear_journal),
            ("GET", "/tally", self.tally),
            ("POST", "/play", self.start_play),
            ("GET", "/play", self.play),
            ("GET", "/people", self.people),
            ("POST", "/settings", self.settings),
            ("POST", "/token", self.token),
            ("POST", "/merge", self.merge),
            ("POST", "/undelete", self.undelete),
            ("POST", "/touch", self.touch),
            ("GET", "/pubsub", self.pubsub),
            ("POST", "/pubsub", self.do_pubsub),
            ("GET", "/feeds", self.feeds),
            ("POST", "/feeds", self.do_feeds),
            ("GET", "/record", self.record),
            ("GET", "/records", self.records),
            ("POST", "/record", self.write_record),
            ("POST", "/sink/chat", self.sink),
            ("GET", "/sink/messages", self.messages),
        )
        return [Route(path, _answer(do, self._worlds), methods=[method]) for method, path, do in table]

    # what it is

    async def about(self, _request: Request) -> Any:
        """Name every control path."""
        return {"systems": list(self._worlds), "paths": sorted({f"{r.path}" for r in self.routes()})}

    # worlds

    async def reset(self, request: Request) -> Any:
        """Empty one system or both; schema, settings and people stay. Both: chat messages go too."""
        body = await body_of(request)
        chosen = self._chosen(body.get("system"))
        if len(chosen) == len(self._worlds):
            self._first.messages.clear()
        for name, world in chosen.items():
            world.clear()
            import_module(f"connector.sandbox.{PACKAGES[name]}.schema").furnish(world)
        furnish_people(chosen)
        return {"reset": list(chosen)}

    async def seed(self, request: Request) -> Any:
        """Fill with a book of business: {seed, deals, systems?}."""
        body = await body_of(request)
        chosen = {n: w for n, w in self._worlds.items() if n in (body.get("systems") or list(self._worlds))}
        done = fill(chosen, seed=int(body.get("seed", 1)), deals=int(body.get("deals", 200)))
        return {"seeded": list(chosen), "result": done}

    async def load(self, request: Request) -> Any:
        """Load a folder of CSV files: {system, folder}."""
        body = await body_of(request)
        return load(self._one(body), Path(need(body, "folder")))

    async def people(self, _request: Request) -> Any:
        """Everybody who works at the selling company."""
        return [dataclasses.asdict(p) for p in import_module("connector.sandbox.people").PEOPLE]

    async def settings(self, request: Request) -> Any:
        """Change one setting of one system: {system, key, value}."""
        body = await body_of(request)
        world = self._one(body)
        world.setting(need(body, "key"), body.get("value"))
        return {"system": world.name, "settings": world.settings}

    async def token(self, request: Request) -> Any:
        """A session of a user of the Salesforce org, as an admin's own tools hold one: {username}."""
        username = need(await body_of(request), "username")
        world = self._one({"system": "sf"})
        user = world.table("User").find_unique("Username", username)
        if user is None:
            raise HTTPException(404, f"no user {username!r}")
        return {"access_token": import_module("connector.sandbox.salesforce.auth").new_token(world, user)}

    async def merge(self, request: Request) -> Any:
        """Merge records, as a person does on the screen: {master, losers, by?} for accounts of the Salesforce org.

        With {system: "hs", object} records of the portal are merged into the master, one after the other.
        """
        body = await body_of(request)
        world, package = self._place(body)
        merging = import_module(f"connector.sandbox.{package}.merging")
        named = (need(body, "master"), need(body, "losers"))
        by = body.get("by", PERSON)
        try:
            if package == "hubspot":
                return {"result": merging.merge_all(world, need(body, "object"), *named, by=by)}
            return {"moved": merging.merge_accounts(world, *named, by=by)}
        except Missing as error:
            raise HTTPException(404, f"no record {error}") from error
        except ValueError as error:
            raise HTTPException(400, str(error)) from error

    async def undelete(self, request: Request) -> Any:
        """Take a record, and what went with it, out of the recycle bin: {system? (sf), object, id, by?}."""
        body = await body_of(request)
        world, package = self._place(body)
        merging = import_module(f"connector.sandbox.{package}.merging")
        name = need(body, "object")
        self._table({"system": world.name, "object": name})
        try:
            return {"restored": merging.undelete(world, name, need(body, "id"), by=body.get("by", PERSON))}
        except Missing as error:
            raise HTTPException(404, f"{name} {error} is not in the recycle bin") from error
        except NotUnique as error:
            raise HTTPException(409, str(error)) from error

    async def touch(self, request: Request) -> Any:
        """Change many deals of the portal in one millisecond: {count, at?, by?}; missing ones are made."""
        body = await body_of(request)
        crowd = import_module("connector.sandbox.hubspot.crowd")
        at = instant(body["at"]) if "at" in body else None
        world = self._one({"system": "hs"})
        try:
            with world.lock:
                ids = crowd.touch(world, int(need(body, "count")), at=at, by=body.get("by", PERSON))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return {"touched": len(ids), "first": ids[0], "last": ids[-1]}

    # clock

    async def clock(self, _request: Request) -> Any:
        """The sandbox's time."""
        return {"now": self._clock.now(), "frozen": self._clock.frozen_at is not None}

    async def set_clock(self, request: Request) -> Any:
        """{advance: seconds}, {freeze: ISO instant} or {resume: true}."""
        body = await body_of(request)
        if body.get("resume"):
            self._clock.resume()
        if "freeze" in body:
            self._clock.freeze(instant(body["freeze"]))
        if "advance" in body:
            self._clock.advance(float(body["advance"]))
        self._keep_clock()
        return await self.clock(request)

    # faults and journal

    async def faults(self, _request: Request) -> Any:
        """The faults that can still hit."""
        return self._faults.list()

    async def add_fault(self, request: Request) -> Any:
        """Plant a fault: {system, match, kind, count?, skip?, arg?}."""
        body = await body_of(request)
        known = {key: body[key] for key in ("count", "skip", "arg") if key in body}
        try:
            return self._faults.add(
                system=body.get("system", "*"), match=body.get("match", ""), kind=need(body, "kind"), **known
            )
        except (ValueError, TypeError) as error:
            raise HTTPException(400, str(error)) from error

    async def clear_faults(self, _request: Request) -> Any:
        """Remove every fault."""
        self._faults.clear()
        return []

    async def journal(self, request: Request) -> Any:
        """Requests answered: ?system=&since=&limit=."""
        asked = request.query_params
        limit = int(asked["limit"]) if "limit" in asked else None
        return self._journal.calls(int(asked.get("since", 0)), system=asked.get("system"), limit=limit)

    async def journal_counts(self, request: Request) -> Any:
        """Requests answered, by kind: ?system=."""
        return self._journal.counts(system=request.query_params.get("system"))

    async def clear_journal(self, _request: Request) -> Any:
        """Forget every request."""
        self._journal.clear()
        return {}

    # the scripted sales period

    async def tally(self, request: Request) -> Any:
        """What stands in the systems now, judged by the sandbox."""
        tally = import_module("connector.sandbox.tally").tally
        chosen = self._chosen(request.query_params.get("system"))
        return {name: tally(world) for name, world in chosen.items()}

    async def start_play(self, request: Request) -> Any:
        """Play a sales period: {system?, deals, seed, pace}."""
        body = await body_of(request)
        scenarios = import_module("connector.sandbox.scenarios")
        return await settled(scenarios.start_play(self._chosen(body.pop("system", None)), **body))

    async def play(self, _request: Request) -> Any:
        """How far the sales period is."""
        return await settled(import_module("connector.sandbox.scenarios").progress(self._worlds))

    # change events

    async def pubsub(self, _request: Request) -> Any:
        """What is selected for change events, how many streams there are, and what is planted."""
        return Desk(self._worlds["sf"]).state()

    async def do_pubsub(self, request: Request) -> Any:
        """Make trouble with change events: {do, and what that takes}, as `salesforce/pubsub/desk.py` lists it."""
        desk = Desk(self._worlds["sf"])
        act(desk, ACTIONS, await body_of(request))
        return desk.state()

    async def feeds(self, _request: Request) -> Any:
        """Webhooks and journal of the portal: what is configured, what was delivered, what waits."""
        return FeedDesk(self._worlds["hs"]).state()

    async def do_feeds(self, request: Request) -> Any:
        """Configure the feeds of the portal or make trouble: {do, and what that takes}, see `hubspot/feeds/desk.py`."""
        desk = FeedDesk(self._worlds["hs"])
        # Some of it waits, and the ports of the vendors share this loop.
        answer = await asyncio.to_thread(act, desk, FEED_ACTIONS, await body_of(request))
        return {**desk.state(), "answer": answer}

    # raw rows

    async def record(self, request: Request) -> Any:
        """One row as it stands, deleted or not: ?system=&object=&id=."""
        asked = dict(request.query_params)
        row = self._table(asked).get(need(asked, "id"), deleted=True)
        if row is None:
            raise HTTPException(404, f"no {asked['object']} {asked['id']}")
        return shown(row, history=True)

    async def records(self, request: Request) -> Any:
        """Every live row of one object: ?system=&object=."""
        return [shown(row) for row in self._table(dict(request.query_params)).live()]

    async def write_record(self, request: Request) -> Any:
        """Write as a person: {system, object, id?, changes, by?}; no id inserts, changes null deletes."""
        body = await body_of(request)
        table, by = self._table(body), body.get("by", PERSON)
        try:
            if "id" not in body:
                return shown(table.insert(need(body, "changes"), by=by))
            if body.get("changes") is None:
                return shown(table.delete(body["id"], by=by))
            return shown(table.update(body["id"], body["changes"], by=by))
        except Missing as error:
            raise HTTPException(404, f"no {body['object']} {error}") from error
        except NotUnique as error:
            raise HTTPException(409, str(error)) from error
        except Refused as error:
            raise HTTPException(422, " ".join(words for words, _ in error.reasons)) from error

    # the chat sink

    async def sink(self, request: Request) -> Any:
        """Take one chat message; every delivery is kept, so that doubles can be counted."""
        body = await body_of(request)
        key = request.headers.get("Idempotency-Key") or body.get("key")
        return {"id": self._first.add_message(body, key).id}

    async def messages(self, _request: Request) -> Any:
        """Every chat message taken."""
        return self._first.messages

    # inside

    @property
    def _first(self) -> World:
        return next(iter(self._worlds.values()))

    def _chosen(self, system: str | None) -> Worlds:
        return {system: self._one({"system": system})} if system else self._worlds

    def _one(self, body: dict[str, Any]) -> World:
        world = self._worlds.get(need(body, "system"))
        if world is None:
            raise HTTPException(404, f"no system {body['system']!r}: choose one of {', '.join(self._worlds)}")
        return world

    def _place(self, body: dict[str, Any]) -> tuple[World, str]:
        """The system that is meant, the Salesforce org unless another is named, and its package."""
        world = self._one({"system": body.get("system", "sf")})
        return world, PACKAGES[world.name]

    def _table(self, body: dict[str, Any]) -> Any:
        world = self._one(body)
        table = world.tables.get(need(body, "object"))
        if table is None:
            raise HTTPException(404, f"no object {body['object']!r}: choose one of {', '.join(world.tables)}")
        return table


def _answer(do: Callable[[Request], Awaitable[Any]], worlds: Worlds) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        result = await do(request)
        for world in worlds.values():
            world.flush()
        return Json(result)

    return endpoint
