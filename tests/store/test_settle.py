"""How a claimed row ends, and that only the attempt that was claimed may say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from plans import (
    BUSY,
    GONE,
    MAYA,
    NOW,
    REFUSED,
    SILENT,
    SYSTEM,
    a_deal_patch,
    a_mail,
    a_notice,
    a_task,
    an_account_patch,
)
from sending import claim, decide, settle, states

from connector.clock import ManualClock
from connector.crm.writing import (
    Applied as PortApplied,
)
from connector.crm.writing import (
    Refused,
)
from connector.errors import Fault, FaultCode
from connector.handoff.model import Kind, Ref
from connector.handoff.moves import Refusal
from connector.handoff.plan import Action, Order, Patch
from connector.store import (
    Applied,
    AuditKind,
    Claimed,
    OutboxRow,
    Park,
    Reread,
    Retry,
    Settlement,
    State,
    Store,
    Unsure,
)

MINUTE = timedelta(minutes=1)


def claimed_patch(store: Store) -> Claimed:
    decide(store, "D1", a_deal_patch())
    claimed = claim(store)
    assert claimed is not None
    return claimed


def the_row(store: Store) -> OutboxRow:
    (row,) = store.rows(SYSTEM, "D1")
    return row


def test_applied_is_booked_with_all_it_means(store: Store) -> None:
    claimed = claimed_patch(store)
    assert settle(store, claimed, lambda _row: PortApplied("D1", NOW + MINUTE)) == 1
    row = the_row(store)
    assert (row.state, row.record_id, row.error, row.settled_at) == (State.APPLIED, "D1", None, NOW)
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert facts.effects["patch-deal"].record_id == "D1"
    assert facts.written[Ref(Kind.DEAL, "D1")]["status"] == "2 Welcome"
    view = store.handoff(SYSTEM, "D1")
    assert view is not None
    assert view.last_write_at == NOW + MINUTE
    told = store.audit(SYSTEM, "D1")[-1]
    assert (told.kind, told.reason) == (AuditKind.APPLIED, "All four fields are filled.")


def test_what_was_left_out_does_not_count_as_written(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    claimed = claim(store)
    assert claimed is not None
    (row,) = claimed.rows
    assert isinstance(row.action, Patch)
    assert set(row.action.values) > {"status"}
    settle(store, claimed, lambda _row: PortApplied("D1", left=frozenset({"status"})))
    written = store.facts(SYSTEM, ["D1"])["D1"].written[Ref(Kind.DEAL, "D1")]
    assert set(written) == set(row.action.values) - {"status"}


def test_what_the_crm_made_of_a_value_is_remembered_until_another_is_written(store: Store) -> None:
    claimed = claimed_patch(store)
    settle(store, claimed, lambda _row: PortApplied("D1", kept=(("status", "2 WELCOME"),)))
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    ref = Ref(Kind.DEAL, "D1")
    assert facts.written[ref]["status"] == "2 Welcome"
    assert facts.kept == {ref: {"status": "2 WELCOME"}}
    decide(store, "D1", a_deal_patch(values={"status": "3 Alignment"}))
    again = claim(store)
    assert again is not None
    settle(store, again, lambda _row: PortApplied("D1"))
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert (facts.written[ref]["status"], facts.kept) == ("3 Alignment", {})


def test_only_the_deal_s_own_writes_date_the_deal(store: Store) -> None:
    decide(store, "D1", an_account_patch())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Applied("A1", NOW))
    view = store.handoff(SYSTEM, "D1")
    assert view is not None
    assert view.last_write_at is None


def test_retry_waits_with_the_vendor_s_words(store: Store) -> None:
    settle(store, claimed_patch(store), lambda _row: Retry(BUSY, at=NOW + MINUTE))
    row = the_row(store)
    assert (row.state, row.error, row.settled_at) == (State.PENDING, BUSY, None)
    assert store.facts(SYSTEM, ["D1"])["D1"].effects == {}


def test_reread_drops_the_row_and_looks_again(store: Store) -> None:
    settle(store, claimed_patch(store), lambda _row: Reread(GONE))
    row = the_row(store)
    assert (row.state, row.error) == (State.SUPERSEDED, GONE)
    assert [look.deal_id for look in store.due(SYSTEM, limit=5)] == ["D1"]


def test_park_waits_for_a_person(store: Store) -> None:
    settle(store, claimed_patch(store), lambda _row: Park(REFUSED))
    (row,) = store.parked()
    assert (row.state, row.error, row.settled_at) == (State.PARKED, REFUSED, NOW)
    told = store.audit(SYSTEM, "D1")[-1]
    assert told.kind is AuditKind.PARKED
    assert told.data["message"] == REFUSED.message
    assert claim(store) is None


def test_results_of_one_call_may_differ(store: Store) -> None:
    decide(store, "D1", a_task("a"), a_task("b"), a_task("c"), a_task("d"), a_task("e"))
    claimed = claim(store)
    assert claimed is not None
    results = [Applied("T1"), Retry(BUSY, at=NOW), Reread(GONE), Unsure(SILENT), Park(REFUSED)]
    items = [Settlement(row.id, row.attempt, one) for row, one in zip(claimed.rows, results, strict=True)]
    assert store.settle(items) == 5
    assert states(store) == [
        ("a", State.APPLIED),
        ("b", State.PENDING),
        ("c", State.SUPERSEDED),
        ("d", State.UNKNOWN),
        ("e", State.PARKED),
    ]


def test_a_settlement_of_another_attempt_is_ignored(store: Store, clock: ManualClock) -> None:
    """The slow worker's claim ran out, the row was looked up, and another worker has it now."""
    slow = claimed_patch(store)
    clock.advance(2 * MINUTE)
    assert store.rescue(SYSTEM, all_mine=False) == 1
    store.resolve_unknown(slow.rows[0].id, found=None)
    fresh = claim(store)
    assert fresh is not None
    assert fresh.rows[0].attempt == 2
    assert settle(store, slow, lambda _row: Park(REFUSED)) == 0
    assert the_row(store).state is State.SENDING
    assert settle(store, fresh) == 1
    assert settle(store, fresh, lambda _row: Park(REFUSED)) == 0
    assert the_row(store).state is State.APPLIED


