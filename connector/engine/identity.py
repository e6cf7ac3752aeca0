"""One name, one org: what a system's name stood for at first is what it must stand for ever after.

Not here: logging in (the adapters). A name that comes to mean another org (a refreshed sandbox, a copied config) would
mix two ledgers, and an org under a second name would be handed everything again: both halt before anything is read.
"""

from __future__ import annotations

from connector.engine.parts import Shared, System
from connector.errors import CrmError, Fault, FaultCode
from connector.store import HOME


def pin(shared: Shared, system: System) -> None:
    """Remember the org behind a name at its first connection, and compare it at every later one. Raises `CrmError`."""
    home = system.crm.home
    if not home:
        return
    known = shared.store.cursor(system.name, HOME)
    if known == home:
        return
    if known is not None:
        words = (
            f"{system.name} was {known} so far and this login belongs to {home}. If the org was copied or refreshed, "
            "give the system a new name and an empty state folder; else correct base_url or the credentials"
        )
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "WRONG_ORG", words))
    others = [each for each in shared.store.systems_with(HOME, home) if each != system.name]
    if others:
        words = (
            f"{home} has been handled under the name {others[0]}. Under another name every handoff would be made "
            f"again: call this system {others[0]} in config.toml"
        )
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "RENAMED_SYSTEM", words))
    shared.store.set_cursor(system.name, HOME, home)
