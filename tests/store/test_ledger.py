"""What is remembered of a deal and of a CSM's load."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from plans import (
    MAYA,
    NOW,
    OTHER_SYSTEM,
    SYSTEM,
    TOMAS,
    a_deal_patch,
    a_full_set,
    a_plan,
    a_remember,
    a_task,
    an_account_patch,
    an_assignment,
)

from connector.clock import ManualClock
from connector.handoff.model import Effect, Gate, Kind, LedgerFacts, Load, Ref
from connector.handoff.moves import Bounce, Mover, MoverKind, Refusal
from connector.handoff.plan import Action, Phase, TaskState
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.playbooks import Playbook
from connector.store import Applied, AuditKind, Decided, RoundNote, Settlement, Store, round_cursor


def send_all(store: Store, *, stamp_from: int = 0) -> None:
    """Everything that is to be sent is confirmed; ids are made of the target."""
    while claimed := store.claim(SYSTEM, owner="w", batch=lambda _lane: 200, lease_seconds=60):
        results = [Settlement(row.id, row.attempt, Applied(f"new-{row.step}")) for row in claimed.rows]
        store.settle(results)


def decide(store: Store, deal_id: str, *actions: Action, **changes: object) -> None:
    store.record(SYSTEM, [Decided(a_plan(deal_id, *actions, **changes))], act=True)


def test_an_unknown_deal_has_only_the_baseline(store: Store) -> None:
    assert store.facts(SYSTEM, ["D1"]) == {"D1": LedgerFacts(baseline=NOW)}


BOOK = Playbook("standard", Condition(), ())


def test_a_decision_is_remembered_whole(store: Store) -> None:
    remember = a_remember(
        generation=2,
        left_won_at=NOW,
        gate=Gate.OVERRIDDEN,
        done_signals={"setup-call": NOW + timedelta(hours=1)},
        last_win_at=NOW + timedelta(minutes=1),
        put_back_at=NOW + timedelta(minutes=2),
        put_back_refused=Refusal("Negotiation", "no"),
        bounces=(Bounce(NOW, Mover(MoverKind.AUTOMATION, "Röbot")), Bounce(NOW)),
        playbook=BOOK,
        marks={"began:day-7": NOW + timedelta(days=7)},
    )
    decide(store, "D1", remember=remember, generation=2)
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert facts == LedgerFacts(
        baseline=NOW,
        generation=2,
        won_at=NOW,
        left_won_at=NOW,
        released_at=NOW,
        gate=Gate.OVERRIDDEN,
        csm_id=MAYA,
        assigned_at=NOW,
        stage_before_win="Negotiation",
        adopted=False,
        done_signals={"setup-call": NOW + timedelta(hours=1)},
        last_win_at=NOW + timedelta(minutes=1),
        put_back_at=NOW + timedelta(minutes=2),
        put_back_refused=Refusal("Negotiation", "no"),
        bounces=(Bounce(NOW, Mover(MoverKind.AUTOMATION, "Röbot")), Bounce(NOW)),
        playbook=BOOK,
        marks={"began:day-7": NOW + timedelta(days=7)},
    )


def test_confirmed_effects_and_written_values_are_remembered(store: Store) -> None:
    decide(store, "D1", an_account_patch(), a_task(), a_deal_patch())
    assert store.facts(SYSTEM, ["D1"])["D1"].effects == {}
    send_all(store)
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert facts.effects["welcome-packet"] == Effect("welcome-packet", "new-welcome-packet", "welcome-packet-1")
    assert facts.written == {
        Ref(Kind.DEAL, "D1"): {"percent": Decimal(100), "status": "2 Welcome"},
        Ref(Kind.ACCOUNT, "A1"): {"csm": MAYA},
    }


def test_later_values_of_a_record_join_the_earlier_ones(store: Store) -> None:
    decide(store, "D1", a_deal_patch())
    send_all(store)
    decide(store, "D1", a_deal_patch(values={"percent": Decimal(50)}))
    send_all(store)
    written = store.facts(SYSTEM, ["D1"])["D1"].written
    assert written[Ref(Kind.DEAL, "D1")] == {"percent": Decimal(50), "status": "2 Welcome"}


def test_two_deals_of_an_account_share_what_was_written_to_it(store: Store) -> None:
    decide(store, "D1", an_account_patch("A1"))
    send_all(store)
    decide(store, "D2", an_account_patch("A1", csm=TOMAS))
    send_all(store)
    assert store.facts(SYSTEM, ["D1"])["D1"].written[Ref(Kind.ACCOUNT, "A1")] == {"csm": TOMAS}


def test_effects_belong_to_their_generation(store: Store) -> None:
    decide(store, "D1", a_task())
    send_all(store)
    decide(store, "D1", generation=2, remember=a_remember(generation=2))
    assert store.facts(SYSTEM, ["D1"])["D1"].effects == {}


def test_facts_of_two_thousand_deals(store: Store) -> None:
    ids = [f"D{number}" for number in range(2000)]
    store.record(SYSTEM, [Decided(a_plan(deal_id)) for deal_id in ids], act=True)
    facts = store.facts(SYSTEM, [*ids, "stranger"])
    assert len(facts) == 2001
    assert all(facts[deal_id].generation == 1 for deal_id in ids)
    assert facts["stranger"].generation == 0


def test_baseline_is_kept_per_system(store: Store) -> None:
    assert store.baseline(OTHER_SYSTEM) is None
    store.set_baseline(OTHER_SYSTEM, NOW - timedelta(days=1))
    store.pause(OTHER_SYSTEM, until=NOW, reason="x")
    assert store.baseline(OTHER_SYSTEM) == NOW - timedelta(days=1)
    assert store.baseline(SYSTEM) == NOW


def test_adopting_an_old_win_lasts_and_is_looked_at(store: Store) -> None:
    store.adopt(SYSTEM, ["D1", "D2"])
    assert store.facts(SYSTEM, ["D1"])["D1"].adopted
    assert {look.deal_id for look in store.due(SYSTEM, limit=10)} == {"D1", "D2"}
    decide(store, "D1", remember=a_remember(adopted=False))
    assert store.facts(SYSTEM, ["D1"])["D1"].adopted, "a decision made before the wish must not undo it"
    assert store.audit(SYSTEM, "D1")[0].kind is AuditKind.ADOPTED
    assert store.handoff(SYSTEM, "D2") is not None


def test_each_new_assignment_counts_and_goes_to_the_end_of_the_line(store: Store) -> None:
    store.refresh_roster(SYSTEM, {MAYA: 3, TOMAS: 9})
    plans = [Decided(a_plan("D1")), Decided(a_plan("D2", assignment=an_assignment(TOMAS)))]
    store.record(SYSTEM, [*plans, Decided(a_plan("D3"))], act=True)
    assert store.roster(SYSTEM) == {MAYA: Load(5, 3), TOMAS: Load(10, 2)}


def test_the_line_is_as_they_were_chosen_whatever_the_deals_are_called(store: Store) -> None:
    earlier, later = Decided(a_plan("D9")), Decided(a_plan("D1", assignment=an_assignment(TOMAS)))
    store.record(SYSTEM, [earlier, later], act=True)
    assert store.roster(SYSTEM) == {MAYA: Load(1, 1), TOMAS: Load(1, 2)}


def test_the_same_assignment_counts_once(store: Store) -> None:
    decide(store, "D1")
    decide(store, "D1")
    decide(store, "D2", assignment=an_assignment(new=False))
    assert store.roster(SYSTEM) == {MAYA: Load(1, 1)}


def test_refresh_keeps_turns_and_adds_what_is_promised(store: Store, clock: ManualClock) -> None:
    decide(store, "D1", an_account_patch("A1"))
    decide(store, "D2", an_account_patch("A1"))
    decide(store, "D3", an_account_patch("A3"))
    store.refresh_roster(SYSTEM, {MAYA: 10, TOMAS: 4})
    assert store.roster(SYSTEM) == {MAYA: Load(12, 3), TOMAS: Load(4, 0)}
    clock.advance(timedelta(minutes=1))
    began = clock.now()
    send_all(store)
    store.refresh_roster(SYSTEM, {MAYA: 10}, as_of=began)
    assert store.roster(SYSTEM) == {MAYA: Load(12, 3), TOMAS: Load(0, 0)}
    clock.advance(timedelta(minutes=1))
    store.refresh_roster(SYSTEM, {MAYA: 12}, as_of=clock.now())
    assert store.roster(SYSTEM)[MAYA] == Load(12, 3)


def test_promised_account_values_are_those_on_their_way(store: Store) -> None:
    decide(store, "D1", an_account_patch("A1"), a_task())
    assert store.open_account_values(SYSTEM) == {"A1": {"csm": MAYA}}
    send_all(store)
    assert store.open_account_values(SYSTEM) == {}


def test_unhandled_are_wins_the_ledger_does_not_know(store: Store) -> None:
    decide(store, "D1")
    decide(store, "D2", phase=Phase.OPEN)
    decide(store, "D3", phase=Phase.BEFORE_START)
    store.record(SYSTEM, [Decided(a_plan("D4"))], act=False)
    assert store.unhandled(SYSTEM, ["D1", "D2", "D3", "D4", "D5"]) == ("D2", "D5")
    assert store.unhandled(SYSTEM, ["D1", "D2", "D3", "D4", "D5"], act=True) == ("D2", "D4", "D5")


def test_stale_are_handoffs_under_way_nobody_looked_at(store: Store, clock: ManualClock) -> None:
    decide(store, "D2")
    clock.advance(timedelta(minutes=1))
    decide(store, "D1")
    decide(store, "D3", phase=Phase.LOST)
    clock.advance(timedelta(minutes=10))
    decide(store, "D4", *a_full_set("D4"))
    assert store.stale(SYSTEM, looked_before=clock.now()) == ("D2", "D1")
    assert store.stale(SYSTEM, looked_before=clock.now(), limit=1) == ("D2",)
    assert store.stale(SYSTEM, looked_before=NOW) == ()


def test_a_handoff_is_followed_for_a_while_after_its_release(store: Store, clock: ManualClock) -> None:
    remember = a_remember(released_at=NOW)
    store.record(SYSTEM, [Decided(a_plan("D1", phase=Phase.IN_FLIGHT, remember=remember))], act=True)
    clock.advance(timedelta(days=91))
    assert store.stale(SYSTEM, looked_before=clock.now()) == ("D1",)
    assert store.stale(SYSTEM, looked_before=clock.now(), begun_after=clock.now() - timedelta(days=90)) == ()


def test_a_deal_that_was_given_up_is_followed_no_more_until_it_is_decided_again(store: Store) -> None:
    for deal in ("D1", "D2"):
        decide(store, deal)
    store.withdraw(SYSTEM, ["D1", "never seen"])
    asked = ["D1", "D2", "never seen"]
    assert store.followed(SYSTEM, asked) == {"D2"}
    assert store.given_up(SYSTEM, asked) == {"D1"}
    assert store.followed(OTHER_SYSTEM, asked) == store.given_up(OTHER_SYSTEM, asked) == frozenset()
    decide(store, "D1")
    assert store.followed(SYSTEM, asked) == {"D1", "D2"}
    assert store.given_up(SYSTEM, asked) == frozenset()


def test_the_notes_of_rounds_are_told_by_their_names(store: Store) -> None:
    note = RoundNote(began=NOW, since=NOW, paged_at=NOW, place="[1]", pages=2, rows=200, of=1000, found=3)
    store.set_cursor(SYSTEM, round_cursor("census"), note.dump())
    store.set_cursor(SYSTEM, "deal", "a feed's own")
    assert {name: RoundNote.parse(text) for name, text in store.rounds(SYSTEM).items()} == {"census": note}
    assert store.rounds(OTHER_SYSTEM) == {}


def test_the_steps_of_a_handoff_that_began_before_playbooks_were_kept_are_those_it_had(store: Store) -> None:
    plan = a_plan("D1", remember=a_remember(), tasks=(TaskState("welcome", "Welcome", "", None, "open", ""),))
    store.record(SYSTEM, [Decided(plan)], act=True)
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert (facts.playbook, facts.steps) == (None, frozenset({"welcome"}))


def test_a_playbook_is_kept_only_where_it_is_acted_upon(store: Store) -> None:
    remember = a_remember(playbook=BOOK, marks={"late:x:remind-0": NOW})
    store.record(SYSTEM, [Decided(a_plan("D1", remember=remember))], act=False)
    facts = store.facts(SYSTEM, ["D1"])["D1"]
    assert (facts.playbook, facts.marks) == (None, {})