def test_late_good_news_of_an_unknown_row_counts_and_bad_news_does_not(store: Store, clock: ManualClock) -> None:
    slow = claimed_patch(store)
    clock.advance(2 * MINUTE)
    store.rescue(SYSTEM, all_mine=False)
    assert settle(store, slow, lambda _row: Retry(BUSY, at=NOW)) == 0
    assert the_row(store).state is State.UNKNOWN
    assert settle(store, slow) == 1
    assert the_row(store).state is State.APPLIED


def test_rescue_takes_only_what_ran_out(store: Store, clock: ManualClock) -> None:
    claimed_patch(store)
    assert store.rescue(SYSTEM, all_mine=False) == 0
    clock.advance(MINUTE)
    assert store.rescue(SYSTEM, all_mine=False) == 1
    (row,) = store.unknown_rows(SYSTEM, limit=10)
    assert row.error is not None
    assert "ended before" in row.error.message


def test_at_the_start_of_the_only_process_everything_is_rescued(store: Store) -> None:
    claimed_patch(store)
    taken = store.rescue(SYSTEM, all_mine=True)
    assert taken == (1 if store.single_process else 0), "another replica may be sending it right now"


@pytest.mark.parametrize(("found", "state"), [("D1", State.APPLIED), (None, State.PENDING)])
def test_looking_up_settles_the_unknown(store: Store, found: str | None, state: State) -> None:
    claimed = claimed_patch(store)
    settle(store, claimed, lambda _row: Unsure(SILENT))
    assert store.resolve_unknown(claimed.rows[0].id, found=found)
    assert the_row(store).state is state
    assert ("patch-deal" in store.facts(SYSTEM, ["D1"])["D1"].effects) is (found is not None)
    assert not store.resolve_unknown(claimed.rows[0].id, found="D1"), "it is not unknown any more"


def test_retry_by_hand_sends_parked_rows_again(store: Store) -> None:
    decide(store, "D1", a_task("a"), a_task("b"))
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Park(REFUSED))
    first, second = claimed.rows
    assert store.retry([first.id]) == 1
    assert [row.id for row in store.parked(SYSTEM)] == [second.id]
    assert store.retry(system=SYSTEM) == 1
    assert store.retry() == 0
    again = claim(store)
    assert again is not None
    assert [(row.step, row.attempt) for row in again.rows] == [("a", 2), ("b", 2)]
    assert [look.deal_id for look in store.due(SYSTEM, limit=5)] == ["D1"]
    assert [told.kind for told in store.audit(SYSTEM, "D1")].count(AuditKind.RETRIED) == 2


