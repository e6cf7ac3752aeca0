"""The shipped installation for HubSpot, portals that hold it or something like it, and a bare portal to install into.

Not here: expectations.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.crm.hubspot.provision.definition import GROUP, Definition, Present
from connector.crm.hubspot.provision.desired import desired
from connector.crm.hubspot.provision.installer import HubSpotInstaller, open_portal
from connector.crm.hubspot.provision.portal import Account, Pipeline, PortalState, Room
from connector.crm.hubspot.session import Waits
from connector.crm.installer import Choices, Do, Ending, Line, Survey
from connector.handoff.model import Stage, SystemName
from connector.policy.load import load
from connector.sandbox import control
from connector.sandbox.hubspot import schema
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

HS = SystemName("hs")
LOADED = load(Path(__file__).parents[1] / "mappings", {HS: "hubspot"})
POLICY, MAP = LOADED.policies[HS], LOADED.maps[HS]
WANTED = desired(MAP, POLICY)

SALES = Pipeline(
    "default",
    "Sales Pipeline",
    (
        Stage("contractsent", "Contract Sent", is_won=False, is_closed=False, pipeline="default"),
        Stage("closedwon", "Signed", is_won=True, is_closed=True, pipeline="default"),
    ),
)


def as_there(definition: Definition, **changes: Any) -> Present:
    """A definition as a portal shows it."""
    given = {field.name: getattr(definition, field.name) for field in dataclasses.fields(Definition)}
    return Present(**{**given, "hint": "", **changes})


def wanted(key: str) -> Definition:
    """One of the properties to be made, by object and name."""
    return next(one.definition for one in WANTED.wanted if one.definition.key == key)


OURS = tuple(one.definition for one in WANTED.wanted if one.definition.name.startswith("handoff_"))
SHIPPED = tuple(
    as_there(one.definition, shipped=True, description="", group="information")
    for one in (*WANTED.wanted, *WANTED.unnamed)
    if not one.definition.name.startswith("handoff_")
)


def a_state(*there: Present, **changes: Any) -> PortalState:
    """A portal with HubSpot's own properties and these."""
    named: dict[str, dict[str, Present]] = {name: {} for name in WANTED.objects}
    for one in (*SHIPPED, *there):
        named[one.object][one.name] = one
    groups = {name: frozenset({one.group for one in found.values()} & {GROUP}) for name, found in named.items()}
    given = {"properties": named, "groups": groups, "pipelines": (SALES,), "room": Room(10_000, 0)}
    return PortalState(Account("4242001", "SANDBOX"), **{**given, **changes})


@dataclass(slots=True)
class Bare:
    """A portal as a customer has it on day one, served on loopback, and the installer without any real waiting."""

    sandbox: Sandbox
    waited: list[float]

    @property
    def world(self) -> World:
        """What stands in it."""
        return self.sandbox.hs

    def installer(self, *, admin: str = "", own: str = schema.TOKEN, **changes: Any) -> HubSpotInstaller:
        """As the command opens it."""
        given: dict[str, Any] = {"name": HS, "crm_map": MAP, "policy": POLICY, "own": own, "app": None, "admin": admin}
        waits = Waits(clock=self.world.clock, wait=self.waited.append)
        return open_portal(**{**given, "base_url": self.sandbox.hs_url, "waits": waits, **changes})

    def look(self, **choices: Any) -> Survey:
        """What it plans."""
        return self.installer().look(Choices(**choices))

    def apply(self, *, changes: dict[str, Any] | None = None, **choices: Any) -> tuple[Survey, Ending, Survey]:
        """What it planned, how it ended, and what is left then."""
        installer, chosen = self.installer(**(changes or {})), Choices(**choices)
        before = installer.look(chosen)
        ended = installer.carry_out(told=lambda _: None)
        return before, ended, installer.look(chosen)

    def properties(self, object_name: str, *, archived: bool = False) -> dict[str, Any]:
        """The properties of a type that the portal did not ship with, as the API shows them."""
        query = {"archived": "true"} if archived else None
        session = self.installer().session
        told = session.get("test", session.paths.properties(object_name), query=query)
        return {each["name"]: each for each in told["results"] if not each["hubspotDefined"]}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A write of an admin's own."""
        return self.installer().session.change("test", method, path, body)

    def writes(self) -> list[str]:
        """What was written so far, without the batches that have no row."""
        calls = [call for call in self.world.journal.calls(system="hs") if call.write and call.status < 400]
        return [f"{call.method} {call.path}" for call in calls]


@contextlib.contextmanager
def bare_portal() -> Iterator[Bare]:
    """A sandbox whose portal has nothing of ours."""
    with Sandbox.running(bare_hubspot=True) as sandbox:
        yield Bare(sandbox, [])


def emptied(bare: Bare) -> Bare:
    """The same portal as on day one."""
    world = bare.world
    world.clear()
    for name in [name for name in world.settings if name != "bare"]:
        del world.settings[name]
    # Nobody waits in real time here, so nothing is counted in real time either.
    world.settings |= {"search_per_second": 0, "burst_limit": 10_000}
    world.faults.clear()
    world.journal.clear()
    schema.furnish(world)
    control.furnish_people({"hs": world})
    bare.waited.clear()
    return bare


def lines(survey: Survey, *kinds: Do) -> dict[str, Line]:
    """The lines of these kinds by name."""
    return {item.name: item for item in survey.plan.of(*kinds)}
