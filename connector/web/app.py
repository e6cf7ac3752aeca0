"""The web face of the daemon: health, readiness, metrics and one page for operators.

Not here: writing anything (every route is a GET), anything a rep or CSM sees, and signing in (the server binds to
loopback unless config says otherwise).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.web.status import Status

HERE = Path(__file__).parent
SECURITY_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


@dataclass(frozen=True, slots=True)
class Pages:
    """What the routes read from: the status as of now, and the metrics registry."""

    read_status: Callable[[], Status]
    registry: CollectorRegistry


def create_app(pages: Pages) -> Starlette:
    """The ASGI application."""
    templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(default=True))

    def home(_request: Request) -> Response:
        return HTMLResponse(templates.get_template("status.html").render(status=pages.read_status()))

    def fragment(_request: Request) -> Response:
        return HTMLResponse(templates.get_template("fragment.html").render(status=pages.read_status()))

    def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def ready(_request: Request) -> Response:
        """Red when a system is halted or was never reached; says nothing of records or people."""
        status = pages.read_status()
        systems = {each.name: "ok" if each.ok else "not ready" for each in status.systems}
        return JSONResponse({"ready": status.ready, "systems": systems}, status_code=200 if status.ready else 503)

    def metrics(_request: Request) -> Response:
        pages.read_status()
        return Response(generate_latest(pages.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/fragment", fragment),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(SecurityHeaders)],
    )


class SecurityHeaders:
    """Adds the same strict headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding headers to the response's start."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)
