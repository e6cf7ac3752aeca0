"""A site with every secret there is, and all that it leaves: log, pages, plans, exports, copies, crashes, tables.

Not here: the search (``secrets``). Everything it is asked and everything it says is kept as files in the site's folder;
what did not come about (a page that was not shown, a command that did not end as it must) is told in words, for what
was never produced proves nothing.
"""

from __future__ import annotations

import base64
import contextlib
import random
import re
import socketserver
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from daemons import SECRETS, Site, free_port, site, until

from chaos import ROOT
from chaos.badbodies import TRACK, Shot, Target, request
from chaos.doors import SECRET as SIGNING_SECRET
from chaos.sections import Effort
from chaos.throwing import fire
from chaos.weather_ground import DATABASE_ENV
from chaos.weather_postgres import PASSWORD as DATABASE_PASSWORD
from chaos.weather_postgres import installed, running
from connector.logs import HIDDEN
from connector.sandbox.hubspot.schema import APP_CLIENT_SECRET

WRONG = "wrong-client-secret-4711"
"""A secret that is refused: what the connector says of a refusal is where secrets like to appear."""

PAGE_TOKEN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9-page"
WRONG_TOKEN = "ffffffffeeeeeeeeddddddddcccccccc-page"
SMTP_PASSWORD = "mail-password/4712+of=handoff"

USED: dict[str, str] = {
    "page token": PAGE_TOKEN,
    "wrong page token": WRONG_TOKEN,
    "mail password": SMTP_PASSWORD,
    "database password": DATABASE_PASSWORD,
    "event signing secret": SIGNING_SECRET,
    "webhook secret": APP_CLIENT_SECRET,
    "wrong client secret": WRONG,
}
"""What is in play here besides the CRMs' own, by name."""

PAGES = ("/", "/fragment", "/metrics", "/readyz", "/healthz", "/signin", "/nowhere")
CRASHING = ROOT / "chaos" / "crashing"
AGAIN = frozenset({"plan as data", "explain as data", "status", "trail export as a table", "export as tables", "retry"})
"""Commands that tell in another way what others told; left out of a short run."""

HIDDEN_FIELD = re.compile(r'name="form" value="([^"]+)"')

WEB = '[web]\ntoken_file = "{path}"'
MAIL = """\
[notify.email]
host = "127.0.0.1"
port = {port}
sender = "handoff@seller.example"
starttls = false
username = "handoff"
password_env = "SMTP_PASSWORD"

[notify.chat]"""
HEARD = """\
access_token_env = "HS_ACCESS_TOKEN"
client_secret_env = "HS_CLIENT_SECRET"
webhook_url = "http://127.0.0.1:{port}/webhooks/hubspot/hs"
"""
SOURCE = """
[[sources]]
name = "app"
signing_secret_env = "APP_SIGNING_SECRET"
"""


@dataclass(slots=True)
class Kept:
    """What the site was asked and said, as files of ``folder``; ``missing`` is what did not come about."""

    made: Site
    folder: Path
    missing: list[str] = field(default_factory=list)

    def must(self, there: object, words: str) -> None:
        """What ``there`` says, or a word about it."""
        if not there:
            self.missing.append(words)

    def write(self, name: str, text: str) -> None:
        """Keep what was said."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{name}.txt").write_text(text, errors="replace")

    def ran(
        self,
        name: str,
        *arguments: str,
        codes: tuple[int, ...] = (0,),
        says: tuple[str, ...] = (),
        writes: tuple[Path, ...] = (),
        env: Mapping[str, Any] | None = None,
    ) -> None:
        """Run a command, keep what it says, and note it when it did not end, say or write as it must."""
        ran = self.made.run(*arguments, **(env or {}))
        self.write(name, f"{ran.out}\n{ran.err}")
        self.must(ran.code in codes, f"{name} ended with {ran.code}")
        for words in says:
            self.must(words in ran.out + ran.err, f"{name} does not say {words!r}")
        for path in writes:
            self.must(path.exists(), f"{name} wrote no {path.name}")


def leave(folder: Path, effort: Effort) -> list[str]:
    """Play the site; returns what did not come about. A short run asks one command of each kind."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(folder / "postgres")) if installed() else None
        mail = stack.enter_context(Mail.running())
        made = stack.enter_context(site(folder / "site", systems=("sf", "hs")))
        # The one file in which a secret stands on purpose; it is none of what a run leaves.
        token = Path(stack.enter_context(tempfile.NamedTemporaryFile("w", prefix="handoff-page-token-")).name)
        token.write_text(PAGE_TOKEN)
        port, hooks = free_port(), free_port()
        _configure(made, token=token, port=port, hooks=hooks, mail=mail.port, store_url=server.url() if server else "")
        kept = Kept(made, folder / "said")
        deals = _at_work(kept, mail, port=port, hooks=hooks)
        with ThreadPoolExecutor(effort.lanes) as lanes:
            going = [*_troubled(kept, effort, lanes, postgres=server is not None), *_asked(kept, deals, effort, lanes)]
            for each in going:
                each.result()
        if server is not None:
            server.stop("immediate")
            kept.ran("status of a ledger that is gone", "status", codes=(1, 2))
            server.start()
        return kept.missing


