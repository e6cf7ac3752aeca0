"""What an audit needs of a config: a login for each system, and rules to judge by. No ledger is opened or made.

Not here: what is read (``engine.audit``). Where the config's folder of mappings is not there yet, the shipped ones are
judged by, so that credentials alone are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from connector import bootstrap
from connector.bootstrap.wires import Wires
from connector.crm.installer import Choices, Survey
from connector.crm.live import Letter
from connector.crm.port import CRM
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap
from connector.policy.load import Loaded, load, load_all
from connector.policy.shipped import shipped_mappings
from connector.settings import SystemSettings, load_settings

PROCESS = "process.toml"
"""The file without which a folder is no folder of mappings."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One system that is only read. ``calls`` counts requests by their kind, ``survey`` looks for what would fight.

    ``file`` is the mapping file that config.toml gives it, whether it is there or not.
    """

    name: SystemName
    vendor: str
    crm: CRM
    crm_map: CrmMap
    policy: Policy
    calls: Counter[str]
    survey: Callable[[], Survey]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Readings:
    """All systems of a config. ``shipped``: there are no mappings yet, so the shipped ones are judged by."""

    systems: tuple[Reading, ...]
    shipped: bool

    def chosen(self, name: str) -> tuple[Reading, ...]:
        """All, or the one named. Raises `UserError`."""
        chosen = tuple(each for each in self.systems if not name or each.name == name)
        if not chosen:
            known = ", ".join(each.name for each in self.systems)
            raise UserError([Problem("", "--system", f"no system is called {name!r}; config.toml has {known}")])
        return chosen


@dataclass(slots=True)
class NoLetters:
    """Whoever only reads gets no post."""

    def post(self, letters: Sequence[str]) -> None:
        """Nothing is kept."""

    def take(self, limit: int) -> Sequence[Letter]:
        """None."""
        del limit
        return ()

    def drop(self, upto: Sequence[int]) -> None:
        """None were taken."""

    def wait(self, seconds: float) -> None:
        """There is nothing to wait for."""


def open_readings(config: Path, *, token: str = "") -> Readings:
    """Every system of a config, for reading. No CRM is called. Raises `UserError` with every mistake.

    ``token``: an admin's access token, with which the CRM's own rules are looked at.
    """
    settings = load_settings(config)
    bootstrap.set_up_logs(settings, console=True)
    has_own = (settings.mappings / PROCESS).is_file()
    if has_own:
        loaded = load_all(config)[1]
    else:
        loaded = load(shipped_mappings(), {SystemName(each.name): each.vendor.value for each in settings.systems})
    return Readings(tuple(reading(each, loaded, token=token) for each in settings.systems), shipped=not has_own)


def reading(system: SystemSettings, loaded: Loaded, *, token: str = "") -> Reading:
    """One system for reading."""
    name = SystemName(system.name)
    calls: Counter[str] = Counter()

    def count(kind: str) -> None:
        calls[kind] += 1

    def survey() -> Survey:
        return bootstrap.INSTALLERS[system.vendor](system, loaded, token, count).look(
            Choices(rivals=True, reports=False)
        )

    quiet = system.model_copy(update={"live": None})
    return Reading(
        name=name,
        vendor=system.vendor.value,
        crm=bootstrap.build_crm(quiet, loaded.maps[name], wires=Wires(on_call=count, letterbox=NoLetters())),
        crm_map=loaded.maps[name],
        policy=loaded.policies[name],
        calls=calls,
        survey=survey,
        file=bootstrap.map_file(system).file,
    )
