"""Where the key of a task or meeting stands in one org, and so what keeps it from being made twice.

Not here: sending (``writes``) and reading (``reads``). The best way is a unique external id on Activity; an org whose
admins allow no field there has two others. Which one holds is probed at every connection, never assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from connector.crm.port import (
    FieldSchema,
    ObjectSchema,
)
from connector.errors import Problem

LEDGER_OBJECT = "Handoff_Effect__c"
LEDGER_KEY = "Handoff_Key__c"
LEDGER_RECORD = "Handoff_Record__c"
LEDGER_DEAL = "Handoff_Deal__c"
"""The connector's own object for orgs without a field on Activity: one row per task or meeting, its key unique. Row
and task are made in one transaction, so a second task with the key cannot come to be (facts: Salesforce §3.4)."""


class KeyMode(StrEnum):
    """How a task or meeting carries its key."""

    UPSERT = "upsert"
    """In a unique external id: the vendor itself makes it once (facts: Salesforce §3.4)."""

    LEDGER = "ledger"
    """In a row of `LEDGER_OBJECT`, made together with it or not at all."""

    MARKER = "marker"
    """In a plain field, or in a line of its text: looked for before it is made, by the one writer."""


def mode_of(key: FieldSchema | None, ledger: ObjectSchema | None) -> KeyMode:
    """The best way this org offers: ``key`` is the mapped field as described, ``ledger`` the object if it is there."""
    if key is not None and key.external_id and key.unique:
        return KeyMode.UPSERT
    own = ledger.fields.get(LEDGER_KEY) if ledger is not None else None
    if own is not None and own.unique and own.external_id and own.writable:
        return KeyMode.LEDGER
    return KeyMode.MARKER


SAID: Mapping[KeyMode, str] = {
    KeyMode.LEDGER: (
        f"keys of tasks stand in {LEDGER_OBJECT}, for Activity has no unique external id for them; each task costs a "
        "second row"
    ),
    KeyMode.MARKER: (
        "no unique external id on Activity carries the key of a task, so it is looked for before each task is made; "
        "create Handoff_Key__c on Activity (text, external id, unique), or run: handoff provision"
    ),
}


def said(mode: KeyMode, path: str) -> tuple[Problem, ...]:
    """What an admin is told of a way that is not the best one."""
    return (Problem(where="the CRM", key=path, message=SAID[mode]),) if mode in SAID else ()
