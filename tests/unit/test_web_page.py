"""The operators' page over ASGI: who may look, who may act, what no other page can make a browser do.

Not here: the webhook door (``test_web_hooks``), a real browser (``tests/e2e/test_page_signin.py``) and what acts do.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from structlog.testing import capture_logs

from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.settings import OidcSettings, WebSettings
from connector.telemetry import Telemetry
from connector.web.app import Pages, create_app
from connector.web.desk import Stop
from connector.web.signin import ALL_TRIES, SESSION_SECONDS, TRIES
from connector.web.status import Covered, DecisionRow, ParkedRow, Status, SystemStatus

TOKEN = "0123456789abcdef0123456789abcdef"
SF = SystemName("sf")
DEAL = "006SECRETDEAL"
BASE = "http://127.0.0.1:8787"
OURS = {"Origin": BASE}
PROXY, STRANGER = ("10.1.2.3", 999), ("192.0.2.9", 999)
ASKED_BY_PROXY = "x-forwarded-email"


@dataclass
class DeskBook:
    """A desk that writes down what it is asked for."""

    done: list[tuple[Any, ...]] = field(default_factory=list)

    def stops(self) -> Sequence[Stop]:
        return [Stop("sf", "3 deals held", "too many at once", "5 min", act="release", examples=(DEAL,))]

    def retry(self, row: int, *, by: str) -> str:
        if row == 404:
            raise UserError([Problem("", "", "row 404 is not parked")])
        self.done.append(("retry", row, by))
        return f"Row {row} will be sent again at the next pass."

    def drop(self, row: int, *, by: str, why: str) -> str:
        self.done.append(("drop", row, by, why))
        return f"Row {row} was dropped."

    def release(self, system: str, *, by: str) -> str:
        self.done.append(("release", system, by))
        return "Released."

    def pause(self, system: str, *, by: str, why: str) -> str:
        self.done.append(("pause", system, by, why))
        return "Paused."

    def resume(self, system: str, *, by: str) -> str:
        self.done.append(("resume", system, by))
        return "Resumed."


PERSON, CUSTOMER = "ana.ruiz@seller.example", "Nordlys AS"


def a_status() -> Status:
    parked = ParkedRow(17, SF, DEAL, "task:kickoff", "FIELD_INTEGRITY", "<b>no</b>", "2 min")
    at = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    said = f"{DEAL} of {CUSTOMER}, {PERSON}"
    decided = DecisionRow(at, SF, DEAL, "held", "Held", (f"{PERSON} left; {CUSTOMER} waits.",))
    return Status(at=at, systems=(a_system(said),), parked=(parked,), decisions=(decided,))


def a_system(said: str) -> SystemStatus:
    """A system whose every text names a deal, a customer and a person."""
    return SystemStatus(
        name=SF,
        vendor="salesforce",
        mode="act",
        ok=False,
        trouble=f"3 deals are held: {said}",
        last_pass_at=None,
        last_pass_age="never",
        lag_seconds=60.0,
        lag="1 min",
        looks_due=3,
        waiting=2,
        unknown=1,
        parked=1,
        handed_over=40,
        held=3,
        coverage=(Covered("handed over", 40),),
        baseline="2026-11-01 09:00 UTC",
        calls="900 of 1000",
        sparing=False,
        live="polled every 5 s",
        live_trouble=(f"deals is polled: {said}",),
        rounds=(f"census: {said}",),
        pauses=(f"paused by {PERSON}",),
        alarms=(f"For example: {said}",),
    )


def figures() -> CollectorRegistry:
    """A daemon's figures, each with a value under every label that it has, as its work would set them."""
    telemetry = Telemetry()
    for each in vars(telemetry).values():
        if isinstance(each, MetricWrapperBase) and each._labelnames:
            each.labels(**dict.fromkeys(each._labelnames, "sf"))
    telemetry.show_work("sf", backlog=3, outbox={"pending": 2, "parked": 1}, lag_seconds=60.0, is_paused=True)
    telemetry.held_deals.labels(system="sf").set(3)
    return telemetry.registry


