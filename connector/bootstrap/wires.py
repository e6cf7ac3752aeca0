"""What an adapter is handed of the rest, and what is said of credentials that no vendor of that kind takes.

Not here: which adapter it is (the package itself) and how one is made (a module per vendor).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from connector.clock import Clock, SystemClock
from connector.crm.budget import Company, Meter, Treasury, Unmetered
from connector.crm.live import Letterbox
from connector.errors import Problem, UserError
from connector.settings import SystemSettings

OnCall = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wires:
    """What an adapter is handed of the rest: who hears of its calls and budgets, where its letters lie, and with how
    many processes it shares which budgets."""

    on_call: OnCall
    letterbox: Letterbox
    meter: Meter = field(default_factory=Unmetered)
    company: Company = field(default_factory=Company)
    treasury: Treasury | None = None
    clock: Clock = field(default_factory=SystemClock)
    wait: Callable[[float], None] = time.sleep


def wrong_credentials(settings: SystemSettings) -> UserError:
    """The error for a vendor that was given another vendor's kind of credentials."""
    message = f"these credentials are of a kind that {settings.vendor.value} does not take; see config.example.toml"
    return UserError([Problem("config", f"systems.{settings.name}", message)])
