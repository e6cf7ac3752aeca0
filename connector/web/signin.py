"""Who is asking: a session after a sign-in by token or OIDC, or the person a trusted proxy names.

Not here: the forms (``app``) and OIDC itself (``oidc``). Sessions live in memory: a restart signs everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from connector.settings import WebSettings
from connector.settings.file import is_loopback
from connector.web.pace import Pace
from connector.web.peers import Peers, only

SESSION_SECONDS = 8 * 3600
"""A working day; then one signs in again."""

MOST_SESSIONS = 1000
SECRET_BYTES = 32
TRIES, TRIES_PER_SECOND = 5, 1 / 30
"""Wrong tokens from one address: five at once, then one every half minute."""

ALL_TRIES, ALL_TRIES_PER_SECOND = 50, 1.0
"""The same for everybody together, but for those whose address somebody signed in from of late: else one who guesses
all day would keep everybody out."""

FAMILIAR_SECONDS = 30 * 24 * 3600
MOST_FAMILIAR = 1000

EVERYBODY = "everybody"
LONGEST_SENTENCE = 400
"""Characters; as hexadecimal of four bytes each they still fit into the 4,096 bytes of a cookie."""

NAME = re.compile(r"\A[\w.@+' -]{1,80}\Z")
"""What a person may be called in the audit trail: no control characters, no markup."""

SESSION_COOKIE, FORM_COOKIE, SAID_COOKIE = "handoff-session", "handoff-form", "handoff-said"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in. ``via`` is how: "token", "proxy" or "oidc"."""

    name: str
    via: str

    @property
    def by(self) -> str:
        """How the audit trail names them. With a token the name is what they said; everybody has the same token."""
        return f"{self.name} ({self.via})"


class Sessions:
    """Who is signed in, by a secret of which only the hash is kept. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._people: OrderedDict[bytes, tuple[Person, float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, person: Person) -> str:
        """Let somebody in; returns the secret their browser keeps."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with self._lock:
            self._people[_digest(secret)] = (person, self._monotonic() + SESSION_SECONDS)
            while len(self._people) > MOST_SESSIONS:
                self._people.popitem(last=False)
        return secret

    def person(self, secret: str) -> Person | None:
        """Whose secret it is; None when it is nobody's, or too old."""
        with self._lock:
            person, until = self._people.get(_digest(secret), (None, 0.0))
            return person if self._monotonic() < until else None

    def end(self, secret: str) -> None:
        """They went."""
        with self._lock:
            self._people.pop(_digest(secret), None)


