"""The week's figures by mail: when they are due, that each address gets them once, and what happens when it fails."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from mailserver import running

from bench.many import NOW, made_up, put
from connector.bootstrap import figures
from connector.clock import ManualClock
from connector.engine.notifier import Email, Letter
from connector.engine.parts import Shared, Timing
from connector.engine.weekly import LEASE, LEASE_SECONDS, NOBODYS, SENT, Weekly, last_due, send_due
from connector.errors import CrmError, Fault, FaultCode, UserError
from connector.handoff.rulebook.watch import Targets
from connector.settings import WeeklySettings, load_settings
from connector.store import Store, open_store
from connector.telemetry import Telemetry
from connector.web.leadership.board import Book

MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
"""Seven in the morning in Berlin."""
WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
ANA, BO = "ana@seller.example", "bo@seller.example"


@dataclass(frozen=True, slots=True)
class Said:
    subject: str = "Handoffs: the week to 23 November"
    text: str = "Completion 91 %"
    html: str = "<p>Completion <b>91 %</b></p>"


@dataclass
class Post:
    """A mail server's mouth: keeps what it took; ``faults`` are what it says first."""

    took: list[Letter] = field(default_factory=list)
    faults: list[FaultCode] = field(default_factory=list)
    made: int = 0

    def make(self, _now: datetime) -> Said:
        self.made += 1
        return Said()

    def send(self, letter: Letter) -> None:
        if self.faults:
            raise CrmError(Fault(self.faults.pop(0), "smtp", "no"))
        self.took.append(letter)


def a_weekly(post: Post, *, to: tuple[str, ...] = (ANA, BO)) -> Weekly:
    return Weekly(to, 0, 7, BERLIN, post.make, post.send)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MONDAY - timedelta(days=2))


@pytest.fixture
def store(clock: ManualClock) -> Iterator[Store]:
    made = open_store("sqlite://", clock=clock)
    yield made
    made.close()


def a_process(store: Store, name: str = "one") -> Shared:
    return Shared(store, store.clock, Telemetry(), Timing(), name, lambda *_: None, threading.Event())


def test_a_process_that_waited_too_long_for_the_mail_server_leaves_the_rest_to_the_other(
    store: Store, clock: ManualClock
) -> None:
    post, one, other = Post(), a_process(store), a_process(store, "other")
    assert send_due(one, a_weekly(post)) == 0
    clock.advance(MONDAY - clock.now())

    def slow(letter: Letter) -> None:
        """The other one looks meanwhile, and has not come to the end either."""
        clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
        post.send(letter)
        assert store.lease(LEASE, owner="other", ttl=LEASE_SECONDS)

    assert send_due(one, dataclasses.replace(a_weekly(post), send=slow)) == 1
    assert send_due(other, a_weekly(post)) == 1
    assert [each.to_email for each in post.took] == [ANA, BO]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (MONDAY - timedelta(seconds=1), MONDAY - WEEK),
        (MONDAY, MONDAY),
        (MONDAY + timedelta(days=6, hours=23), MONDAY),
        # The clocks went back on 25 October: it is the same hour for those who read it.
        (datetime(2026, 10, 26, 5, 59, tzinfo=UTC), datetime(2026, 10, 19, 5, 0, tzinfo=UTC)),
    ],
    ids=["a second before", "then", "at the end of the week", "summer time"],
)
def test_when_it_was_due_last(now: datetime, due: datetime) -> None:
    assert last_due(a_weekly(Post()), now) == due


def test_the_week_in_which_it_is_switched_on_is_left_out_and_the_next_goes_to_each_once(
    store: Store, clock: ManualClock
) -> None:
    post = Post()
    one, other, restarted = a_process(store), a_process(store, "other"), a_process(store, "one again")
    assert send_due(one, a_weekly(post)) == 0
    clock.advance(MONDAY - clock.now())
    assert send_due(one, a_weekly(post)) == 2
    for process in (one, other, restarted):
        clock.advance(HOUR)
        assert send_due(process, a_weekly(post)) == 0
    assert [each.to_email for each in post.took] == [ANA, BO]
    assert post.made == 1
    clock.advance(WEEK)
    assert send_due(other, a_weekly(post)) == 2
    assert len({each.key for each in post.took}) == 4


def test_of_two_processes_one_sends(store: Store, clock: ManualClock) -> None:
    post = Post()
    send_due(a_process(store), a_weekly(post))
    clock.advance(MONDAY - clock.now())
    store.lease(LEASE, owner="another replica", ttl=60)
    assert send_due(a_process(store), a_weekly(post)) == 0
    clock.advance(timedelta(minutes=2))
    assert send_due(a_process(store), a_weekly(post)) == 2


def test_a_server_that_is_down_gets_it_later_and_nobody_twice(store: Store, clock: ManualClock) -> None:
    post = Post()
    send_due(a_process(store), a_weekly(post))
    clock.advance(MONDAY - clock.now())
    post.faults = [FaultCode.UNAVAILABLE]
    assert send_due(a_process(store), a_weekly(post)) == 0
    assert send_due(a_process(store), a_weekly(post, to=(ANA,))) == 1
    assert send_due(a_process(store), a_weekly(post)) == 1
    assert [each.to_email for each in post.took] == [ANA, BO]