def _configure(made: Site, *, token: Path, port: int, hooks: int, mail: int, store_url: str) -> None:
    made.configure(web=port, hooks=hooks)
    path = made.folder / "config.toml"
    text = path.read_text() + SOURCE
    for old, new in (
        ("[web]", WEB.format(path=token)),
        ("[notify.chat]", MAIL.format(port=mail)),
        ('access_token_env = "HS_ACCESS_TOKEN"\n', HEARD.format(port=hooks)),
    ):
        text = text.replace(old, new)
    made.secrets = SECRETS | {
        "HS_CLIENT_SECRET": APP_CLIENT_SECRET,
        "APP_SIGNING_SECRET": SIGNING_SECRET,
        "SMTP_PASSWORD": SMTP_PASSWORD,
    }
    if store_url:
        made.secrets[DATABASE_ENV] = store_url
        text = text.replace('state = "state"', f'state = "state"\nstore_url_env = "{DATABASE_ENV}"')
    path.write_text(text)


def _at_work(kept: Kept, mail: Mail, *, port: int, hooks: int) -> list[str]:
    """A daemon with wins, one that is held, mail that is refused, callers at its doors and people at its page.

    Returns a deal of each CRM.
    """
    with kept.made.daemon() as daemon:
        daemon.wait_for("hooks.opened")
        deals = [desk.won()[0] for desk in kept.made.desks]
        for desk in kept.made.desks:
            desk.win(desk.deal(without=("why_bought",)), outcome=None)
        _deliver(kept, hooks)
        desks = list(zip(kept.made.desks, deals, strict=True))
        until(lambda: all(desk.handed_off(deal) for desk, deal in desks), "the handoffs")
        until(lambda: mail.refused, "the mail server to be told the password")
        _look(kept, f"http://127.0.0.1:{port}")
    return deals


def _deliver(kept: Kept, hooks: int) -> None:
    """Product events, signed well and badly."""
    target = Target(TRACK, "/events/app", f"http://127.0.0.1:{hooks}/events/app", SIGNING_SECRET)
    body = target.body(random.Random(1), "one")
    for headers, right in ((target.headers(body), (200, 204)), (target.headers(body, secret="guess"), (401,))):
        answer = fire(hooks, Shot(request(target, headers, body), hang_up=False))
        kept.must(answer in right, f"an event was answered {answer}")


def _look(kept: Kept, url: str) -> None:
    """Every page as a stranger, after a wrong token, and signed in."""
    with requests.Session() as session:
        for who, token in (("a stranger", ""), ("a wrong token", WRONG_TOKEN), ("Ana Ruiz", PAGE_TOKEN)):
            if token:
                (form,) = HIDDEN_FIELD.findall(session.get(f"{url}/signin", timeout=30).text)
                fields = {"form": form, "name": who, "token": token}
                answer = session.post(f"{url}/signin", fields, headers={"Origin": url}, timeout=30)
                kept.write(f"sign-in by {who}", f"{answer.status_code}\n{answer.text}")
            for page in PAGES:
                answer = session.get(url + page, timeout=30)
                heads = {name: value for name, value in answer.headers.items() if name.lower() != "set-cookie"}
                kept.write(f"page {page.replace('/', '_')} for {who}", f"{answer.status_code}\n{heads}\n{answer.text}")
                kept.must(answer.status_code < requests.codes.server_error, f"{page} was answered {answer.status_code}")
        kept.must("Ana Ruiz" in session.get(url, timeout=30).text, "nobody was signed in by the page token")


