"""What every answer of the page carries and every request to it must bear: strict headers, a name of ours, our origin.

Not here: who may see what (``signin``) and the webhook door (``hooks``), which no browser ever visits.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.web.peers import only

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""For probes and Prometheus, which call by whatever name they please: no record and no person is named there."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: with that a browser hides the origin of a form's own POST, by which it is judged here.
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
ENCRYPTED_ONLY = (b"strict-transport-security", b"max-age=31536000")
MISDIRECTED, FORBIDDEN = 421, 403


class Guard:
    """Turns away what calls us by a strange name or comes from another page, and adds the headers to all answers.

    ``names`` are hosts of ours. An address in figures is always one: whoever rebinds a name cannot rebind that.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str] = (), encrypted: bool = False) -> None:
        self._app = app
        self._names = LOOPBACK | {each.lower() for each in names}
        self._headers = (*SECURITY_HEADERS, ENCRYPTED_ONLY) if encrypted else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["path"] in OPEN_PATHS:
            return None
        host = only(scope, "host")
        if not self._is_ours(host):
            text = "This page does not go by that name. Its operator can add the name to [web] allowed_hosts.\n"
            return PlainTextResponse(text, status_code=MISDIRECTED)
        if scope["method"] not in SAFE_METHODS and not _from_our_page(scope, host):
            return PlainTextResponse("This did not come from our own page.\n", status_code=FORBIDDEN)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _from_our_page(scope: Scope, host: str) -> bool:
    """Whether a browser says that a page of ours sent this. One that says nothing is no browser we serve."""
    site = only(scope, "sec-fetch-site")
    if site:
        return site == "same-origin"
    origin = urlsplit(only(scope, "origin"))
    return bool(origin.netloc) and origin.netloc.lower() == host.lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