def test_an_address_that_is_refused_is_not_tried_all_week(store: Store, clock: ManualClock) -> None:
    post = Post()
    send_due(a_process(store), a_weekly(post))
    clock.advance(MONDAY - clock.now())
    post.faults = [FaultCode.REJECTED]
    send_due(a_process(store), a_weekly(post))
    assert send_due(a_process(store), a_weekly(post)) == 0
    assert [each.to_email for each in post.took] == [BO]


def test_figures_of_days_ago_are_not_sent_any_more(store: Store, clock: ManualClock) -> None:
    post = Post()
    send_due(a_process(store), a_weekly(post))
    clock.advance(MONDAY - clock.now() + timedelta(days=4))
    assert send_due(a_process(store), a_weekly(post)) == 0
    clock.advance(timedelta(days=3))
    assert send_due(a_process(store), a_weekly(post)) == 2


@pytest.mark.parametrize("garbled", ["", "x", "[]", '{"week": 1}'])
def test_what_cannot_be_read_sends_nothing_and_is_written_anew(store: Store, clock: ManualClock, garbled: str) -> None:
    post = Post()
    clock.advance(MONDAY - clock.now())
    store.set_cursor(NOBODYS, SENT, garbled)
    assert send_due(a_process(store), a_weekly(post)) == 0
    clock.advance(WEEK)
    assert send_due(a_process(store), a_weekly(post)) == 2


def test_the_mail_says_the_same_in_words_and_as_a_page_and_no_address_is_kept(store: Store, clock: ManualClock) -> None:
    post = Post()
    with running() as server:
        email = Email("127.0.0.1", server.port, "handoff@seller.example", starttls=False)
        weekly = Weekly((ANA,), 0, 7, BERLIN, post.make, email.post)
        send_due(a_process(store), weekly)
        clock.advance(MONDAY - clock.now())
        assert send_due(a_process(store), weekly) == 1
    (letter,) = server.letters
    assert server.sent_to == [[ANA]]
    assert "multipart/alternative" in letter
    assert "Completion 91 %" in letter
    assert "<b>91 %</b>" in letter
    assert "Message-ID: <weekly.2026-11-23." in letter
    assert ANA not in (store.cursor(NOBODYS, SENT) or "")


def test_the_pages_own_figures_go_out(clock: ManualClock, store: Store) -> None:
    put(store, list(made_up(30, seed=7, days=60)))
    clock.advance(NOW + timedelta(days=1) - clock.now())
    book = Book(store, Targets(), BERLIN, ("sf",), clock.now)
    post = Post()
    asked = WeeklySettings(to=(ANA,), weekday=5, hour=16)
    weekly = figures.weekly(asked, book, public_url="https://handoff.seller.example", send=post.send)
    assert send_due(a_process(store), weekly) == 0
    clock.advance(WEEK)
    assert send_due(a_process(store), weekly) == 1
    (letter,) = post.took
    assert letter.subject.startswith("Handoffs, week to 2026-11-28: ")
    assert "Complete at close: " in letter.text
    assert "https://handoff.seller.example/leadership" in letter.html


SYSTEM = '[[systems]]\nname = "hs"\nvendor = "hubspot"\naccess_token_env = "HS_ACCESS_TOKEN"\n'
SERVER = '[notify.email]\nhost = "smtp.seller.example"\nsender = "handoff@seller.example"\n'


def _told(folder: Path, text: str) -> str:
    (folder / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as told:
        load_settings(folder / "config.toml", env={"HS_ACCESS_TOKEN": "t"})
    return str(told.value)


@pytest.mark.parametrize(
    ("weekly", "said"),
    [
        ('[weekly]\nto = ["ana"]\n', "config.toml:10:7: weekly.to[1]"),
        ("[weekly]\nto = []\n", "config.toml:10:6: weekly.to"),
        ('[weekly]\nweekday = "mon"\n', "weekly.to"),
        ('[weekly]\nto = ["a@b.example"]\nweekday = "Monday"\n', "config.toml:11:11: weekly.weekday"),
        ('[weekly]\nto = ["a@b.example"]\nhour = 24\n', "config.toml:11:8: weekly.hour"),
        ('[weekly]\nto = ["a@b.example", "A@b.example"]\n', "config.toml:10:22: weekly.to[2]: A@b.example stands here"),
    ],
    ids=["no address", "nobody", "no list", "a weekday's long name", "an hour there is not", "twice"],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, weekly: str, said: str) -> None:
    assert said in _told(tmp_path, SYSTEM + SERVER + "\n" + weekly)


def test_it_needs_a_mail_server_and_the_page(tmp_path: Path) -> None:
    told = _told(tmp_path, SYSTEM + '[web]\nenabled = false\n[weekly]\nto = ["a@b.example"]\n')
    assert "config.toml:7:2: weekly: the week's figures go through the server of [notify.email]" in told
    assert "config.toml:7:2: weekly: its numbers lead to the page" in told


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(SYSTEM + SERVER, encoding="utf-8")
    assert load_settings(path, env={"HS_ACCESS_TOKEN": "t"}).weekly is None
    path.write_text(SYSTEM + SERVER + '[weekly]\nto = ["a@b.example"]\nweekday = "fri"\nhour = 16\n', encoding="utf-8")
    found = load_settings(path, env={"HS_ACCESS_TOKEN": "t"}).weekly
    assert found is not None
    assert (found.to, found.weekday, found.hour) == (("a@b.example",), 4, 16)