def a_web(**changes: Any) -> WebSettings:
    plain: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "enabled": True, "hooks_host": "127.0.0.1"}
    return WebSettings(**{**plain, "hooks_port": 0, **changes})


class Visitor:
    """A browser at the page: keeps cookies, says where its forms come from."""

    def __init__(self, web: WebSettings, *, at: tuple[str, int] = ("127.0.0.1", 999), base: str = BASE) -> None:
        self.desk = DeskBook()
        self.now = [0.0]
        pages = Pages(a_status, figures(), web, desk=self.desk, monotonic=lambda: self.now[0])
        self._transport = httpx.ASGITransport(create_app(pages), client=at)
        self.cookies = httpx.Cookies()
        self._base = base

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport, base_url=self._base, cookies=self.cookies, trust_env=False
            ) as client:
                answer = await client.request(method, path, **given)
                self.cookies = client.cookies
                return answer

        with ThreadPoolExecutor(1) as alone:
            return alone.submit(asyncio.run, once()).result()

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.ask("GET", path, **given)

    def post(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
        origin = {"Origin": self._base} if headers is None else headers
        return self.ask("POST", path, data=fields, headers=origin)

    def secret(self, path: str = "/signin") -> str:
        """What the page's own form would bring back."""
        found = re.search(r'name="form" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def sign_in(self, *, name: str = "Ana Ruiz", token: str = TOKEN) -> httpx.Response:
        return self.post("/signin", {"form": self.secret(), "name": name, "token": token})


@pytest.fixture
def visitor() -> Visitor:
    """On loopback, where everybody may look and who has the token may act."""
    return Visitor(a_web(token=SecretStr(TOKEN)))


@pytest.fixture
def ana(visitor: Visitor) -> Visitor:
    """The same, signed in."""
    assert visitor.sign_in().status_code == 303
    return visitor


# looking


def test_on_loopback_without_any_sign_in_one_looks_and_changes_nothing() -> None:
    alone = Visitor(a_web())
    page = alone.get("/")
    assert page.status_code == 200
    assert DEAL in page.text
    assert "<form" not in page.text
    assert "Sign in" not in page.text
    assert alone.cookies.jar.__len__() == 0, "nobody who cannot sign in needs a cookie"
    assert alone.post("/act/retry", {"what": "17"}).headers["location"] == "/signin"
    assert alone.desk.done == []


def test_beyond_loopback_nothing_is_shown_to_strangers() -> None:
    far = Visitor(a_web(host="0.0.0.0", token=SecretStr(TOKEN)), base="http://192.0.2.1:8787")
    assert far.get("/").headers["location"] == "/signin"
    assert far.get("/fragment").status_code == 401
    for path in ("/", "/fragment", "/signin", "/healthz", "/readyz", "/metrics", "/static/status.css", "/none"):
        answer = far.get(path)
        for secret in (DEAL, PERSON, CUSTOMER, "FIELD_INTEGRITY"):
            assert secret not in answer.text, path
    assert far.get("/healthz").status_code == 200
    assert far.get("/readyz").json() == {"ready": False, "systems": {"sf": "not ready"}}
    shown = far.get("/metrics").text
    assert 'handoff_held_deals{system="sf"} 3.0' in shown
    named = {value for labels in re.findall(r"^handoff_\w+\{(.*)\} ", shown, re.MULTILINE) for value in quoted(labels)}
    assert "sf" in named
    assert not any(each in value for value in named for each in (DEAL, PERSON, CUSTOMER, "@"))
    far.sign_in()
    page = far.get("/").text
    for shown_to_people in (DEAL, PERSON, CUSTOMER):
        assert shown_to_people in page


def quoted(labels: str) -> list[str]:
    """The values of a figure's labels."""
    return re.findall(r'="([^"]*)"', labels)


def test_no_figure_has_a_label_for_a_record_or_a_person() -> None:
    """What the daemon may count by; a label of another name is to be thought over here."""
    labels = {
        name for each in vars(Telemetry()).values() if isinstance(each, MetricWrapperBase) for name in each._labelnames
    }
    assert labels == {"system", "result", "phase", "event", "kind", "code", "state", "budget", "sort", "measure"}


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "0.0.0.0"},
        {"allowed_hosts": ("handoff.seller.example",)},
        {"public_url": "https://handoff.seller.example"},
        {"proxy_user_header": ASKED_BY_PROXY, "trusted_proxies": ("127.0.0.0/8",)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_opens_the_page_to_others_closes_it_to_strangers(changes: dict[str, Any]) -> None:
    assert Visitor(a_web(token=SecretStr(TOKEN), **changes)).get("/").headers["location"] == "/signin"


def test_everything_shown_is_text(ana: Visitor) -> None:
    assert "<b>no</b>" not in ana.get("/").text
    assert "&lt;b&gt;no" in ana.get("/").text


# names of ours


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8787", "a@b:c"])
def test_a_name_that_was_rebound_to_us_is_turned_away(visitor: Visitor, host: str) -> None:
    answer = visitor.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert DEAL not in answer.text
    assert visitor.get("/healthz", headers={"Host": host}).status_code == 200, "a probe may use any name"


@pytest.mark.parametrize("host", ["localhost:8787", "127.0.0.1", "[::1]:8787", "192.0.2.44:1", "LOCALHOST"])
def test_our_own_names_and_addresses_in_figures_are_answered(visitor: Visitor, host: str) -> None:
    assert visitor.get("/", headers={"Host": host}).status_code == 200


def test_configured_names_are_ours() -> None:
    web = a_web(public_url="https://handoff.seller.example", allowed_hosts=("other.example",), token=SecretStr(TOKEN))
    for host, status in (("handoff.seller.example", 200), ("other.example:8787", 200), ("third.example", 421)):
        assert Visitor(web).get("/signin", headers={"Host": host}).status_code == status


# signing in


def test_the_token_lets_in_under_the_name_that_is_given(visitor: Visitor) -> None:
    with capture_logs() as lines:
        assert visitor.sign_in().headers["location"] == "/"
    page = visitor.get("/").text
    assert "Signed in as <strong>Ana Ruiz</strong>" in page
    assert [line["event"] for line in lines] == ["person.admitted"]
    assert TOKEN not in str(lines) + page


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), "é" * 32])
def test_another_token_does_not(visitor: Visitor, token: str) -> None:
    assert visitor.sign_in(token=token).status_code == 401
    assert "Signed in" not in visitor.get("/").text


