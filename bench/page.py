"""Point 14: how long the page for leadership takes the server, over 10,000 and 100,000 handoffs on both databases.

Not here: a browser and a network. A view is asked of the application in this process, and its whole answer taken. The
floor is what any page over the same handoffs pays: the same rows, only the columns that are shown, read by the
database's own library and thrown away.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry
from sqlalchemy import text
from starlette.types import ASGIApp, Message

from bench.latency import percentile
from bench.many import NOW, fill
from bench.report import Point, Table, Target, count
from chaos.weather_postgres import installed, running
from connector.clock import ManualClock
from connector.handoff.measures.catalogue import PER_HANDOFF
from connector.handoff.rulebook.watch import Targets
from connector.settings import WebSettings
from connector.store import Store, open_store
from connector.web.app import Pages, create_app
from connector.web.leadership.board import Book
from connector.web.status import Status

SIZES, QUICK_SIZES = (10_000, 100_000), (2_000,)
TARGET_SIZE, LIMIT_MS = 10_000, 100.0
ASKED, QUICK_ASKED = 15, 5
VIEWS: Mapping[str, str] = {
    "the page, last quarter": "/leadership",
    "the page, all days": "/leadership?since=all",
    "one CSM, all days": "/leadership?since=all&csm=005CS001",
    "segment, tier and source": "/leadership?since=all&segment=SMB&tier=A&source=Partner",
    "by hour of the win": "/leadership?by=hour",
    "by hour of the win, all days": "/leadership?since=all&by=hour",
    "by AE, all days": "/leadership?since=all&by=ae",
    "deals behind a number": "/leadership/deals?since=all&of=ttft:missed",
    "the same, page 20": "/leadership/deals?since=all&of=ttft:missed&page=20",
    "all deals, page 100": "/leadership/deals?since=all&page=100",
    "promises to keep": "/leadership/deals?since=all&of=due",
    "the table as CSV": "/leadership.csv",
    "the same, all days": "/leadership.csv?since=all",
    "deals behind a number as CSV": "/leadership/deals.csv?since=all&of=ttft:missed",
    "all deals as CSV": "/leadership/deals.csv?since=all",
}
ALL_ROWS = "select won_week, {columns} from figure"


@dataclass(frozen=True, slots=True)
class Timed:
    """One view on one database: milliseconds to its whole answer, those of them that this process worked (SQLite's
    work is among them, PostgreSQL's is not), and its size in bytes."""

    database: str
    handoffs: int
    view: str
    took: tuple[float, ...]
    worked: tuple[float, ...]
    size: int
    floor: float


def run(*, quick: bool) -> Point:
    """Fill, ask each view, and hold it against the floor."""
    began = time.monotonic()
    timed: list[Timed] = []
    for handoffs in QUICK_SIZES if quick else SIZES:
        for database, store in _stores():
            fill(store, handoffs)
            if not store._db.is_sqlite:
                with store._db.write() as connection:
                    connection.execute(text("analyze figure"))
            timed += _measure(store, database, handoffs, QUICK_ASKED if quick else ASKED)
    return Point(
        name="page",
        title="14. The page for leadership",
        tables=tuple(_table(timed, size) for size in sorted({each.handoffs for each in timed})),
        targets=tuple(
            Target(f"{each.view}, {each.database}, {count(each.handoffs)} handoffs", median(each.took), LIMIT_MS, "ms")
            for each in timed
            if each.handoffs == TARGET_SIZE
        ),
        notes=(
            "Floor: every row's shown columns read by the database's own library, without the page.",
            "Worked: processor time of this process; on PostgreSQL the server's comes on top.",
        ),
        seconds=time.monotonic() - began,
    )


def _stores() -> Iterator[tuple[str, Store]]:
    """An empty ledger on each database that is at hand."""
    with (
        tempfile.TemporaryDirectory(prefix="handoff-bench-") as folder,
        _opened(f"sqlite:///{folder}/page.db") as store,
    ):
        yield "SQLite", store
    if installed():
        with running() as server, _opened(server.url()) as store:
            yield "PostgreSQL", store


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    store = open_store(url, clock=ManualClock(NOW))
    try:
        yield store
    finally:
        store.close()


def _measure(store: Store, database: str, handoffs: int, times: int) -> list[Timed]:
    book = Book(store, Targets(), ZoneInfo("UTC"), ("sf",), lambda: NOW)
    web = WebSettings(host="127.0.0.1", port=0, enabled=True, hooks_host="", hooks_port=0)
    status = Status(at=NOW, systems=(), parked=(), decisions=())
    app = create_app(Pages(lambda: status, CollectorRegistry(), web, book=book))
    floor = min(_read_all(store) for _ in range(3))
    found = []
    for view, path in VIEWS.items():
        took, worked, size = asyncio.run(_asked(app, path, times))
        found.append(Timed(database, handoffs, view, took, worked, size, floor))
    return found


def _read_all(store: Store) -> float:
    """Milliseconds to read every row, with the database's own library."""
    statement = ALL_ROWS.format(columns=", ".join(f"m_{one.key}" for one in PER_HANDOFF))
    with store._db.read() as connection:
        cursor = connection.connection.cursor()
        began = time.perf_counter()
        cursor.execute(statement)
        cursor.fetchall()
        return (time.perf_counter() - began) * 1000


async def _asked(app: ASGIApp, address: str, times: int) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """A view asked so many times, after once to warm up: milliseconds of each, those worked, and an answer's bytes."""
    path, _, query = address.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    took: list[float] = []
    worked: list[float] = []
    size = 0
    for _ in range(times + 1):
        answer: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message, kept: list[Message] = answer) -> None:
            kept.append(message)

        began, begun = time.perf_counter(), time.process_time()
        await app(dict(scope), receive, send)
        took.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - begun) * 1000)
        if answer[0]["status"] != 200:
            raise RuntimeError(f"{address} was answered {answer[0]['status']}")
        size = sum(len(each.get("body", b"")) for each in answer)
    return tuple(took[1:]), tuple(worked[1:]), size


def _table(timed: list[Timed], handoffs: int) -> Table:
    rows = [each for each in timed if each.handoffs == handoffs]
    return Table(
        f"{count(handoffs)} handoffs, won over a year",
        ("Database", "View", "p50 ms", "p95 ms", "Longest ms", "Worked ms", "KB", "Floor ms", "Over floor"),
        tuple(
            (
                *(each.database, each.view, f"{median(each.took):.1f}", f"{percentile(each.took, 95):.1f}"),
                *(f"{max(each.took):.1f}", f"{median(each.worked):.1f}"),
                *(f"{each.size / 1024:.0f}", f"{each.floor:.1f}"),
                f"{median(each.took) / each.floor:.2f}",
            )
            for each in rows
        ),
    )
