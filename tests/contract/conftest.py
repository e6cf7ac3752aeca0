"""Lets the shared suite show what an assertion compared, and has every exchange with a HubSpot portal judged.

The judge is the vendor's own library (``hubspot_judge``): what the connector sends and what the sandbox answers must
both be what its models say, in every test of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connector.sandbox import server
from connector.sandbox.state import World
from connector.sandbox.wire import EAR

pytest.register_assert_rewrite("contract.suite")


class Bench:
    """The exchanges of one worker's tests, judged as they happen. The library is loaded at the first one."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def attend(self, world: World) -> None:
        """Listen to this portal from now on, unless somebody does already."""
        world.parts.setdefault(EAR, self._hear)

    def _hear(self, **heard: Any) -> None:
        import hubspot_judge as judge

        exchange = judge.Exchange(**heard)
        operation = judge.find(exchange)
        if operation is not None:
            self.wrong += judge.problems(exchange, operation)


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    found, create = Bench(), server.create_worlds

    def attended(*args: Any, **named: Any) -> Any:
        worlds, restored = create(*args, **named)
        found.attend(worlds["hs"])
        return worlds, restored

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "create_worlds", attended)
        yield found


@pytest.fixture(autouse=True)
def judged(bench: Bench) -> Iterator[None]:
    """No test of this folder may have the connector ask, or the sandbox answer, in another than the vendor's shape."""
    bench.wrong.clear()
    yield
    assert not bench.wrong
