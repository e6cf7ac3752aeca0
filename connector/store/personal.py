"""Where the store can hold what is about a person: every column of text, whose it is, and how it is forgotten.

Not here: finding and erasing (``subject``) and erasing what is old (``retention``). A test holds this table to
``schema``: a new column of text must be listed here before it can be shipped, and the operator's guide shows the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connector.store.schema import metadata


class Whose(StrEnum):
    """About whom a column can say something."""

    NOBODY = "nobody"
    """Names of systems, steps, states, digests, times; ids that mean something in the CRM alone."""

    OURS = "people of yours"
    """Your own employees, for what they do at work: who owns, who approved, who pressed the button."""

    CUSTOMERS = "people at your customers"
    """Accounts and the people at them."""


class Way(StrEnum):
    """How a row that tells of somebody is forgotten."""

    STAYS = "stays"
    EMPTIED = "emptied"
    REMOVED = "removed"
    ERASED = "erased from the chain's row, which stays"


@dataclass(frozen=True, slots=True)
class Holds:
    """What a column can hold, of whom, and what ``handoff forget`` does about it."""

    what: str
    whose: Whose = Whose.NOBODY
    way: Way = Way.STAYS


_ID = Holds("ids and names of systems, deals, steps, states; digests; times")
_US = Holds("the CRM's id or the name of one of your own people", Whose.OURS)


def _customers(what: str, way: Way) -> Holds:
    return Holds(what, Whose.CUSTOMERS, way)


_SPOKEN: Mapping[str, Holds] = {
    "system.pause_reason": _customers("the CRM's words about why it stands still", Way.EMPTIED),
    "cursor.value": _customers("the words of the last trouble; else how far a feed was read", Way.EMPTIED),
    "inbox.reason": _customers("why a deal is looked at", Way.EMPTIED),
    "handoff.csm_id": _US,
    "handoff.second_id": _US,
    "handoff.early_id": _US,
    "handoff.account_id": _customers("the CRM's id of the account", Way.EMPTIED),
    "handoff.reason": _customers("why there is a handoff or none", Way.EMPTIED),
    "handoff.looked_because": _customers("why the deal was looked at", Way.EMPTIED),
    "handoff.briefed": _customers("the answers as the CSM knows them", Way.EMPTIED),
    "handoff.put_back_refused": _customers("the CRM's words when a stage was refused", Way.EMPTIED),
    "handoff.bounces": Holds("who moved the deal back, by the CRM's id", Whose.OURS),
    "handoff.plan": _customers("the latest decision: values, reasons, subjects of tasks, candidates", Way.EMPTIED),
    "effect.record_id": _customers(
        "the CRM's id of the record that was made or written, or a mail server's words", Way.EMPTIED
    ),
    "written.record_id": _customers("the CRM's id of the deal or account", Way.REMOVED),
    "written.value": _customers("the value last written to a field", Way.REMOVED),
    "roster.person_id": _US,
    "outbox.target": _customers("the CRM's id of the record, or the key", Way.REMOVED),
    "outbox.record_id": _customers("the CRM's id of the record", Way.REMOVED),
    "outbox.action": _customers("what is written: values, texts of tasks, notes and messages", Way.REMOVED),
    "outbox.reason": _customers("why it is written", Way.REMOVED),
    "outbox.vendor_code": _customers("the CRM's code for a refusal", Way.REMOVED),
    "outbox.message": _customers("the CRM's words for a refusal", Way.REMOVED),
    "audit.who": Holds("who approved, released, retried: name, mail or login", Whose.OURS),
    "audit.reason": _customers("why it was done", Way.ERASED),
    "audit.data": _customers("values before and after, findings, the CRM's words", Way.ERASED),
    "letter.body": _customers("an event as the CRM delivered it, without values", Way.REMOVED),
    "hold.who": _US,
    "hold.why": _customers("why a deal is held", Way.REMOVED),
    "hold.what": _customers("what would be written to a held deal", Way.REMOVED),
    "gain.mover": _US,
    "trial.ae": _US,
    "trial.would": _US,
    "trial.csm": _US,
    "trial.feedback": _customers("what AE and CSM wrote about the pilot on the deal", Way.REMOVED),
    "answer.owner_id": _US,
    "answer.account_id": _customers("the CRM's id of the account", Way.REMOVED),
    "policy.files": Holds("your mapping files, with the mails of CSMs and approvers", Whose.OURS),
    "product_event.user_id": _customers("who used the product", Way.REMOVED),
    "product_event.group_id": _customers("for which account", Way.REMOVED),
    "product_event.properties": _customers("what the product tells of it", Way.REMOVED),
    "tally.part": _customers("what a measure counts by: a value of a property you name", Way.REMOVED),
    "figure.ae_id": _US,
    "figure.ae_name": _US,
    "figure.csm_id": _US,
    "figure.csm_name": _US,
    "figure.title": _customers("the deal's name", Way.EMPTIED),
    "figure.account_id": _customers("the CRM's id of the account", Way.EMPTIED),
    "figure.account_name": _customers("the account's name", Way.EMPTIED),
    "known_as.account_id": _customers("the CRM's id of the account", Way.REMOVED),
    "ruling.subject": _customers("which threshold was breached", Way.EMPTIED),
    "ruling.text": _customers("the deals behind a breached threshold, by name", Way.EMPTIED),
}

_SILENT: Mapping[str, tuple[str, ...]] = {
    "system": ("system",),
    "cursor": ("system", "feed"),
    "inbox": ("system", "deal_id"),
    "handoff": (
        *("system", "deal_id", "gate", "stage_before_win", "done_signals", "playbook", "marks"),
        *(
            "moved_from",
            "moved_to",
            "phase",
            "mode",
            "footing",
            "verdict",
            "segment",
            "digest",
            "waiting_pool",
            "exempt",
        ),
    ),
    "effect": ("system", "deal_id", "step", "fingerprint"),
    "written": ("system", "kind", "field"),
    "roster": ("system",),
    "outbox": (
        *("system", "deal_id", "step", "key", "kind", "operation", "digest", "fingerprint"),
        *("state", "lease_owner", "job_id", "fault_code"),
    ),
    "job": ("system", "job_id", "kind", "operation", "owner"),
    "audit": ("system", "deal_id", "kind", "salt", "digest", "hash"),
    "chain": ("system", "hash"),
    "lease": ("name", "owner"),
    "replica": ("owner", "version"),
    "quota": ("system", "budget"),
    "letter": ("system",),
    "hold": ("system", "kind", "name", "state", "cause"),
    "gain": ("system", "deal_id", "sort"),
    "trial": ("system", "deal_id", "gaps", "rule"),
    "answer": ("system", "deal_id", "field", "print"),
    "policy": ("digest",),
    "playbook": ("version", "content"),
    "product_event": ("source", "message_id", "event", "subject"),
    "tally": ("subject", "measure", "sort", "day", "way"),
    "known_as": ("system", "deal_id", "subject"),
    "ruling": ("system", "name", "period", "deal_id"),
    "figure": (
        *("system", "deal_id", "won_on", "won_week", "won_month", "activated_on", "activated_week"),
        *(
            "segment",
            "tier",
            "source",
            "deal_type",
            "phase",
            "currency",
            "stuck",
            "lacks",
            "reason",
            "facts",
            "promise_due",
        ),
    ),
}

COLUMNS: Mapping[str, Holds] = {
    f"{table}.{column}": _ID for table, columns in _SILENT.items() for column in columns
} | dict(_SPOKEN)
"""Every column of text, as ``table.column``."""


def told_of(whose: Whose) -> Mapping[str, tuple[str, ...]]:
    """Table -> its columns that can tell of these people, of the tables there are."""
    found: dict[str, list[str]] = {}
    for name, holds in COLUMNS.items():
        table, _, column = name.partition(".")
        if holds.whose is whose and table in metadata.tables:
            found.setdefault(table, []).append(column)
    return {table: tuple(columns) for table, columns in found.items()}
