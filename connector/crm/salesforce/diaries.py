"""When people's calendars are taken, as events tell.

Not here: looking for a free place (``handoff.meetings``). An event belongs to one calendar, its owner's; whoever is
invited by the CRM gets a copy of their own. What this login may not see is free as far as it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import both, select_in, where
from connector.crm.salesforce.wire import Row, moment_of, text_of
from connector.handoff.model import Kind, Span

WHOLE_DAY, SHOWN_AS, MINUTES = "IsAllDayEvent", "ShowAs", "DurationInMinutes"
FREE = "Free"
"""What an event is that takes nobody's time (facts: Salesforce §6.9)."""

LONGEST = timedelta(days=31)
"""Events that began longer before the window are not asked for: a query over all of them is refused as too large
(facts: Salesforce §6.9)."""

DAY = timedelta(days=1)


def busy(
    session: SalesforceSession, names: Names, people: Sequence[str], *, start: datetime, end: datetime
) -> dict[str, tuple[Span, ...]]:
    """The spans by person; everybody asked for is there. Raises `CrmError`."""
    begins, ends, owner = (names.column(Kind.MEETING, each) or "" for each in ("start", "end", "owner"))
    extras = [each for each in (WHOLE_DAY, SHOWN_AS, MINUTES) if names.has(Kind.MEETING, each)]
    recent = [where(begins, ">=", start - LONGEST), where(begins, "<", end), where(ends, ">=", start - DAY)]
    asked = select_in([begins, ends, owner, *extras], of=names.object(Kind.MEETING), where=both(*recent), field=owner)
    found: dict[str, list[Span]] = {each: [] for each in people}
    for soql in asked.of(sorted(found)):
        for page in session.query(soql):
            for row in page:
                span = _span(row, begins, ends)
                if span is not None and row.get(SHOWN_AS) != FREE and span.meets(start, end):
                    found.setdefault(text_of(row, owner) or "", []).append(span)
    return {each: tuple(sorted(found[each], key=lambda span: (span.start, span.end))) for each in people}


def _span(row: Row, begins: str, ends: str) -> Span | None:
    """The time an event takes. Whether the last day of one of several days stands in its end is not documented, so its
    duration is heard as well; it takes its first day at least."""
    start, end = moment_of(text_of(row, begins)), moment_of(text_of(row, ends))
    if start is None:
        return None
    minutes = row.get(MINUTES)
    told = [each for each in (end, start + timedelta(minutes=minutes) if isinstance(minutes, int) else None) if each]
    if not row.get(WHOLE_DAY):
        return Span(start, max(told)) if told else None
    first = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Span(first, max([first + DAY, *told]), whole_days=True)
