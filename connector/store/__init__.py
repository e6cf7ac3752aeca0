"""The store: inbox, ledger, outbox, audit and leases in one database, SQLite or PostgreSQL.

Not here: what a handoff means, and any CRM. Whoever needs the store takes the names below; the modules behind them
are its own affair, apart from ``codec`` (actions and plans as JSON).
"""

from connector.store.alarms import ALARM, Alarm
from connector.store.audit import AuditKind
from connector.store.database import Lead, LeadLost, under
from connector.store.exceptions import OpenException
from connector.store.gains import Gain, Gained, Win
from connector.store.heldrows import EARLY, HeldDeal, HoldState, Pause
from connector.store.livenote import LIVE_CURSOR, LIVE_NOTE, LiveNote
from connector.store.moving import Moving
from connector.store.outbox import MAIL_KIND, RANKS, TOGETHER
from connector.store.policies import PolicyVersion
from connector.store.provisioned import SetUp
from connector.store.quota import Quota
from connector.store.replicas import News, Pulse, Standing
from connector.store.retention import Keep
from connector.store.roundnote import RoundNote, round_cursor
from connector.store.rows import (
    ACTING_NOTE,
    CALLS,
    COMPARED,
    FORESEEN,
    HOME,
    LAST_PASS,
    LAST_SWEEP,
    LAST_TROUBLE,
    OPENED,
    POLICY_NOTE,
    SPARING,
    WEIGHED,
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
from connector.store.settle import MAIL_IN_DOUBT
from connector.store.states import State
from connector.store.store import Mode, OlderSchema, Store, address, failure, in_use, migrate, open_store
from connector.store.subject import About, Forgotten, Stored, Subject, plain_row
from connector.store.tallies import Asked, EventsRead, Unmatched
from connector.store.trail import Anchor, Broken, Damage, TrailRow, Verified, Wanted, trail_data
from connector.store.upgrade import Step, Upgraded
from connector.store.views import AuditView, CoverageCount, HandoffView

__all__ = [
    "ACTING_NOTE",
    "ALARM",
    "CALLS",
    "COMPARED",
    "EARLY",
    "FORESEEN",
    "HOME",
    "LAST_PASS",
    "LAST_SWEEP",
    "LAST_TROUBLE",
    "LIVE_CURSOR",
    "LIVE_NOTE",
    "MAIL_IN_DOUBT",
    "MAIL_KIND",
    "OPENED",
    "POLICY_NOTE",
    "RANKS",
    "SPARING",
    "TOGETHER",
    "WEIGHED",
    "About",
    "Alarm",
    "Anchor",
    "Applied",
    "AppliedLike",
    "Asked",
    "AuditKind",
    "AuditView",
    "Broken",
    "Claimed",
    "CoverageCount",
    "Damage",
    "Decided",
    "EventsRead",
    "Forgotten",
    "Gain",
    "Gained",
    "HandoffView",
    "HeldDeal",
    "HoldState",
    "Job",
    "Keep",
    "Lane",
    "Lead",
    "LeadLost",
    "LiveNote",
    "Look",
    "Mode",
    "Moving",
    "News",
    "OlderSchema",
    "OpenException",
    "OutboxRow",
    "Park",
    "Pause",
    "PolicyVersion",
    "Pulse",
    "Quota",
    "Reread",
    "Result",
    "Retry",
    "RoundNote",
    "SetUp",
    "Settlement",
    "Standing",
    "State",
    "Step",
    "Store",
    "Stored",
    "Subject",
    "TrailRow",
    "Turn",
    "Unmatched",
    "Unsure",
    "Upgraded",
    "Verified",
    "Wanted",
    "Win",
    "address",
    "failure",
    "in_use",
    "migrate",
    "open_store",
    "plain_row",
    "round_cursor",
    "trail_data",
    "under",
]