@pytest.mark.parametrize("name", ["", " ", "<script>", "a\nb", "x" * 81, "a\x00", '"'])
def test_nobody_is_let_in_under_a_name_that_is_none(visitor: Visitor, name: str) -> None:
    answer = visitor.sign_in(name=name)
    assert (answer.status_code, "handoff-session" in visitor.cookies) == (
        (303, True) if name == "a\nb" else (401, False)
    )


def test_whoever_guesses_is_slowed_down(visitor: Visitor) -> None:
    statuses = [visitor.sign_in(token=f"guess {each}").status_code for each in range(TRIES + 2)]
    assert statuses == [401] * TRIES + [429] * 2
    assert visitor.sign_in().status_code == 429, "not even with the right one"
    visitor.now[0] += 31
    assert visitor.sign_in().status_code == 303


def test_everybody_together_is_slowed_down_too_but_not_where_somebody_signed_in_before() -> None:
    web = a_web(host="0.0.0.0", token=SecretStr(TOKEN), trusted_proxies=("10.0.0.0/8",))
    many = Visitor(web, at=PROXY, base="http://192.0.2.1")
    form = {"form": many.secret(), "name": "x"}

    def tries(source: str, token: str) -> int:
        headers = {"Origin": "http://192.0.2.1", "X-Forwarded-For": source}
        answer = many.post("/signin", form | {"token": token}, headers).status_code
        form["form"] = many.cookies["handoff-form"]
        return answer

    assert tries("198.51.100.1", TOKEN) == 303
    statuses = [tries(f"203.0.113.{each}", "wrong") for each in range(ALL_TRIES + 2)]
    assert statuses == [401] * ALL_TRIES + [429] * 2
    assert tries("203.0.113.99", TOKEN) == 429
    assert tries("198.51.100.1", TOKEN) == 303


