"""Reading for an audit over the CRM in memory: a deal that cannot be read keeps no other from being judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pytest
from factories import NOW, PEOPLE, STAGES, a_policy

from connector.clock import ManualClock
from connector.crm.memory import MemoryCRM
from connector.crm.port import DealFacts
from connector.engine.audit import judge, take
from connector.errors import Fault, FaultCode, RowUnread
from connector.handoff.model import Kind, SystemName
from connector.policy.crmmap import CrmMap


class Grudging(MemoryCRM):
    """Gives every deal but one, and names it only where it ``names``."""

    kept_back = ""
    names = True

    def fetch(self, deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        """As asked, or not at all."""
        if self.kept_back in deal_ids:
            told = frozenset({self.kept_back}) if self.names else frozenset[str]()
            raise RowUnread(Fault(FaultCode.UNAVAILABLE, "ROW", "not this one"), ids=told)
        return super().fetch(deal_ids, bare=bare)


@pytest.mark.parametrize("names", [True, False])
def test_one_deal_that_cannot_be_read_is_told_and_the_others_are_judged(names: bool) -> None:
    system = SystemName("mem")
    crm = Grudging(system=system, clock=ManualClock(NOW), people=tuple(PEOPLE.values()), stages=tuple(STAGES.values()))
    won = next(stage.id for stage in STAGES.values() if stage.is_won)
    ids = [crm.add_deal(stage=won, name=f"Deal {n}", close_date=date(2026, 1, n + 1)) for n in range(5)]
    crm.kept_back, crm.names = ids[2], names
    sample = take(crm, CrmMap("memory", {}, {}), last=4, since=None, told=lambda words, done, total: None)
    assert sample.unread == (ids[2],)
    found = judge(sample, a_policy(), system=system, now=NOW, with_guesses=True)
    assert [deal.id for deal in found.deals] == [ids[4], ids[3], ids[1]], "the latest four but one"
    assert found.whole.passed == 0
    assert sample.schemas.keys() == {Kind.DEAL, Kind.ACCOUNT}