def _asked(kept: Kept, deals: list[str], effort: Effort, lanes: Executor) -> Iterator[Future[None]]:
    """Every command that tells or copies what is stored."""
    out, (sf, hs) = kept.folder, deals
    commands: dict[str, tuple[str, ...]] = {
        "plan": ("plan", "--system", "sf", sf),
        "plan as data": ("plan", "--system", "hs", hs, "--json"),
        "explain": ("explain", sf),
        "explain as data": ("explain", hs, "--json"),
        "status": ("status",),
        "status as data": ("status", "--json"),
        "trail show": ("trail", "show"),
        "trail export": ("trail", "export", "--out", str(out / "trail.jsonl")),
        "trail export as a table": ("trail", "export", "--csv", "--out", str(out / "trail.csv")),
        "export": ("export", "--system", "sf", "--deal", sf, "--json"),
        "export as tables": ("export", "--system", "hs", "--deal", hs, "--csv", str(out / "tables")),
        "backup": ("backup", str(out / "copy.db")),
        "retry": ("retry",),
    }
    if effort.short:
        commands = {name: words for name, words in commands.items() if name not in AGAIN}
    for name, words in commands.items():
        writes = tuple(Path(word) for word in words if word.startswith(str(out)))
        yield lanes.submit(kept.ran, name, *words, writes=writes)


def _troubled(kept: Kept, effort: Effort, lanes: Executor, *, postgres: bool) -> Iterator[Future[None]]:
    """Secrets that are refused, and faults that nothing catches, whose words repeat what was said to a CRM or the
    database; a short run crashes at one of the CRMs."""
    wrong = {"SF_CLIENT_SECRET": WRONG, "HS_ACCESS_TOKEN": f"pat-{WRONG}"}
    crashes: dict[str, tuple[str, tuple[str, ...]]] = {
        system: ("crm", ("once", "--system", system)) for system in ("sf", "hs")
    }
    if effort.short:
        del crashes[("sf", "hs")[effort.seed % 2]]
    if postgres:
        crashes["daemon"] = ("store", ("run",))
    if postgres and not effort.short:
        crashes["store"] = ("store", ("status",))
    for name, (which, words) in crashes.items():
        more = {"CHAOS_CRASH": which, "PYTHONPATH": f"{CRASHING}:{ROOT}"}
        said = ("Provoked", HIDDEN)
        yield lanes.submit(kept.ran, f"crash of {name}", *words, codes=(1, 2), says=said, env=more)
    yield lanes.submit(kept.ran, "check with wrong secrets", "check", codes=(1, 2, 3), env=wrong)


class Mail(socketserver.ThreadingTCPServer):
    """A mail server that refuses the login, and repeats to the sender what it was told, as bad ones do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.refused = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Mail]:
        """One that listens until the block ends."""
        with cls() as made:
            threading.Thread(target=made.serve_forever, daemon=True).start()
            try:
                yield made
            finally:
                made.shutdown()


class _Talk(socketserver.StreamRequestHandler):
    server: Mail

    def handle(self) -> None:
        self.wfile.write(b"220 mail.seller.example\r\n")
        for line in self.rfile:
            word, _, rest = line.strip().partition(b" ")
            if word.upper() == b"EHLO":
                self.wfile.write(b"250-mail.seller.example\r\n250 AUTH PLAIN\r\n")
            elif word.upper() == b"AUTH":
                said = base64.b64decode(rest.partition(b" ")[2]).replace(b"\0", b" ")
                self.server.refused += SMTP_PASSWORD.encode() in said
                self.wfile.write(b"535 5.7.8 nobody here may send with " + said + b"\r\n")
            elif word.upper() == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")