def test_a_session_ends_by_itself_and_by_signing_out(ana: Visitor) -> None:
    kept = ana.cookies["handoff-session"]
    assert ana.post("/signout", {"form": ana.secret("/")}).status_code == 303
    assert "handoff-session" not in ana.cookies
    ana.cookies.set("handoff-session", kept, domain="127.0.0.1")
    assert "Signed in" not in ana.get("/").text, "a cookie that was kept is good for nothing"
    ana.cookies.clear()
    ana.sign_in()
    ana.now[0] += SESSION_SECONDS + 1
    assert "Signed in" not in ana.get("/").text


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(visitor: Visitor) -> None:
    set_cookies = visitor.sign_in().headers.get_list("set-cookie")
    assert len(set_cookies) == 2
    for each in set_cookies:
        assert "HttpOnly" in each
        assert "SameSite=strict" in each
        assert "Path=/" in each
        assert "Secure" not in each, "plain http on loopback"


def test_behind_https_cookies_are_bound_to_this_host_and_to_https() -> None:
    base = "https://handoff.seller.example"
    web = a_web(public_url=base, token=SecretStr(TOKEN))
    safe = Visitor(web, base=base)
    answer = safe.sign_in()
    assert answer.status_code == 303
    for each in answer.headers.get_list("set-cookie"):
        assert each.startswith("__Host-")
        assert "Secure" in each
    assert answer.headers["strict-transport-security"]
    assert "Signed in as" in safe.get("/").text


# a proxy that says who it is


def behind_proxy(at: tuple[str, int]) -> Visitor:
    web = a_web(host="0.0.0.0", trusted_proxies=("10.0.0.0/8",), proxy_user_header=ASKED_BY_PROXY)
    return Visitor(web, at=at, base="http://192.0.2.1:8787")


def test_a_trusted_proxy_says_who_asks() -> None:
    visitor = behind_proxy(PROXY)
    page = visitor.get("/", headers={"X-Forwarded-Email": "ana@seller.example"})
    assert "Signed in as <strong>ana@seller.example</strong>" in page.text
    assert "Sign out" not in page.text, "the proxy would sign her in again"
    found = re.search(r'name="form" value="([^"]+)"', page.text)
    assert found is not None
    headers = {"X-Forwarded-Email": "ana@seller.example", "Origin": "http://192.0.2.1:8787"}
    assert visitor.post("/act/retry", {"form": found[1], "what": "17"}, headers).status_code == 303
    assert visitor.desk.done == [("retry", 17, "ana@seller.example (proxy)")]


def test_from_anybody_else_the_header_is_nothing() -> None:
    assert behind_proxy(STRANGER).get("/", headers={"X-Forwarded-Email": "ana@seller.example"}).status_code == 303
    claims = {"X-Forwarded-Email": "ana@seller.example", "X-Forwarded-For": "10.1.2.3"}
    assert behind_proxy(STRANGER).get("/", headers=claims).status_code == 303


@pytest.mark.parametrize("value", ["", "<x>", "a@b\x7f"])
def test_a_proxy_that_names_nobody_lets_nobody_in(value: str) -> None:
    assert behind_proxy(PROXY).get("/", headers={"X-Forwarded-Email": value}).status_code == 303