def test_notifications_end_like_everything_else(store: Store) -> None:
    decide(store, "D1", a_notice())
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed)
    assert store.facts(SYSTEM, ["D1"])["D1"].effects["notify-csm_assigned"].fingerprint == "notice-1"
    assert store.facts(SYSTEM, ["D1"])["D1"].csm_id == MAYA


def test_what_is_no_result_is_refused_and_nothing_is_booked(store: Store) -> None:
    claimed = claimed_patch(store)
    with pytest.raises(TypeError, match="not the result of a row"):
        settle(store, claimed, lambda _row: Refused(REFUSED))  # type: ignore[arg-type,return-value]
    assert the_row(store).state is State.SENDING


def test_anything_shaped_like_a_confirmation_is_one(store: Store) -> None:
    @dataclass
    class Confirmed:
        record_id: str
        modified_at: datetime | None = None

    assert settle(store, claimed_patch(store), lambda _row: Confirmed("D1")) == 1
    assert the_row(store).state is State.APPLIED


def refused_as(store: Store, fault: Fault) -> Refusal | None:
    """What the ledger remembers of a put-back that ended like this."""
    decide(store, "D1", a_deal_patch(step="patch-revert", order=Order.REVERT, values={"stage": "Negotiation"}))
    claimed = claim(store)
    assert claimed is not None
    settle(store, claimed, lambda _row: Park(fault))
    return store.facts(SYSTEM, ["D1"])["D1"].put_back_refused


def test_a_put_back_refused_for_good_is_remembered_in_the_crms_words_and_looked_at(store: Store) -> None:
    words = "Nobody moves a closed deal."
    assert refused_as(store, Fault(FaultCode.NOT_PERMITTED, "MISSING", words)) == Refusal("Negotiation", words)
    assert [look.deal_id for look in store.due(SYSTEM, limit=9)] == ["D1"]
    (parked,) = store.parked(SYSTEM)
    store.retry([parked.id])
    assert store.facts(SYSTEM, ["D1"])["D1"].put_back_refused is None


def test_a_put_back_given_up_because_the_crm_was_busy_is_not_remembered_as_refused(store: Store) -> None:
    assert refused_as(store, BUSY) is None


def claimed_mail(store: Store, *also: Action) -> Claimed:
    decide(store, "D1", *also, a_mail())
    while (claimed := claim(store)) is not None:
        if claimed.lane.kind == "mail":
            return claimed
        settle(store, claimed, lambda row: PortApplied(row.key))
    raise AssertionError("no mail to claim")


def effects(store: Store) -> dict[str, str]:
    return {step: one.record_id for step, one in store.facts(SYSTEM, ["D1"])["D1"].effects.items()}


def test_a_mail_whose_sender_is_gone_is_parked_and_never_unknown(store: Store, clock: ManualClock) -> None:
    claimed_mail(store)
    clock.advance(MINUTE)
    assert store.rescue(SYSTEM, all_mine=False) == 1
    assert store.unknown_rows(SYSTEM, limit=10) == ()
    (row,) = store.parked(SYSTEM)
    assert row.error is not None
    assert row.error.vendor_code == "IN_DOUBT"
    assert "nobody knows" in effects(store)["unsent--intro"]
    assert store.due(SYSTEM, limit=10), "its deal is looked at, so that a person hears of it"


def test_what_a_server_said_of_a_mail_is_remembered_and_stays_to_be_read(store: Store) -> None:
    words = Fault(FaultCode.REJECTED, "550", "the mail server said: 550 no such person")
    settle(store, claimed_mail(store), lambda _row: Park(words))
    assert effects(store) == {"unsent--intro": words.message}
    decide(store, "D1")
    (row,) = store.parked(SYSTEM)
    assert row.error is not None
    assert row.error.message == words.message


def test_a_mail_that_waits_and_is_not_wanted_any_more_is_dropped(store: Store) -> None:
    decide(store, "D1", a_mail())
    decide(store, "D1")
    assert the_row(store).state is State.SUPERSEDED


def test_mails_of_a_day_are_counted_with_those_nobody_is_sure_of(store: Store, clock: ManualClock) -> None:
    assert store.mails_since(NOW - MINUTE) == 0
    settle(store, claimed_mail(store), lambda _row: Applied("<id>"))
    assert store.mails_since(NOW - MINUTE) == 1
    assert store.mails_since(clock.now() + MINUTE) == 0
