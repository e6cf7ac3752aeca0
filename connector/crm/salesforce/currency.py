"""Amounts of an org with several currencies, in its corporate one: what a threshold compares must be one money.

Not here: orgs with one currency, whose records have no ``CurrencyIsoCode`` at all (facts: Salesforce §7). Only amounts
that people keep are translated; what the connector writes stays in the record's own currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import Soql, select
from connector.crm.salesforce.wire import Row, day_of
from connector.errors import Advice, CrmError

CODE = "CurrencyIsoCode"
CURRENCY = "currency"
"""The vendor's word for the type of a money field in describe."""

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Dated:
    """A rate that holds from ``start`` until before ``end``."""

    start: date
    end: date | None
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Rates:
    """Units of each currency for one of the corporate one; ``dated`` where the org keeps rates by closing date."""

    latest: Mapping[str, Decimal]
    dated: Mapping[str, Sequence[Dated]] = field(default_factory=dict)

    def corporate(self, amount: Decimal, code: str, *, on: date | None) -> Decimal:
        """An amount in the corporate currency; one in a currency without a rate is left as it is."""
        rate = self._rate(code, on)
        return amount if rate in (None, Decimal(1)) or not rate else (amount / rate).quantize(CENT)

    def _rate(self, code: str, on: date | None) -> Decimal | None:
        for each in self.dated.get(code, ()):
            if on is not None and each.start <= on and (each.end is None or on < each.end):
                return each.rate
        return self.latest.get(code)


def read_rates(session: SalesforceSession) -> Rates:
    """The org's rates, in one call, or two where they are kept by date. Raises `CrmError`."""
    # Inactive currencies too: old records keep theirs.
    latest = select(["IsoCode", "ConversionRate"], of="CurrencyType")
    dated = select(["IsoCode", "StartDate", "NextStartDate", "ConversionRate"], of="DatedConversionRate")
    by_code: dict[str, list[Dated]] = {}
    for row in _rows_if_any(session, dated):
        by_code.setdefault(str(row["IsoCode"]), []).append(_dated(row))
    return Rates(
        latest={str(row["IsoCode"]): _number(row) for row in _rows_if_any(session, latest)},
        dated=by_code,
    )


def _dated(row: Row) -> Dated:
    start = day_of(row["StartDate"]) or date.min
    return Dated(start=start, end=day_of(row.get("NextStartDate")), rate=_number(row))


def _number(row: Row) -> Decimal:
    """A row's rate; 0 where none is told, which counts as having no rate."""
    return Decimal(str(row.get("ConversionRate") or 0))


def _rows_if_any(session: SalesforceSession, soql: Soql) -> list[Row]:
    """The rows; none where the org has no such object or this login may not see it."""
    try:
        return [row for page in session.query(soql) for row in page]
    except CrmError as error:
        if error.fault.advice in (Advice.PARK, Advice.REREAD):
            return []
        raise
