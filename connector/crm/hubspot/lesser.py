"""Rows that were refused because of one of their properties, sent once more without it.

Not here: which refusal means what (``refusals``) and single rows of a batch (``delivery``). Two kinds of property may
be left out: one that sets off a conditional rule of the portal, and one that a record can do without, such as the pin
on a deal or a task's queue. A handoff must not wait for either. What was left out of a deal is told, so that it is
asked for again by itself and its refusal reaches a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connector.crm.batch import chunks, waves
from connector.crm.hubspot import refusals
from connector.crm.hubspot.delivery import Delivery, Post, Row
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.writing import Applied, Refused
from connector.errors import FaultCode


def send_without(
    rows: Sequence[Row], delivery: Delivery, post: Post, *, optional: frozenset[str], size: int
) -> Mapping[int, frozenset[str]]:
    """Send what can be sent of refused rows, ``size`` at a time, and book it.

    ``optional`` are the properties that a row can do without. Returns what was left out of rows which then went
    through, by the row's index.
    """
    without = {
        row.index: out for row in rows if (out := _to_leave(row, delivery, optional)) and len(out) < len(row.sent)
    }
    if not without:
        return {}
    smaller = [_smaller(row, without[row.index]) for row in rows if row.index in without]
    again = Delivery()
    try:
        for wave in waves(smaller, identity=lambda row: row.name):
            for part in chunks(wave, size=size):
                again.deliver(part, post)
    except HubSpotError:
        return {}  # what was refused stays refused
    delivery.outcomes.update(
        (index, outcome) for index, outcome in again.outcomes.items() if not isinstance(outcome, Refused)
    )
    return {index: out for index, out in without.items() if isinstance(delivery.outcomes[index], Applied)}


def _to_leave(row: Row, delivery: Delivery, optional: frozenset[str]) -> frozenset[str]:
    outcome = delivery.outcomes.get(row.index)
    if not isinstance(outcome, Refused) or outcome.fault.code is not FaultCode.REJECTED:
        return frozenset()
    blamed = delivery.blamed.get(row.index, frozenset())
    return refusals.ruled_by(outcome.fault, row.sent) or optional.intersection(row.sent, blamed)


def _smaller(row: Row, names: frozenset[str]) -> Row:
    kept = {name: text for name, text in row.sent.items() if name not in names}
    return replace(row, input={**row.input, "properties": kept})