def test_two_names_are_no_name() -> None:
    """A proxy that adds its header to the caller's own, instead of replacing it, must not let the caller choose."""
    headers = [("X-Forwarded-Email", "boss@seller.example"), ("X-Forwarded-Email", "ana@seller.example")]
    assert behind_proxy(PROXY).get("/", headers=headers).status_code == 303


# acting


@pytest.mark.parametrize(
    ("act", "fields", "done"),
    [
        ("retry", {"what": "17"}, ("retry", 17, "Ana Ruiz (token)")),
        ("drop", {"what": "17", "why": " won by\n mistake "}, ("drop", 17, "Ana Ruiz (token)", "won by mistake")),
        ("release", {"what": "sf"}, ("release", "sf", "Ana Ruiz (token)")),
        ("pause", {"what": "sf", "why": "migration"}, ("pause", "sf", "Ana Ruiz (token)", "migration")),
        ("resume", {"what": "sf"}, ("resume", "sf", "Ana Ruiz (token)")),
    ],
)
def test_whoever_is_signed_in_acts_in_their_own_name(
    ana: Visitor, act: str, fields: dict[str, str], done: tuple[Any, ...]
) -> None:
    answer = ana.post(f"/act/{act}", {"form": ana.secret("/"), **fields})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert ana.desk.done == [done]


def test_without_a_page_for_leadership_no_deal_opens_it(ana: Visitor) -> None:
    page = ana.get("/").text
    assert f"<code>{DEAL}</code>" in page
    assert "/leadership" not in page


def test_what_came_of_it_is_said_once(ana: Visitor) -> None:
    ana.post("/act/retry", {"form": ana.secret("/"), "what": "17"})
    assert "Row 17 will be sent again" in ana.get("/").text
    assert "Row 17 will be sent again" not in ana.get("/").text
    ana.post("/act/retry", {"form": ana.secret("/"), "what": "404"})
    assert "Nothing was done: row 404 is not parked." in ana.get("/").text


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("retry", {"what": "x"}),
        ("retry", {"what": "9" * 30}),
        ("retry", {"what": "²"}),
        ("retry", {}),
        ("drop", {"what": "17", "why": ""}),
        ("drop", {"what": "17", "why": "x" * 501}),
        ("pause", {"what": "sf", "why": "a\x00b"}),
    ],
)
def test_what_cannot_be_meant_does_nothing(ana: Visitor, act: str, fields: dict[str, str]) -> None:
    ana.post(f"/act/{act}", {"form": ana.secret("/"), **fields})
    assert ana.desk.done == []
    assert "Nothing was done" in ana.get("/").text


# other pages


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:8787.evil.example"},
        {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": BASE, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_no_other_page_can_act_with_our_cookies(ana: Visitor, headers: dict[str, str]) -> None:
    fields = {"form": ana.secret("/"), "what": "17"}
    assert ana.post("/act/retry", fields, headers).status_code == 403
    assert ana.post("/signin", fields, headers).status_code == 403
    assert ana.desk.done == []


@pytest.mark.parametrize("brought", ["", "guess", "0" * 43])
def test_a_form_must_bring_back_what_only_our_page_knows(ana: Visitor, brought: str) -> None:
    assert ana.post("/act/retry", {"form": brought, "what": "17"}).status_code == 403
    assert ana.post("/signout", {"form": brought}).status_code == 303
    assert "Signed in as" in ana.get("/").text, "nobody is signed out by somebody else's form"
    assert ana.desk.done == []


def test_a_form_secret_of_somebody_elses_choosing_is_none(visitor: Visitor) -> None:
    visitor.cookies.set("handoff-form", "short", domain="127.0.0.1")
    assert visitor.post("/signin", {"form": "short", "name": "Ana", "token": TOKEN}).status_code == 403


def test_signing_in_changes_the_form_secret(visitor: Visitor) -> None:
    before = visitor.secret()
    visitor.sign_in()
    assert visitor.secret("/") != before


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"form=x&what=17&pad=" + b"a" * 20_000, "application/x-www-form-urlencoded"),
        (b'{"what": 17}', "application/json"),
        (b"what=17", "text/plain"),
        (b"what=1&what=2", "application/x-www-form-urlencoded"),
        (b"what=%ff", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % each for each in range(30)), "application/x-www-form-urlencoded"),
    ],
    ids=["large", "json", "text", "doubled", "not-utf8", "not-ascii", "many"],
)
def test_what_is_no_form_of_ours_is_refused(ana: Visitor, body: bytes, kind: str) -> None:
    answer = ana.ask("POST", "/act/retry", content=body, headers={**OURS, "Content-Type": kind})
    assert answer.status_code == 403
    assert ana.desk.done == []


