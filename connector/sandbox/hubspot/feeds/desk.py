"""What a test or a person may do to the portal's feeds that no vendor offers: the control port's hand on them.

Not the vendor's API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import oauth
from connector.sandbox.hubspot.feeds import events, log, webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.sandbox.state import World

TROUBLE = frozenset({"double", "shuffle", "unheard", "lose", "delay_s", "timeout_s", "retry_s"})


class FeedDesk:
    """The webhooks, the journal and the tokens of one portal."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._webhooks = webhooks.deliverer(world)
        self._log = log.log(world)

    def state(self) -> dict[str, Any]:
        """What is configured, what was delivered, and what waits."""
        with self._world.lock:
            files = self._log.files()
            subscriptions = list((self._world.settings.get(log.SUBSCRIPTIONS) or {}).values())
            journal = {"files": len(files), "subscriptions": subscriptions}
            return {"webhooks": self._webhooks.state(), "journal": journal}

    def webhooks(self, **config: Any) -> None:
        """Configure the app: target_url, secret, subscriptions and what `events.App` lists. Raises ValueError."""
        events.parse(config)
        with self._world.lock:
            self._world.setting(webhooks.SETTING, config)

    def upload(self, component: Mapping[str, Any], via: str = "", secret: str = "") -> None:
        """Configure the app by the component file that the vendor's tool uploads; `via` is where its target is
        reached from here. Raises ValueError."""
        more = {name: value for name, value in (("via", via), ("secret", secret)) if value}
        self.webhooks(**events.uploaded(component), **more)

    def trouble(self, **options: Any) -> None:
        """Change how webhooks are delivered: double, shuffle, unheard, lose, delay_s, timeout_s, retry_s.

        Raises ValueError.
        """
        unknown = set(options) - TROUBLE
        if unknown:
            raise ValueError(f"unknown trouble: {', '.join(sorted(unknown))}")
        self.webhooks(**{**(self._world.settings.get(webhooks.SETTING) or {}), **options})

    def unplug(self) -> None:
        """Send no webhooks any more."""
        with self._world.lock:
            self._world.setting(webhooks.SETTING, None)

    def retry_now(self) -> None:
        """Let every delivery that waits for its time go now."""
        self._webhooks.retry_now()

    def settled(self, seconds: float = 10.0) -> bool:
        """Wait until no webhook is to be sent now; False when that took longer."""
        return self._webhooks.settled(seconds)

    def expire_journal(self) -> None:
        """Drop all that the journal holds, so that each offset given out is past retention and the rest is missed."""
        with self._world.lock:
            self._log.expire()

    def kill_tokens(self) -> None:
        """End every OAuth token that was granted."""
        with self._world.lock:
            oauth.kill(self._world)

    def authorize(self, scopes: Sequence[str] = oauth.OBJECT_SCOPES, redirect_uri: str = "") -> str:
        """Install the app, as on the consent page; returns the code for one grant."""
        with self._world.lock:
            return oauth.authorize(self._world, scopes=tuple(scopes), redirect_uri=redirect_uri)


ACTIONS = frozenset(
    {"webhooks", "upload", "trouble", "unplug", "retry_now", "settled", "expire_journal", "kill_tokens", "authorize"}
)
"""What `POST /feeds` may name in `do`; the rest of the body are the arguments."""
