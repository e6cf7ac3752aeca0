"""The ways a portal's changes come by besides polling: webhooks where the app delivers to us, else the app's journal.

Not here: what each does (``webhooks``, ``journal``). Polling needs no choice: it goes on beside either, and alone
without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from connector.crm.hubspot.live import journal, webhooks
from connector.crm.hubspot.live.entries import Files
from connector.crm.hubspot.live.journal import JournalFeed
from connector.crm.hubspot.live.meaning import Meaning
from connector.crm.hubspot.live.reach import Address
from connector.crm.hubspot.live.webhooks import WebhookFeed
from connector.crm.hubspot.login import App, Desk, app_login
from connector.crm.hubspot.session import Session, Waits
from connector.crm.live import Letterbox, Line, LiveFeed
from connector.errors import Problem
from connector.settings.file import is_loopback

OFF = "change_events is off"
NO_ADDRESS = "config.toml gives no webhook_url"
NO_BOX = "this process takes no deliveries"
UNSIGNED = "config.toml gives no client_secret of the app, which signs deliveries"
NO_APP = "config.toml gives no client_id and client_secret of an app; a service key or an access token cannot read it"
SPARE = "not used, for webhook_url is set"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to listen. ``webhook_url`` is the address as the app has it, empty without webhooks; ``letterbox`` is where
    they lie. ``required``: that changes cannot be heard is a problem, not just slower."""

    required: bool = False
    webhook_url: str = ""
    letterbox: Letterbox | None = None


def unheard(lines: Sequence[Line]) -> Problem:
    """That none of these ways can be had, and why."""
    why = "; ".join(f"{line.name}: {line.why}" for line in lines)
    return Problem("the CRM", "change_events", f"changes cannot be heard as they happen: {why}")


@dataclass(frozen=True, slots=True)
class Ground:
    """What either way stands on: the portal's session and its id once known, the app, what events mean."""

    session: Session
    home: Callable[[], str]
    app: App | None
    meaning: Callable[[], Meaning]
    desk: Desk
    waits: Waits


class Ways:
    """Chooses for one portal. ``options`` None: changes are polled and nothing else."""

    def __init__(self, ground: Ground, options: LiveOptions | None) -> None:
        self._ground = ground
        self._options = options
        # Each is made once: webhooks know which letters were in hand when a time of listening ended.
        self._feeds: dict[str, LiveFeed] = {}

    @property
    def required(self) -> bool:
        """Whether changes must be heard as they happen."""
        return self._options is not None and self._options.required

    def feed(self) -> LiveFeed | None:
        """The best way there is, for after `connect`, the same each time; None where none but polling is configured."""
        for name, lacking in self._lacking().items():
            if not lacking:
                return self._feeds.get(name) or self._feeds.setdefault(name, self._makers[name]())
        return None

    def problems(self) -> tuple[Problem, ...]:
        """What keeps from listening where that is a must, as far as the configuration tells: nothing is asked."""
        return (unheard(self.probe()),) if self.required and self.feed() is None else ()

    def probe(self) -> tuple[Line, ...]:
        """How each way stands, the best first. Only the one that would be used is tried, and nothing is changed."""
        chosen = self.feed()
        tried = {line.name: line for line in chosen.probe()} if chosen else {}
        lacking = self._lacking()
        return tuple(
            tried.get(name) or Line(name, frozenset(), live=False, why=lacking[name] or SPARE) for name in lacking
        )

    @property
    def _makers(self) -> Mapping[str, Callable[[], LiveFeed]]:
        return {webhooks.NAME: self._webhooks, journal.LINE: self._journal}

    def _lacking(self) -> dict[str, str]:
        """What each way lacks in the configuration; empty for one that may be tried."""
        options, app = self._options, self._ground.app
        if options is None:
            return dict.fromkeys(self._makers, OFF)
        has_app = app is not None and app.client_id and app.client_secret
        absent = NO_ADDRESS if not options.webhook_url else UNSIGNED if not (app and app.client_secret) else ""
        return {
            webhooks.NAME: absent or ("" if options.letterbox is not None else NO_BOX),
            journal.LINE: "" if has_app else NO_APP,
        }

    def _webhooks(self) -> LiveFeed:
        ground, options = self._ground, self._options
        if options is None or options.letterbox is None or ground.app is None:
            raise AssertionError("webhooks are made only where nothing of theirs is lacking")
        now = ground.waits.clock.now
        return WebhookFeed(
            session=ground.session,
            meaning=ground.meaning(),
            letterbox=options.letterbox,
            address=Address(options.webhook_url, ground.app.client_secret, now),
            home=ground.home,
            now=now,
        )

    def _journal(self) -> LiveFeed:
        ground, desk = self._ground, self._ground.desk
        if ground.app is None:
            raise AssertionError("the journal is read only by an app")
        app_session = Session(
            login=app_login(desk, ground.app, scopes=journal.SCOPES),
            base_url=desk.base_url,
            paths=desk.paths,
            on_call=desk.on_call,
            waits=ground.waits,
            timeout=desk.timeout,
        )
        return JournalFeed(
            ground.session,
            app_session,
            ground.meaning(),
            home=ground.home,
            files=Files(timeout=desk.timeout, at_home=is_loopback(urlsplit(desk.base_url).hostname or "")),
            waits=ground.waits,
        )
