"""What every adapter must do: one suite over the CRM in memory, Salesforce and HubSpot.

A vendor's test module subclasses `CrmContract` and gives it a ``world`` fixture (``worlds.World``). Every assertion is
about the state of the CRM as the port shows it, never about which calls were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from contract.worlds import ELENA_AE, LENA_WHO_LEFT, MAYA, TOMAS, World

from connector.crm.port import (
    Change,
    PlaceLost,
)
from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import Advice
from connector.handoff.model import CrmMeeting, CrmTask, DealType, Kind, Outcome, Ref, TouchKind, Value

DUE = date(2026, 11, 27)
KEY = "contract:1:welcome"
NOTE_KEY = "contract:1:summary"
MEETING_KEY = "contract:1:handoff-meeting"


def patch(kind: Kind, record_id: str, **values: Value) -> Write:
    """An update of one record."""
    return Write(kind=kind, operation=Operation.UPDATE, values=values, record_id=record_id)


def task(deal_id: str, key: str = KEY, *, record_id: str | None = None, **values: Value) -> Write:
    """A task under our key."""
    return _upsert(Kind.TASK, deal_id, key, record_id, values)


def note(deal_id: str, key: str = NOTE_KEY, *, record_id: str | None = None, **values: Value) -> Write:
    """A note under our key."""
    return _upsert(Kind.NOTE, deal_id, key, record_id, values)


def meeting(deal_id: str, key: str = MEETING_KEY, *, record_id: str | None = None, **values: Value) -> Write:
    """A meeting under our key."""
    return _upsert(Kind.MEETING, deal_id, key, record_id, values)


def _upsert(kind: Kind, deal_id: str, key: str, record_id: str | None, values: dict[str, Value]) -> Write:
    parents = (Ref(Kind.DEAL, deal_id),)
    return Write(kind=kind, operation=Operation.UPSERT, values=values, record_id=record_id, key=key, parents=parents)


def applied(outcome: WriteOutcome) -> str:
    """The record id of a row that was done."""
    assert isinstance(outcome, Applied), outcome
    return outcome.record_id


class Feeds:
    """Every feed of a CRM, followed from a moment on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cursors = {feed: world.crm.start_cursor(feed, world.now()) for feed in world.crm.feeds()}
        self.pages = 0

    def read(self) -> list[Change]:
        """Every feed to its end, once."""
        found: list[Change] = []
        for feed in self._cursors:
            more = True
            while more:
                page = self._world.crm.changes(feed, self._cursors[feed])
                self._cursors[feed], more = page.cursor, page.more
                found += page.changes
                self.pages += 1
        return found

    def until_quiet(self) -> list[Change]:
        """Tick after tick until nothing is told any more."""
        found: list[Change] = []
        for _ in range(4):
            self._world.advance(5)
            told = self.read()
            found += told
            if not told:
                return found
        raise AssertionError(f"the feeds do not come to rest: {told}")