class Doorman:
    """Knows who asks, and lets people in by the ways config opens."""

    def __init__(self, web: WebSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._token = web.token.get_secret_value() if web.token else ""
        self._header = web.proxy_user_header
        self._peers = Peers(web.trusted_proxies)
        self._tries = Pace(burst=TRIES, per_second=TRIES_PER_SECOND, monotonic=monotonic)
        self._all_tries = Pace(burst=ALL_TRIES, per_second=ALL_TRIES_PER_SECOND, monotonic=monotonic)
        self._monotonic = monotonic
        self._familiar: OrderedDict[str, float] = OrderedDict()
        self.sessions = Sessions(monotonic)
        self.takes_token = bool(self._token)
        self.takes_oidc = web.oidc is not None
        self.takes_anybody = self.takes_token or self.takes_oidc or bool(self._header)
        names = (web.host, *web.allowed_hosts)
        self.guards = bool(web.public_url or web.proxy_user_header) or not all(map(is_loopback, names))
        """Whether even reading needs a sign-in: because somebody beyond this machine may ask."""
        self._encrypted = web.public_url.startswith("https:")

    def person(self, request: Request) -> Person | None:
        """Who asks; None for somebody who is not signed in."""
        name = self._told(request.scope)
        if name:
            return Person(name, "proxy")
        secret = request.cookies.get(self._named(SESSION_COOKIE), "")
        return self.sessions.person(secret) if secret else None

    def is_tired(self, request: Request) -> bool:
        """Whether there were too many wrong tokens, from there or at all."""
        source = self._peers.source(request.scope)
        familiar = self._monotonic() < self._familiar.get(source, 0.0)
        return self._tries.is_spent(source) or (self._all_tries.is_spent(EVERYBODY) and not familiar)

    def tries(self, request: Request, *, name: str, token: str) -> Person | None:
        """Try a token; None when it is wrong (which counts) or the name is none."""
        source = self._peers.source(request.scope)
        if not (self.takes_token and hmac.compare_digest(_digest(token), _digest(self._token))):
            self._tries.charge(source)
            self._all_tries.charge(EVERYBODY)
            return None
        self._familiar[source] = self._monotonic() + FAMILIAR_SECONDS
        if len(self._familiar) > MOST_FAMILIAR:
            self._familiar.popitem(last=False)
        return Person(name, "token") if NAME.match(name) else None

    def let_in(self, person: Person, response: Response) -> None:
        """Give somebody a session of their own, and the next form a new secret."""
        self._set(response, SESSION_COOKIE, self.sessions.begin(person), seconds=SESSION_SECONDS)
        self._set(response, FORM_COOKIE, secrets.token_urlsafe(SECRET_BYTES))

    def let_out(self, request: Request, response: Response) -> None:
        """End the session and take the cookies back."""
        self.sessions.end(request.cookies.get(self._named(SESSION_COOKIE), ""))
        for name in (SESSION_COOKIE, FORM_COOKIE):
            self._set(response, name, "", seconds=0)

    def form_secret(self, request: Request) -> str:
        """What a form of ours must bring back; a new one for a browser that has none yet."""
        kept = request.cookies.get(self._named(FORM_COOKIE), "")
        return kept if len(kept) >= SECRET_BYTES else secrets.token_urlsafe(SECRET_BYTES)

    def keep_form_secret(self, request: Request, response: Response, secret: str) -> None:
        """See to it that the browser has it."""
        if request.cookies.get(self._named(FORM_COOKIE), "") != secret:
            self._set(response, FORM_COOKIE, secret)

    def form_is_ours(self, request: Request, brought: str) -> bool:
        """Whether a form brought back what only our own page could know."""
        kept = request.cookies.get(self._named(FORM_COOKIE), "")
        return len(kept) >= SECRET_BYTES and hmac.compare_digest(_digest(kept), _digest(brought))

    def say(self, response: Response, text: str) -> None:
        """Leave a sentence for the next page."""
        self._set(response, SAID_COOKIE, text[:LONGEST_SENTENCE].encode().hex(), seconds=30)

    def was_read(self, request: Request, response: Response) -> None:
        """The sentence was shown."""
        if self._named(SAID_COOKIE) in request.cookies:
            self._set(response, SAID_COOKIE, "", seconds=0)

    def sentence(self, request: Request) -> str:
        """The sentence that was left, empty for none."""
        try:
            return bytes.fromhex(request.cookies.get(self._named(SAID_COOKIE), "")).decode()
        except ValueError:
            return ""

    def keep(self, response: Response, name: str, value: str, *, seconds: int) -> None:
        """A cookie that also comes back from another site's link, as a sign-in elsewhere ends with one."""
        self._set(response, name, value, seconds=seconds, lax=True)

    def kept(self, request: Request, name: str) -> str:
        """The value of such a cookie."""
        return request.cookies.get(self._named(name), "")

    def _told(self, scope: Scope) -> str:
        if not self._header or not self._peers.trusts(scope):
            return ""
        name = only(scope, self._header).strip()
        return name if NAME.match(name) else ""

    def _set(self, response: Response, name: str, value: str, *, seconds: int | None = None, lax: bool = False) -> None:
        response.set_cookie(
            self._named(name),
            value,
            max_age=seconds,
            path="/",
            secure=self._encrypted,
            httponly=True,
            samesite="lax" if lax else "strict",
        )

    def _named(self, cookie: str) -> str:
        """With the prefix no other host and no plain-http page can set a cookie of that name."""
        return f"__Host-{cookie}" if self._encrypted else cookie


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