@pytest.mark.parametrize("path", ["/act/retry", "/signout", "/signin/oidc/back", "/act/none", "/signin/oidc"])
def test_a_link_alone_changes_nothing(ana: Visitor, path: str) -> None:
    assert ana.get(path).status_code in (404, 405)
    assert "Signed in as" in ana.get("/").text


@pytest.mark.parametrize("path", ["/", "/signin", "/fragment", "/healthz", "/metrics", "/static/refresh.js", "/none"])
def test_every_answer_carries_strict_headers(visitor: Visitor, path: str) -> None:
    headers = visitor.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_no_page_has_a_script_or_style_of_its_own(ana: Visitor) -> None:
    for path in ("/", "/fragment", "/signin"):
        text = ana.get(path).text
        assert not re.search(r"<style|style=|<script(?! type=\"module\" src=\"/static/)|\son\w+=|javascript:", text)


@pytest.fixture
def oidc_web() -> WebSettings:
    return a_web(
        public_url="https://handoff.seller.example",
        oidc=OidcSettings(issuer="https://id.example", client_id="x", client_secret=None, people=("@seller.example",)),
    )


def test_the_ways_there_are_are_offered(oidc_web: WebSettings, visitor: Visitor) -> None:
    assert "company account" not in visitor.get("/signin").text
    there = Visitor(oidc_web, base="https://handoff.seller.example").get("/signin").text
    assert "company account" in there
    assert "Token" not in there


def test_a_crowd_at_the_open_paths_keeps_neither_the_probe_nor_the_page_from_answering() -> None:
    """Whoever asks for the figures without a name takes two threads of forty, however slow the store is."""
    let_go, waiting = threading.Event(), threading.Semaphore(0)
    crowd = 60

    def slow() -> Status:
        waiting.release()
        assert let_go.wait(30)
        return a_status()

    site = create_app(Pages(slow, CollectorRegistry(), a_web()))

    async def visit() -> tuple[int, int, list[int]]:
        transport = httpx.ASGITransport(site, client=("127.0.0.1", 999))
        async with httpx.AsyncClient(transport=transport, base_url=BASE, trust_env=False, timeout=30) as client:
            asked = [asyncio.create_task(client.get(path)) for path in ("/metrics", "/readyz") * (crowd // 2)]
            await asyncio.to_thread(waiting.acquire)
            probe, page = await client.get("/healthz"), await client.get("/signin")
            let_go.set()
            return probe.status_code, page.status_code, [(await each).status_code for each in asked]

    with ThreadPoolExecutor(1) as alone:  # a loop of its own, whatever runs in this thread
        assert alone.submit(asyncio.run, visit()).result() == (200, 200, [200, 503] * (crowd // 2))


def test_a_number_no_database_has_is_no_row(ana: Visitor) -> None:
    for what in ("9999999999999999999", "9223372036854775808", "-1", "1e3", "\u0661", ""):
        assert ana.post("/act/retry", {"form": ana.secret("/"), "what": what}).status_code == 303
        assert "no such row" in ana.get("/").text
    assert ana.desk.done == []