class CrmContract:
    """Subclass it, name the class ``Test…``, and give it a fixture ``world``."""

    # logging in, lists

    def test_connecting_to_a_furnished_org_has_no_complaints(self, world: World) -> None:
        assert world.crm.connect() == ()

    def test_the_servers_time_is_the_vendors(self, world: World) -> None:
        world.advance(86_400)
        world.crm.people()
        assert abs(world.crm.server_time() - world.now()) < timedelta(seconds=10)

    def test_stages_say_which_is_won(self, world: World) -> None:
        stages = {stage.id: stage for stage in world.crm.stages()}
        assert (stages[world.open_stage].is_won, stages[world.open_stage].is_closed) == (False, False)
        assert (stages[world.won_stage].is_won, stages[world.won_stage].is_closed) == (True, True)

    def test_people_are_known_by_email_also_those_who_left(self, world: World) -> None:
        people = {person.email: person for person in world.crm.people()}
        assert people[MAYA].id == world.person(MAYA)
        assert people[MAYA].active
        assert not people[LENA_WHO_LEFT].active

    def test_describe_knows_the_mapped_fields(self, world: World) -> None:
        deal = world.crm.describe(Kind.DEAL)
        assert deal.fields[world.vendor_field(Kind.DEAL, "summary")].writable
        assert deal.fields[world.vendor_field(Kind.DEAL, "summary")].max_length == 0 or (
            deal.fields[world.vendor_field(Kind.DEAL, "summary")].max_length > 30_000
        )
        assert "Held" in deal.fields[world.vendor_field(Kind.DEAL, "gate")].choices
        assert world.vendor_field(Kind.TASK, "subject") in world.crm.describe(Kind.TASK).fields
        assert world.vendor_field(Kind.ACCOUNT, "csm") in world.crm.describe(Kind.ACCOUNT).fields

    # reading a deal

    def test_a_deal_is_read_with_its_account_in_canonical_values(self, world: World) -> None:
        account_id = world.add_account(name="Ostwind Freight", country="Germany", csm=world.person(TOMAS))
        deal_id = world.add_deal(
            name="Ostwind rollout",
            account=account_id,
            amount=42500,
            why_bought="Late trucks.\nTwo depots.",
            go_live_date=date(2027, 1, 31),
        )
        facts = world.crm.fetch([deal_id])[deal_id]
        assert facts.deal.ref == Ref(Kind.DEAL, deal_id)
        assert facts.deal.get("name") == "Ostwind rollout"
        assert facts.deal.get("amount") == Decimal(42500)
        assert facts.deal.get("why_bought") == "Late trucks.\nTwo depots."
        assert facts.deal.get("go_live_date") == date(2027, 1, 31)
        assert facts.deal.get("close_date") == date(2026, 12, 1)
        assert facts.deal.get("owner") == world.person(ELENA_AE)
        assert facts.deal.get("csm") is None
        assert facts.deal_type is DealType.NEW
        assert facts.stage.id == world.open_stage
        assert facts.account is not None
        assert facts.account.ref == Ref(Kind.ACCOUNT, account_id)
        assert facts.account.get("name") == "Ostwind Freight"
        assert facts.account.get("country") == "Germany"
        assert facts.account.get("csm") == world.person(TOMAS)
        assert (facts.tasks, facts.notes, facts.touches, facts.won_at) == ((), (), (), None)

    def test_a_deal_without_an_account_is_read_all_the_same(self, world: World) -> None:
        deal_id = world.add_deal(name="No account")
        assert world.crm.fetch([deal_id])[deal_id].account is None

    def test_deals_that_are_gone_are_missing_from_the_answer(self, world: World) -> None:
        kept, gone = world.add_deal(name="Kept"), world.add_deal(name="Gone")
        world.delete_deal(gone)
        assert set(world.crm.fetch([kept, gone])) == {kept}
        assert world.crm.fetch([gone]) == {}
        assert world.crm.fetch([]) == {}

    def test_a_win_is_dated_by_its_transition_and_remembers_the_stage_before(self, world: World) -> None:
        deal_id = world.add_deal(name="Won today", close_date=date(2025, 1, 1))
        world.advance(3600)
        won_at = world.now()
        world.move(deal_id, world.won_stage)
        world.advance(3600)
        world.edit(deal_id, why_bought="edited long after the win")
        facts = world.crm.fetch([deal_id])[deal_id]
        assert facts.stage.is_won
        assert facts.won_at is not None
        assert abs(facts.won_at - won_at) < timedelta(seconds=10)
        assert facts.stage_before_win == world.open_stage

    def test_a_win_taken_back_is_no_win(self, world: World) -> None:
        deal_id = world.add_deal(name="Back again", won=True)
        world.move(deal_id, world.open_stage)
        facts = world.crm.fetch([deal_id])[deal_id]
        assert (facts.stage.is_won, facts.won_at) == (False, None)

    @pytest.mark.parametrize("kind", list(TouchKind))
    def test_a_contact_that_took_place_is_a_touch_by_whoever_had_it(self, world: World, kind: TouchKind) -> None:
        deal_id = world.add_deal(name="Touched", won=True)
        at = world.now().replace(microsecond=0) - timedelta(hours=2)
        world.touch(deal_id, kind, by=world.person(MAYA), at=at)
        touches = world.crm.fetch([deal_id])[deal_id].touches
        assert [(touch.kind, touch.by) for touch in touches] == [(kind, world.person(MAYA))]
        assert abs(touches[0].at - at) < timedelta(seconds=10)

    def test_a_meeting_to_come_is_told_with_its_time_so_that_someone_can_look_again_then(self, world: World) -> None:
        deal_id = world.add_deal(name="Meets tomorrow", won=True)
        world.touch(deal_id, TouchKind.MEETING, by=world.person(MAYA), at=world.now() + timedelta(days=1))
        (planned,) = world.crm.fetch([deal_id])[deal_id].touches
        assert planned.at > world.now()

    # writing

    def test_a_patch_is_applied_and_read_back_in_the_same_values(self, world: World) -> None:
        deal_id = world.add_deal(name="To patch", won=True)
        values: dict[str, Value] = {
            "gate": "Held",
            "status": "1 Preparation",
            "percent": Decimal(40),
            "missing": "Why they bought: nobody wrote it down.\nAsk the champion.",
            "csm": world.person(MAYA),
            "started_at": datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC),
            "metric_ttft_hours": Decimal("3.25"),
            "stage": world.open_stage,
        }
        outcomes = world.crm.apply([patch(Kind.DEAL, deal_id, **values)])
        assert applied(outcomes[0]) == deal_id
        facts = world.crm.fetch([deal_id])[deal_id]
        assert {name: facts.deal.get(name) for name in values} == values
        assert facts.stage.id == world.open_stage

    def test_a_patch_can_empty_fields(self, world: World) -> None:
        deal_id = world.add_deal(name="To empty", why_bought="something", csm=world.person(MAYA))
        applied(world.crm.apply([patch(Kind.DEAL, deal_id, why_bought=None, csm=None)])[0])
        deal = world.crm.fetch([deal_id])[deal_id].deal
        assert (deal.get("why_bought"), deal.get("csm")) == (None, None)

    def test_an_account_can_be_patched(self, world: World) -> None:
        account_id = world.add_account(name="Sonnenhof", country="Austria")
        deal_id = world.add_deal(name="Sonnenhof start", account=account_id)
        applied(world.crm.apply([patch(Kind.ACCOUNT, account_id, csm=world.person(MAYA))])[0])
        account = world.crm.fetch([deal_id])[deal_id].account
        assert account is not None
        assert account.get("csm") == world.person(MAYA)

    def test_each_row_has_its_own_outcome_in_the_order_asked(self, world: World) -> None:
        ids = [world.add_deal(name=f"Row {number}") for number in range(3)]
        writes = [patch(Kind.DEAL, each, risks="none known") for each in ids]
        writes[1] = patch(Kind.DEAL, ids[1], gate="No such gate")
        outcomes = world.crm.apply(writes)
        assert [applied(outcomes[0]), applied(outcomes[2])] == [ids[0], ids[2]]
        assert isinstance(outcomes[1], Refused)
        assert outcomes[1].fault.advice is Advice.PARK
        assert outcomes[1].fault.message
        facts = world.crm.fetch(ids)
        assert [facts[each].deal.get("risks") for each in ids] == ["none known", None, "none known"]

    def test_a_record_that_is_gone_is_refused_alone(self, world: World) -> None:
        kept, gone = world.add_deal(name="Kept"), world.add_deal(name="Gone")
        world.delete_deal(gone)
        outcomes = world.crm.apply([patch(Kind.DEAL, gone, risks="x"), patch(Kind.DEAL, kept, risks="y")])
        assert isinstance(outcomes[0], Refused)
        assert outcomes[0].fault.advice is Advice.REREAD
        assert applied(outcomes[1]) == kept

    def test_two_rows_of_one_record_are_both_done_in_order(self, world: World) -> None:
        deal_id = world.add_deal(name="Twice")
        outcomes = world.crm.apply(
            [patch(Kind.DEAL, deal_id, risks="first", use_case="kept"), patch(Kind.DEAL, deal_id, risks="second")]
        )
        assert [applied(each) for each in outcomes] == [deal_id, deal_id]
        deal = world.crm.fetch([deal_id])[deal_id].deal
        assert (deal.get("risks"), deal.get("use_case")) == ("second", "kept")

    def test_a_task_is_made_once_however_often_it_is_upserted(self, world: World) -> None:
        deal_id = world.add_deal(name="Tasks", won=True)
        write = task(
            deal_id,
            subject="Send the welcome packet",
            body="With the success plan.",
            due=DUE,
            owner=world.person(MAYA),
            remind_at=datetime(2026, 11, 27, 8, 0, tzinfo=UTC),
        )
        first = applied(world.crm.apply([write])[0])
        again = applied(world.crm.apply([write])[0])
        assert again == first
        assert self.tasks(world, deal_id) == [
            CrmTask(first, KEY, "Send the welcome packet", world.person(MAYA), done=False, due=DUE)
        ]

    def test_a_known_task_is_updated_by_its_id(self, world: World) -> None:
        deal_id = world.add_deal(name="Tasks", won=True)
        made = applied(world.crm.apply([task(deal_id, subject="Old", due=DUE, owner=world.person(MAYA))])[0])
        later = DUE + timedelta(days=3)
        update = task(deal_id, record_id=made, subject="New", due=later, owner=world.person(TOMAS))
        assert applied(world.crm.apply([update])[0]) == made
        assert self.tasks(world, deal_id) == [CrmTask(made, KEY, "New", world.person(TOMAS), done=False, due=later)]

    def test_a_task_can_be_closed(self, world: World) -> None:
        deal_id = world.add_deal(name="Tasks", won=True)
        made = applied(world.crm.apply([task(deal_id, subject="Close me", due=DUE, owner=world.person(MAYA))])[0])
        applied(world.crm.apply([task(deal_id, record_id=made, status="done")])[0])
        (closed,) = self.tasks(world, deal_id)
        assert closed.done
        assert closed.subject == "Close me"
        assert closed.done_at is not None
        assert abs(closed.done_at - world.now()) < timedelta(seconds=10)

    def test_a_task_for_someone_who_left_is_refused_alone(self, world: World) -> None:
        deal_id = world.add_deal(name="Tasks", won=True)
        outcomes = world.crm.apply(
            [
                task(deal_id, f"{KEY}-1", subject="Fine", due=DUE, owner=world.person(MAYA)),
                task(deal_id, f"{KEY}-2", subject="Nobody", due=DUE, owner="0050000000000AAA"),
            ]
        )
        applied(outcomes[0])
        assert isinstance(outcomes[1], Refused)
        assert [each.subject for each in self.tasks(world, deal_id)] == ["Fine"]

    def test_a_note_is_made_found_and_kept_up_to_date(self, world: World) -> None:
        deal_id = world.add_deal(name="Notes", won=True)
        write = note(deal_id, title="Handoff summary", body="One page.\n\nTwo lines.", owner=world.person(MAYA))
        made = applied(world.crm.apply([write])[0])
        assert world.crm.find(Kind.NOTE, {NOTE_KEY: deal_id, "contract:1:other": deal_id}) == {NOTE_KEY: made}
        update = note(deal_id, record_id=made, title="Handoff summary", body="Another page.")
        assert applied(world.crm.apply([update])[0]) == made
        (found,) = world.crm.fetch([deal_id])[deal_id].notes
        assert (found.id, found.key) == (made, NOTE_KEY)
        assert found.body.startswith("Another page.")

    def test_a_document_that_names_its_key_comes_back_word_for_word(self, world: World) -> None:
        deal_id = world.add_deal(name="Notes", won=True)
        lines = "\n".join(f"Line {number}: <what> was promised & to whom" for number in range(500))
        body = f"One page <of two> & more.\n\n- a point\n{lines}\n\nHandoff reference: {NOTE_KEY}"
        further = f"And more.\n\nHandoff reference: {NOTE_KEY}-2"
        parts = [
            note(deal_id, title="Summary", body=body, owner=world.person(MAYA)),
            note(deal_id, f"{NOTE_KEY}-2", title="Summary (2 of 2)", body=further, owner=world.person(MAYA)),
        ]
        for outcome in world.crm.apply(parts):
            applied(outcome)
        notes = {each.key: each.body.split() for each in world.crm.fetch([deal_id])[deal_id].notes}
        assert notes == {NOTE_KEY: body.split(), f"{NOTE_KEY}-2": further.split()}

    def test_a_meeting_is_made_once_moved_by_its_id_and_never_a_touch(self, world: World) -> None:
        deal_id = world.add_deal(name="Meets", won=True)
        start = world.now().replace(microsecond=0) + timedelta(days=1)
        times = {"start": start, "end": start + timedelta(minutes=15)}
        write = meeting(deal_id, subject="Handoff", body="Agenda & more", owner=world.person(MAYA), **times)
        made = applied(world.crm.apply([write])[0])
        assert applied(world.crm.apply([write])[0]) == made
        facts = world.crm.fetch([deal_id])[deal_id]
        assert facts.meetings == (
            CrmMeeting(made, MEETING_KEY, "Handoff", world.person(MAYA), times["start"], times["end"], Outcome.PLANNED),
        )
        assert world.crm.find(Kind.MEETING, {MEETING_KEY: deal_id, "contract:1:other": deal_id}) == {MEETING_KEY: made}
        earlier = {name: at - timedelta(days=2) for name, at in times.items()}
        moved = meeting(deal_id, record_id=made, owner=world.person(TOMAS), **earlier)
        assert applied(world.crm.apply([moved])[0]) == made
        world.touch(deal_id, TouchKind.MEETING, by=world.person(MAYA), at=earlier["start"])
        facts = world.crm.fetch([deal_id])[deal_id]
        (found,) = facts.meetings
        assert (found.subject, found.owner_id) == ("Handoff", world.person(TOMAS))
        assert (found.start, found.end, found.outcome) == (earlier["start"], earlier["end"], Outcome.PLANNED)
        assert [(each.kind, each.by) for each in facts.touches] == [(TouchKind.MEETING, world.person(MAYA))]

    def test_a_meeting_whose_answer_was_lost_is_found_by_its_key(self, world: World) -> None:
        deal_id = world.add_deal(name="Lost meeting", won=True)
        start = world.now().replace(microsecond=0) + timedelta(days=1)
        times = {"start": start, "end": start + timedelta(minutes=30)}
        write = meeting(deal_id, subject="Into the dark", owner=world.person(MAYA), **times)
        world.lose_next_answer()
        (outcome,) = world.crm.apply([write])
        assert isinstance(outcome, Unknown)
        world.advance(60)
        found = world.crm.find(Kind.MEETING, {MEETING_KEY: deal_id})
        assert set(found) == {MEETING_KEY}
        assert applied(world.crm.apply([write])[0]) == found[MEETING_KEY]
        assert len(world.crm.fetch([deal_id])[deal_id].meetings) == 1

    def test_found_are_only_the_keys_that_exist(self, world: World) -> None:
        deal_id = world.add_deal(name="Keys", won=True)
        keys = [f"{KEY}-{number}" for number in range(5)]
        made = world.crm.apply([task(deal_id, key, subject=key, due=DUE, owner=world.person(MAYA)) for key in keys[:3]])
        world.advance(60)
        found = world.crm.find(Kind.TASK, dict.fromkeys(keys, deal_id))
        assert found == {key: applied(outcome) for key, outcome in zip(keys[:3], made, strict=True)}

    # lost answers

    def test_a_lost_answer_is_unknown_and_the_key_tells_that_it_was_done(self, world: World) -> None:
        deal_id = world.add_deal(name="Lost", won=True)
        write = task(deal_id, subject="Sent into the dark", due=DUE, owner=world.person(MAYA))
        world.lose_next_answer()
        (outcome,) = world.crm.apply([write])
        assert isinstance(outcome, Unknown)
        assert outcome.fault.advice is Advice.VERIFY
        world.advance(60)
        found = world.crm.find(Kind.TASK, {KEY: deal_id})
        assert set(found) == {KEY}
        assert applied(world.crm.apply([write])[0]) == found[KEY]
        assert len(self.tasks(world, deal_id)) == 1

    def test_every_row_of_a_lost_answer_is_unknown(self, world: World) -> None:
        ids = [world.add_deal(name=f"Lost {number}") for number in range(3)]
        world.lose_next_answer()
        outcomes = world.crm.apply([patch(Kind.DEAL, each, risks="written") for each in ids])
        assert [type(each) for each in outcomes] == [Unknown] * 3
        assert [facts.deal.get("risks") for facts in world.crm.fetch(ids).values()] == ["written"] * 3

    def test_a_note_whose_answer_was_lost_is_found_by_its_key(self, world: World) -> None:
        deal_id = world.add_deal(name="Lost note", won=True)
        world.lose_next_answer()
        (outcome,) = world.crm.apply([note(deal_id, title="Summary", body="Page.", owner=world.person(MAYA))])
        assert isinstance(outcome, Unknown)
        world.advance(60)
        assert set(world.crm.find(Kind.NOTE, {NOTE_KEY: deal_id})) == {NOTE_KEY}

    # feeds

    def test_a_feed_tells_of_an_edit_and_then_falls_silent(self, world: World) -> None:
        quiet, busy = world.add_deal(name="Quiet"), world.add_deal(name="Busy")
        world.advance(3600)
        feeds = Feeds(world)
        world.edit(busy, why_bought="a reason")
        told = feeds.until_quiet()
        assert {change.deal_id for change in told} == {busy}
        assert not any(change.by_self for change in told)
        assert all(abs(change.modified_at - world.now()) < timedelta(minutes=2) for change in told)
        del quiet

    @pytest.mark.parametrize(
        "text",
        [
            *("", "{", "null", "[]", "7", '"x"', "2026-03-02T08:00:00", "[[1,2,3,4],null,{}]"),
            '[["2026-03-02T08:00:00","2026-03-02T08:00:00","2026-03-02T08:00:00",null],null,{}]',
        ],
    )
    def test_a_place_that_something_else_wrote_is_told_as_lost_before_anything_is_asked(
        self, world: World, text: str
    ) -> None:
        for feed in world.crm.feeds():
            with pytest.raises(PlaceLost) as lost:
                world.crm.poll({feed: text})
            assert lost.value.name == feed

    def test_an_idle_feed_costs_one_page(self, world: World) -> None:
        world.add_deal(name="Old news")
        world.advance(3600)
        feeds = Feeds(world)
        assert feeds.read() == []
        assert feeds.pages == len(world.crm.feeds())

    def test_a_new_deal_and_a_later_edit_are_both_told(self, world: World) -> None:
        world.advance(3600)
        feeds = Feeds(world)
        deal_id = world.add_deal(name="Fresh")
        assert {change.deal_id for change in feeds.until_quiet()} == {deal_id}
        world.advance(30)
        world.edit(deal_id, risks="one more")
        assert {change.deal_id for change in feeds.until_quiet()} == {deal_id}

    def test_a_tie_over_a_page_boundary_loses_nothing(self, world: World) -> None:
        ids = [world.add_deal(name=f"Tied {number}") for number in range(2 * world.page + 1)]
        world.advance(3600)
        feeds = Feeds(world)
        for each in ids:
            world.edit(each, risks="all in one second")
        world.advance(5)
        assert {change.deal_id for change in feeds.read()} == set(ids)

    def test_a_change_committed_late_below_the_cursor_is_told_all_the_same(self, world: World) -> None:
        late, prompt = world.add_deal(name="Late"), world.add_deal(name="Prompt")
        world.advance(3600)
        feeds = Feeds(world)
        with world.late(200):
            world.edit(late, risks="stamped first, visible last")
        world.advance(10)
        world.edit(prompt, risks="stamped later, visible at once")
        assert {change.deal_id for change in feeds.until_quiet()} == {prompt}
        told: set[str] = set()
        for _ in range(3):
            world.advance(100)
            told |= {change.deal_id for change in feeds.read()}
        assert told - {prompt} == {late}
        assert world.crm.fetch([late])[late].deal.get("risks") == "stamped first, visible last"

    def test_a_task_ticked_off_by_a_person_tells_of_its_deal(self, world: World) -> None:
        deal_id = world.add_deal(name="Tasks", won=True)
        made = applied(world.crm.apply([task(deal_id, subject="Tick me", due=DUE, owner=world.person(MAYA))])[0])
        world.advance(3600)
        feeds = Feeds(world)
        world.complete(made)
        assert {change.deal_id for change in feeds.until_quiet()} == {deal_id}

    def test_a_meeting_tells_of_its_deal(self, world: World) -> None:
        deal_id = world.add_deal(name="Meets", won=True)
        world.advance(3600)
        feeds = Feeds(world)
        world.touch(deal_id, TouchKind.MEETING, by=world.person(MAYA), at=world.now() + timedelta(hours=1))
        assert {change.deal_id for change in feeds.until_quiet()} == {deal_id}

    def test_our_own_write_is_told_as_ours_where_the_vendor_says_so(self, world: World) -> None:
        deal_id = world.add_deal(name="Echo")
        world.advance(3600)
        feeds = Feeds(world)
        (outcome,) = world.crm.apply([patch(Kind.DEAL, deal_id, risks="ours")])
        applied(outcome)
        told = [change for change in feeds.until_quiet() if change.deal_id == deal_id]
        assert told
        if world.tells_self:
            assert all(change.by_self for change in told)
        else:
            assert isinstance(outcome, Applied)
            assert outcome.modified_at in {change.modified_at for change in told}
        world.advance(30)
        world.edit(deal_id, risks="a person's")
        assert not any(change.by_self for change in feeds.until_quiet())

    # sweeps and sums

    def test_accounts_are_counted_per_csm(self, world: World) -> None:
        for number in range(3):
            world.add_account(name=f"Counted {number}", country="France", csm=world.person(MAYA))
        world.add_account(name="Tomas's", country="France", csm=world.person(TOMAS))
        world.add_account(name="Nobody's", country="France")
        assert world.crm.account_counts() == {world.person(MAYA): 3, world.person(TOMAS): 1}

    def test_a_sweep_finds_every_won_deal_once(self, world: World) -> None:
        won = [world.add_deal(name=f"Won {number}", won=True) for number in range(2 * world.page + 1)]
        world.add_deal(name="Open")
        world.advance(60)
        found = [each for page in world.crm.scan_won(None) for each in page]
        assert sorted(found) == sorted(won)

    def test_a_sweep_can_be_limited_to_recent_wins(self, world: World) -> None:
        deal_id = world.add_deal(name="Won now", won=True)
        world.advance(60)
        today = world.now().date()
        assert [each for page in world.crm.scan_won(today - timedelta(days=7)) for each in page] == [deal_id]
        assert [each for page in world.crm.scan_won(today + timedelta(days=400)) for each in page] == []

    def test_the_earliest_start_tells_a_first_run_from_a_rebuild(self, world: World) -> None:
        ids = [world.add_deal(name=f"Started {number}", won=True) for number in range(2)]
        assert world.crm.earliest_start() is None
        starts = [datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 18, 9, tzinfo=UTC)]
        for each, start in zip(ids, starts, strict=True):
            applied(world.crm.apply([patch(Kind.DEAL, each, started_at=start)])[0])
        world.advance(60)
        assert world.crm.earliest_start() == starts[1]

    def tasks(self, world: World, deal_id: str) -> Sequence[CrmTask]:
        """The tasks of a deal as the port shows them."""
        return list(world.crm.fetch([deal_id])[deal_id].tasks)
