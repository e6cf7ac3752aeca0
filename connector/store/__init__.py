"""The store: inbox, ledger, outbox, audit and leases in one database, SQLite or PostgreSQL.

Not here: what a handoff means, and any CRM. Whoever needs the store takes the names below; the modules behind them
are its own affair, apart from ``codec`` (actions and plans as JSON).
"""

from connector.store.alarms import ALARM, Alarm
from connector.store.audit import AuditKind
from connector.store.holds import Gain, Gained, HeldDeal, HoldState, Pause
from connector.store.livenote import LIVE_CURSOR, LIVE_NOTE, LiveNote
from connector.store.outbox import RANKS
from connector.store.roundnote import RoundNote, round_cursor
from connector.store.rows import (
    CALLS,
    COMPARED,
    FORESEEN,
    HOME,
    LAST_PASS,
    LAST_TROUBLE,
    SPARING,
    Applied,
    AppliedLike,
    Claimed,
    Decided,
    Job,
    Lane,
    Look,
    OutboxRow,
    Park,
    Reread,
    Result,
    Retry,
    Settlement,
    Turn,
    Unsure,
)
from connector.store.states import State
from connector.store.store import Mode, Store, address, failure, in_use, migrate, open_store
from connector.store.upgrade import Step, Upgraded
from connector.store.views import AuditView, CoverageCount, HandoffView

__all__ = [
    "ALARM",
    "FORESEEN",
    "Alarm",
    "Gain",
    "Gained",
    "HeldDeal",
    "HoldState",
    "Pause",
    "CALLS",
    "COMPARED",
    "HOME",
    "LAST_PASS",
    "LAST_TROUBLE",
    "LIVE_CURSOR",
    "LIVE_NOTE",
    "RANKS",
    "SPARING",
    "Applied",
    "AppliedLike",
    "AuditKind",
    "AuditView",
    "Claimed",
    "CoverageCount",
    "Decided",
    "HandoffView",
    "Job",
    "Lane",
    "LiveNote",
    "Look",
    "Mode",
    "OutboxRow",
    "Park",
    "Reread",
    "Result",
    "Retry",
    "RoundNote",
    "Settlement",
    "State",
    "Step",
    "Store",
    "Turn",
    "Unsure",
    "Upgraded",
    "address",
    "failure",
    "in_use",
    "migrate",
    "open_store",
    "round_cursor",
]
