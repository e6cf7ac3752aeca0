"""The web face of the daemon: health, readiness, metrics and one page for operators, on which they can act.

Not here: anything a rep or CSM sees, the page for leadership (``leadership``), who is let in (``signin``), which
requests are answered at all (``guard``) and what an act does (``desk``). Without a sign-in nothing on the page changes
anything.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from jinja2 import Environment, FileSystemLoader, select_autoescape
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from connector.errors import UserError
from connector.settings import WebSettings
from connector.web.desk import ACTS, Desk, Stop
from connector.web.foreign import Foreign
from connector.web.forms import read_form
from connector.web.guard import Guard
from connector.web.leadership.board import Book
from connector.web.leadership.pages import Leadership
from connector.web.signin import NAME, Doorman, Person
from connector.web.status import Status

HERE = Path(__file__).parent
FORM_FIELD = "form"
OPEN_AT_ONCE, FOREIGN_AT_ONCE = 2, 8
"""Readings for whoever asks without a name, and talks with where the accounts are, at once. More wait without a thread:
there are forty for everything, and those who are signed in need some."""

SIGNIN, HOME = "/signin", "/"
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY, SEE_OTHER = 401, 403, 404, 429, 303

PERSON_SIGNED_IN = "person.admitted"
SIGNIN_REFUSED = "signin.refused"
PERSON_ACTED = "person.acted"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pages:
    """What the routes read from and act on: the status as of now, the metrics registry, who may, and what they do."""

    read_status: Callable[[], Status]
    registry: CollectorRegistry
    web: WebSettings
    desk: Desk | None = None
    foreign: Foreign | None = None
    book: Book | None = None
    """What the page for leadership is made of; None where there is none."""
    monotonic: Callable[[], float] = time.monotonic


def create_app(pages: Pages) -> Starlette:
    """The ASGI application."""
    site = _Site(pages)
    web = pages.web
    names = [web.host, *web.allowed_hosts, urlsplit(web.public_url).hostname or ""]
    return Starlette(
        routes=[
            Route("/", site.home),
            Route("/fragment", site.fragment),
            Route("/act/{act}", site.act, methods=["POST"]),
            Route(SIGNIN, site.sign_in_page, methods=["GET"]),
            Route(SIGNIN, site.sign_in, methods=["POST"]),
            Route("/signin/oidc", site.leave),
            Route("/signin/oidc/back", site.come_back),
            Route("/signout", site.sign_out, methods=["POST"]),
            Route("/healthz", alive),
            Route("/readyz", site.ready),
            Route("/metrics", site.metrics),
            Mount("/static", StaticFiles(directory=HERE / "static")),
            *site.leadership(),
        ],
        middleware=[Middleware(Guard, names=[each for each in names if each], encrypted=_encrypted(web))],
    )


async def alive(_request: Request) -> Response:
    """The process answers. Not in a thread: it must, whatever the threads wait for."""
    return PlainTextResponse("ok\n")


class _Site:
    """The routes. Those that read the store block, so Starlette runs them in threads."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._doorman = Doorman(pages.web, monotonic=pages.monotonic)
        self._open = asyncio.Semaphore(OPEN_AT_ONCE)
        self._foreign = asyncio.Semaphore(FOREIGN_AT_ONCE)
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(default=True)
        )

    def leadership(self) -> list[Route]:
        """The routes of the page for leadership, for whoever may see this one."""
        if self._pages.book is None:
            return []
        return Leadership(self._pages.book, self._show, self._elsewhere, threading.Lock()).routes()

    # reading

    def home(self, request: Request) -> Response:
        person = self._doorman.person(request)
        if person is None and self._doorman.guards:
            return RedirectResponse(SIGNIN, SEE_OTHER)
        return self._page(request, "status.html", **self._view(person))

    def fragment(self, request: Request) -> Response:
        person = self._doorman.person(request)
        if person is None and self._doorman.guards:
            return PlainTextResponse("Signed out.\n", UNAUTHORIZED)
        return self._page(request, "fragment.html", **self._view(person))

    async def ready(self, _request: Request) -> Response:
        """Red when a system is halted or was never reached; says nothing of records or people."""
        async with self._open:
            status = await run_in_threadpool(self._pages.read_status)
        systems = {each.name: "ok" if each.ok else "not ready" for each in status.systems}
        return JSONResponse({"ready": status.ready, "systems": systems}, status_code=200 if status.ready else 503)

    async def metrics(self, _request: Request) -> Response:
        async with self._open:
            await run_in_threadpool(self._pages.read_status)
        return Response(generate_latest(self._pages.registry), media_type=CONTENT_TYPE_LATEST)

    # signing in and out

    def sign_in_page(self, request: Request) -> Response:
        if self._doorman.person(request) is not None:
            return RedirectResponse(HOME, SEE_OTHER)
        return self._page(request, "signin.html")

    async def sign_in(self, request: Request) -> Response:
        form = await read_form(request)
        if form is None or not self._doorman.form_is_ours(request, form.get(FORM_FIELD, "")):
            return self._page(request, "signin.html", FORBIDDEN, trouble=STALE)
        if self._doorman.is_tired(request):
            return self._page(request, "signin.html", TOO_MANY, trouble="Too many wrong tokens. Wait a minute.")
        name = " ".join(form.get("name", "").split())
        if not NAME.match(name):
            return self._page(request, "signin.html", UNAUTHORIZED, trouble="Say who you are, in letters and digits.")
        person = self._doorman.tries(request, name=name, token=form.get("token", "").strip())
        if person is None:
            log.warning(SIGNIN_REFUSED, via="token")
            return self._page(request, "signin.html", UNAUTHORIZED, trouble="That is not the token.")
        return self._let_in(person, RedirectResponse(HOME, SEE_OTHER))

    async def leave(self, _request: Request) -> Response:
        """Off to where the company's accounts are."""
        if self._pages.foreign is None:
            return PlainTextResponse("Not found.\n", NOT_FOUND)
        try:
            async with self._foreign:
                address, kept = await run_in_threadpool(self._pages.foreign.leave)
        except UserError as error:
            return PlainTextResponse(f"{error}\n", status_code=502)
        response = RedirectResponse(address, SEE_OTHER)
        self._doorman.keep(response, OIDC_COOKIE, kept, seconds=AWAY_SECONDS)
        return response

    async def come_back(self, request: Request) -> Response:
        """Back from there. Answered by a page, not a redirect: a browser that comes from another site would leave the
        new session's strict cookie at home."""
        if self._pages.foreign is None:
            return PlainTextResponse("Not found.\n", NOT_FOUND)
        try:
            brought = self._doorman.kept(request, OIDC_COOKIE)
            async with self._foreign:
                name = await run_in_threadpool(self._pages.foreign.come_back, request.query_params, brought)
        except UserError as error:
            log.warning(SIGNIN_REFUSED, via="oidc", why=str(error))
            response = self._page(request, "signin.html", UNAUTHORIZED, trouble=f"You were not signed in: {error}.")
        else:
            page = self._templates.get_template("welcome.html").render(name=name)
            response = self._let_in(Person(name, "oidc"), HTMLResponse(page))
        self._doorman.keep(response, OIDC_COOKIE, "", seconds=0)
        return response

    async def sign_out(self, request: Request) -> Response:
        form = await read_form(request)
        if form is None or not self._doorman.form_is_ours(request, form.get(FORM_FIELD, "")):
            return RedirectResponse(HOME, SEE_OTHER)
        response = RedirectResponse(SIGNIN if self._doorman.guards else HOME, SEE_OTHER)
        self._doorman.let_out(request, response)
        return response

    # acting

    async def act(self, request: Request) -> Response:
        """Do what a form asks for, and show the page again with what came of it."""
        person, desk = self._doorman.person(request), self._pages.desk
        if person is None or desk is None:
            return RedirectResponse(SIGNIN, SEE_OTHER)
        form = await read_form(request)
        doing = ACTS.get(request.path_params["act"])
        if form is None or doing is None or not self._doorman.form_is_ours(request, form.get(FORM_FIELD, "")):
            return PlainTextResponse(f"{STALE}\n", FORBIDDEN)
        try:
            said = await run_in_threadpool(doing, desk, form, person.by)
            log.info(PERSON_ACTED, act=request.path_params["act"], via=person.via)
        except UserError as error:
            said = f"Nothing was done: {error}."
        response = RedirectResponse(HOME, SEE_OTHER)
        self._doorman.say(response, said)
        return response

    # laying out

    def _view(self, person: Person | None) -> dict[str, Any]:
        desk = self._pages.desk
        status = self._pages.read_status()
        stops: tuple[Stop, ...] = ()
        # While the store cannot be read the status says so, and the page is there all the same.
        with suppress(Exception):
            stops = tuple(desk.stops()) if desk is not None else ()
        return {
            "has_leadership": self._pages.book is not None,
            "status": status,
            "person": person,
            "acts": person is not None and desk is not None,
            "stops": stops,
        }

    def _elsewhere(self, request: Request) -> Response | None:
        """Where somebody who may not look is sent; None for whoever may."""
        if self._doorman.person(request) is None and self._doorman.guards:
            return RedirectResponse(SIGNIN, SEE_OTHER)
        return None

    def _show(self, request: Request, template: str, code: int, **view: Any) -> Response:
        return self._page(request, template, code, person=self._doorman.person(request), **view)

    def _page(self, request: Request, template: str, code: int = 200, **view: Any) -> Response:
        secret = self._doorman.form_secret(request)
        said = self._doorman.sentence(request) if template == "status.html" else ""
        text = self._templates.get_template(template).render(
            {"person": None, "trouble": "", **view}, form=secret, said=said, doorman=self._doorman
        )
        response = HTMLResponse(text, status_code=code)
        if self._doorman.takes_anybody:
            self._doorman.keep_form_secret(request, response, secret)
        if said:
            self._doorman.was_read(request, response)
        return response

    def _let_in(self, person: Person, response: Response) -> Response:
        self._doorman.let_in(person, response)
        log.info(PERSON_SIGNED_IN, via=person.via)
        return response


STALE = "This form is out of date. Load the page again, and try once more."
OIDC_COOKIE = "handoff-away"
AWAY_SECONDS = 600
"""Within which whoever left to sign in elsewhere comes back."""


def _encrypted(web: WebSettings) -> bool:
    return web.public_url.startswith("https:")
