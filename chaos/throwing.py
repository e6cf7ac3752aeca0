"""Callers at the doors, each a process of its own: those who throw bad requests, and the honest one who is timed.

Not here: what is thrown (``badbodies``) and what became of it all (``doors``).
"""

from __future__ import annotations

import http.client
import multiprocessing
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chaos import guard
from chaos.badbodies import CLOSED, KINDS, Shot, Target

PATIENCE = 15.0
"""Seconds for any answer; a server that takes longer counts as one that hangs."""

HANGS = -1
THREADS = 8
"""Of one thrower: with two of them, fewer connections than one caller may have."""

REPLAYED = "replayed as it came"
PACE = 0.05
"""Seconds between two honest deliveries at each door."""


@dataclass(slots=True)
class Thrown:
    """What one thrower saw: how often each kind was thrown at each door, and the answers that must not be."""

    count: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Honest:
    """What the honest caller saw: seconds of each delivery, marks of those that were taken, and what was refused."""

    seconds: list[float] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def throw(
    port: int, targets: Sequence[Target], replays: Sequence[tuple[str, bytes]], *, seed: int, times: int, out: Any
) -> None:
    """Throw so many bad requests and put a `Thrown` into the queue ``out``."""
    guard.lane()
    threads, results = [], [Thrown() for _ in range(THREADS)]
    for number, result in enumerate(results):
        share = times // THREADS + (number < times % THREADS)
        arguments = (port, targets, replays, random.Random(seed * 1000 + number), share, result)
        threads.append(threading.Thread(target=_throw, args=arguments))
        threads[-1].start()
    for thread in threads:
        thread.join()
    whole = Thrown()
    for each in results:
        whole.count += each.count
        whole.answers += each.answers
        whole.wrong += each.wrong
    out.put(whole)


def _throw(
    port: int,
    targets: Sequence[Target],
    replays: Sequence[tuple[str, bytes]],
    chance: random.Random,
    times: int,
    result: Thrown,
) -> None:
    kinds = [*KINDS, REPLAYED]
    weights = [*(weight for _, weight in KINDS.values()), 1.0]
    for kind in chance.choices(kinds, weights, k=times):
        if kind == REPLAYED:
            door, data = chance.choice(replays)
            shot = Shot(data, may=frozenset({200, 204, 401}))
        else:
            target = chance.choice(targets)
            door, shot = target.door, KINDS[kind][0](chance, target)
        answer = fire(port, shot)
        result.count[kind, door] += 1
        result.answers[answer] += 1
        if answer not in shot.may:
            result.wrong.append(f"{kind} at {door}: answered {answer}: {shot.data[:300]!r}")


def fire(port: int, shot: Shot, *, source: str = "127.0.0.1") -> int:
    """Send it; the status of the answer, `CLOSED` for none, `HANGS` for one that does not come."""
    said = b""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0)) as line:
            with suppress(BrokenPipeError, ConnectionResetError):
                line.sendall(shot.data)
                if shot.hang_up:
                    line.shutdown(socket.SHUT_WR)
            while b"\r\n" not in said:
                more = line.recv(4096)
                if not more:
                    break
                said += more
    except TimeoutError:
        return HANGS
    except OSError:
        pass
    parts = said.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[0].startswith(b"HTTP/") and parts[1].isdigit() else CLOSED


def be_honest(port: int, targets: Sequence[Target], *, seed: int, there: Any, stop: Any, out: Any) -> None:
    """Deliver good things at a steady pace until told to stop, and put an `Honest` into the queue ``out``."""
    guard.lane()
    there.set()
    found = [Honest() for _ in targets]
    threads = [
        threading.Thread(target=_deliver, args=(port, target, random.Random(seed + number), stop, found[number]))
        for number, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Honest()
    for each in found:
        whole.seconds += each.seconds
        whole.taken += each.taken
        whole.refused += each.refused
    out.put(whole)


def _deliver(port: int, target: Target, chance: random.Random, stop: Any, result: Honest) -> None:
    while not (stop.is_set() or _left_alone()):
        mark = f"honest-{chance.getrandbits(64):x}"
        body = target.body(chance, mark)
        began = time.monotonic()
        try:
            # A connection each, like a vendor that comes by many machines: getting one is part of the time.
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            line.request("POST", target.path, body, target.headers(body))
            status = line.getresponse().status
            line.close()
        except (OSError, http.client.HTTPException) as error:
            result.refused.append(f"{target.door}: {type(error).__name__}: {error}")
        else:
            result.seconds.append(time.monotonic() - began)
            if status in (200, 204):
                result.taken.append((target.door, mark))
            else:
                result.refused.append(f"{target.door}: answered {status}")
        stop.wait(max(0.0, PACE - (time.monotonic() - began)))


def dawdle(port: int, targets: Sequence[Target], *, lines: int, seed: int, there: Any, stop: Any, out: Any) -> None:
    """Hold so many connections open from one other address and send next to nothing by them, until told to stop.

    Puts into ``out`` how many connections that took: each that the server closes is opened anew.
    """
    guard.lane()
    there.set()
    chance, opened = random.Random(seed), 0
    held: list[tuple[socket.socket, bytes]] = []
    while not (stop.is_set() or _left_alone()):
        while len(held) < lines:
            target = chance.choice(targets)
            body = target.body(chance)
            head = "".join(f"{name}: {value}\r\n" for name, value in target.headers(body).items())
            text = f"POST {target.path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 5000\r\n\r\n".encode() + body
            try:
                line = socket.create_connection(("127.0.0.1", port), 2, source_address=("127.0.0.9", 0))
            except OSError:
                break
            opened += 1
            line.settimeout(0)
            start = chance.choice((1, 20, len(text) - len(body), len(text)))
            with suppress(OSError):
                line.send(text[:start])
            held.append((line, text[start:]))
        still = []
        for line, rest in held:
            try:
                line.send(rest[:1] or b" ")
                if line.recv(1) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                still.append((line, rest[1:]))
            except OSError:
                line.close()
            else:
                line.close()
        held = still
        stop.wait(0.25)
    for line, _ in held:
        line.close()
    out.put(opened)


def _left_alone() -> bool:
    """Whether the run that this caller belongs to is no more."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
