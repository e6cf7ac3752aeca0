"""When people's calendars are taken, as the portal's meetings tell.

Not here: looking for a free place (``handoff.meetings``). The CRM keeps one owner per meeting and no other calendar:
what stands in a mail program alone is free as far as it knows. Search shows changes late; what this connector has just
made is remembered by the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector.crm.batch import chunks_by_cost
from connector.crm.hubspot import search, wire
from connector.crm.hubspot.fields import OBJECTS, OUTCOMES, OWNER
from connector.crm.hubspot.search import Query, one_of, where
from connector.crm.hubspot.session import Session
from connector.handoff.model import Kind, Outcome, Span

BEGINS, ENDS, OUTCOME = "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome"

ROOM = 2_400
"""Characters for the owners' ids of one search: its body may have 3,000 (facts: HubSpot §1)."""

GIVEN_UP = frozenset({Outcome.CANCELED, Outcome.MOVED, Outcome.MISSED})


def busy(session: Session, people: Sequence[str], *, start: datetime, end: datetime) -> dict[str, tuple[Span, ...]]:
    """The spans by person; everybody asked for is there. Raises `CrmError`."""
    found: dict[str, list[Span]] = {each: [] for each in people}
    for part in chunks_by_cost(sorted(found), budget=ROOM, cost=lambda each: len(each) + 4):
        query = Query(
            object_name=OBJECTS[Kind.MEETING],
            groups=(
                (
                    one_of(OWNER, part),
                    where(BEGINS, "LT", str(wire.millis(end))),
                    where(ENDS, "GT", str(wire.millis(start))),
                ),
            ),
            properties=(OWNER, BEGINS, ENDS, OUTCOME),
            sort=search.ID,
        )
        for page in search.everything(session, query):
            for row in page.rows:
                begins, ends = row.at(BEGINS), row.at(ENDS)
                if begins is None or ends is None or OUTCOMES.get(row.get(OUTCOME)) in GIVEN_UP:
                    continue
                span = Span(begins, ends)
                if span.meets(start, end):
                    found.setdefault(row.get(OWNER), []).append(span)
    return {each: tuple(sorted(found[each], key=lambda span: (span.start, span.end))) for each in people}
