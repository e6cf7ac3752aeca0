"""The pages of one CRM as Starlette routes under `/ui/`.

A board, record pages, a list of accounts, a person's tasks, and the posts behind their buttons. The pages
speak to the world through `Actions` and `pages`; nothing here is part of a vendor's API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from connector.sandbox import agreed, people
from connector.sandbox.screens import layout, pages
from connector.sandbox.screens.actions import Actions, Refusal, Unfit
from connector.sandbox.views import ActivityView, UserView

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from connector.sandbox.state import World

HERE = Path(__file__).parent
BASE = "/ui"
LIVE_HEADER = "X-Live"
TOKEN_HEADER = "X-Live-Token"
# A write in the stamp's own second or later may have come after the page was made (facts: Salesforce §1.1).
TOKEN_SLACK = timedelta(seconds=1)
COOKIE_DAYS = 30
TASKS_SHOWN = 60
BELLS_SHOWN = 20
NOT_CHANGED = 204
_NOTE = ("kind", "subject", "body")

_WORDS = {
    "sf": {
        "brand": "Salesforce sandbox org",
        "deal": "Opportunity",
        "deals": "Opportunities",
        "account": "Account",
        "accounts": "Accounts",
        "board": "Pipeline",
    },
    "hs": {
        "brand": "HubSpot sandbox portal",
        "deal": "Deal",
        "deals": "Deals",
        "account": "Company",
        "accounts": "Companies",
        "board": "Deals",
    },
}


def routes(world: World, actions: Actions | None = None) -> list[BaseRoute]:
    """The routes of one world's screens."""
    return _Screens(world, actions if isinstance(actions, Actions) else Actions(world)).routes()


class _Screens:
    def __init__(self, world: World, actions: Actions) -> None:
        self._world = world
        self._crm = actions.view
        self._do = actions
        self._skin = "hs" if "deals" in world.tables else "sf"
        self._cookie = f"acting_{self._skin}"
        self._templates = _environment()

    def routes(self) -> list[BaseRoute]:
        table: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("GET", "/", self.board),
            ("GET", "/board/live", self.board_live),
            ("GET", "/deals/{id}", self.deal),
            ("GET", "/deals/{id}/live", self.deal_live),
            ("POST", "/deals/{id}", self.save),
            ("POST", "/deals/{id}/stage", self.move),
            ("POST", "/deals/{id}/activities", self.log),
            ("POST", "/tasks/{id}/complete", self.complete),
            ("GET", "/tasks", self.tasks),
            ("GET", "/accounts", self.accounts),
            ("GET", "/accounts/{id}", self.account),
            ("POST", "/acting", self.acting),
        )
        static = Mount(f"{BASE}/static", StaticFiles(directory=HERE / "static"))
        return [static, *(Route(BASE + path, self._guard(do), methods=[method]) for method, path, do in table)]

    # pages

    async def board(self, request: Request) -> Response:
        """The pipeline board."""
        return self._page(request, "board.html", here="board", **self._board(request))

    async def board_live(self, request: Request) -> Response:
        """The board's columns, or nothing if no deal changed since the token."""
        if self._unchanged(request):
            return Response(status_code=NOT_CHANGED)
        return self._page(request, "_board.html", here="board", **self._board(request))

    async def deal(self, request: Request) -> Response:
        """A deal's record page."""
        return self._page(request, "deal.html", here="board", **self._deal(request))

    async def deal_live(self, request: Request) -> Response:
        """The record page's body."""
        return self._page(request, "_deal.html", here="board", **self._deal(request))

    async def accounts(self, request: Request) -> Response:
        """Every account, searched by name."""
        wanted = request.query_params.get("q", "").strip()
        found = [a for a in self._crm.accounts() if wanted.lower() in a.name.lower()]
        found.sort(key=lambda a: a.name.lower())
        return self._page(request, "accounts.html", here="accounts", accounts=found, q=wanted, names=self._names())

    async def account(self, request: Request) -> Response:
        """An account with its people, how far it has come, its deals and tasks."""
        page = pages.account_page(self._crm, request.path_params["id"])
        return self._page(request, "account.html", here="accounts", page=page)

    async def tasks(self, request: Request) -> Response:
        """The tasks of the acting person."""
        return self._page(request, "tasks.html", here="tasks", **self._tasks(request))

    def _tasks(self, request: Request) -> dict[str, Any]:
        me = self._me(request)
        mine = [t for t in self._crm.tasks() if t.owner == me.id]
        mine.sort(key=lambda t: t.due or t.created_at)
        items = pages.titled(mine, {me.id: me.name})
        done = [t for t in items if t.done]
        bells = self._crm.bells_of(me.id)[:BELLS_SHOWN]
        return {
            "now": self._world.clock.now(),
            "open": [t for t in items if not t.done][:TASKS_SHOWN],
            "done": done[-TASKS_SHOWN:][::-1],
            "bells": bells,
        }

    # what the buttons do

    async def move(self, request: Request) -> Response:
        """Drag a card, press Move, or press a stage on the record page."""
        form = await request.form()
        self._do.move_stage(request.path_params["id"], _text(form, "stage"), by=self._me(request).id)
        return Response(status_code=NOT_CHANGED) if LIVE_HEADER in request.headers else _back(form)

    async def save(self, request: Request) -> Response:
        """Save the handoff form."""
        form = await request.form()
        deal_id, stage = request.path_params["id"], _text(form, "stage")
        # Only a stage that the person chose: the deal may have moved while the form was open.
        chosen = stage if stage and stage != _text(form, "stage_was") else None
        self._do.set_fields(deal_id, self._typed(form), by=self._me(request).id, stage=chosen)
        return RedirectResponse(f"{BASE}/deals/{deal_id}", status_code=303)

    async def log(self, request: Request) -> Response:
        """Log a call or a meeting."""
        form = await request.form()
        deal_id, by = request.path_params["id"], self._me(request).id
        do = self._do.log_meeting if _text(form, "kind") == "meeting" else self._do.log_call
        do(deal_id, by=by, subject=_text(form, "subject"), body=_text(form, "body"))
        return RedirectResponse(f"{BASE}/deals/{deal_id}", status_code=303)

    async def complete(self, request: Request) -> Response:
        """Tick a task off."""
        form = await request.form()
        self._do.complete_task(request.path_params["id"], by=self._me(request).id)
        return _back(form)

    async def acting(self, request: Request) -> Response:
        """Become another person."""
        form = await request.form()
        reply = _back(form)
        reply.set_cookie(
            self._cookie, _text(form, "user"), max_age=COOKIE_DAYS * 86_400, httponly=True, samesite="strict"
        )
        return reply

    # inside

    def _guard(self, do: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if request.method == "POST" and not _same_origin(request):
                return PlainTextResponse("This form was sent from another site.", status_code=403)
            try:
                return await do(request)
            except KeyError:
                return self._page(request, "lost.html", here="", status=404)
            except Unfit as error:
                return self._unfit(request, await request.form(), error)

        return endpoint

    def _unfit(self, request: Request, form: FormData, error: Unfit) -> Response:
        """What was asked again, with the reasons and with what the person typed: nothing has to be typed twice."""
        reasons = error.reasons if isinstance(error, Refusal) else ((str(error), ""),)
        deal_id = request.path_params["id"]
        if not request.url.path.startswith(f"{BASE}/deals/"):
            return self._page(
                request, "tasks.html", here="tasks", status=422, **_notice(reasons), **self._tasks(request)
            )
        if LIVE_HEADER in request.headers:
            link = f"{BASE}/deals/{quote(deal_id)}?edit=1&stage={quote(_text(form, 'stage'))}#handoff"
            return self._page(request, "_refused.html", here="board", status=422, reasons=reasons, link=link)
        page = pages.deal_page(self._crm, deal_id)
        typed = self._typed(form) if request.url.path == f"{BASE}/deals/{deal_id}" else {}
        page, top = pages.retyped(page, typed, stage=_text(form, "stage"), reasons=reasons)
        note = {name: _text(form, name) for name in _NOTE}
        context = {"page": page, "editing": "subject" not in form, "note": note}
        return self._page(request, "deal.html", here="board", status=422, **_notice(top), **context)

    def _page(self, request: Request, template: str, *, here: str, status: int = 200, **context: Any) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method == "POST":
            path = _readable(request.url.path)
        common = {
            "words": _WORDS[self._skin],
            "skin": self._skin,
            "static": f"{BASE}/static",
            "here": here,
            "path": path,
            "me": self._me(request),
            "staff": self._staff(),
            "notice": "",
            "reasons": (),
        }
        html = self._templates.get_template(template).render(common | context)
        token = context.get("token", "")
        return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store", TOKEN_HEADER: token})

    def _board(self, request: Request) -> dict[str, Any]:
        ask = pages.Ask.of(request.query_params)
        token = (self._world.clock.now() - TOKEN_SLACK).isoformat()
        board = pages.board(self._crm, ask)
        owners = {p.email for p in (*people.with_role(people.AE), *people.with_role(people.SALES_LEAD))}
        pipelines = list(dict.fromkeys(s.pipeline for s in self._crm.stages()))
        return {
            "board": board,
            "ask": ask,
            "token": token,
            "live_url": f"{BASE}/board/live?{request.url.query}",
            "pipelines": [(p, pages.PIPELINE_LABELS.get(p, p)) for p in pipelines],
            "owners": [u for u in self._crm.users() if u.email in owners or u.id == ask.owner],
            "segments": pages.SEGMENTS,
            "gates": pages.GATES,
        }

    def _deal(self, request: Request) -> dict[str, Any]:
        page = pages.deal_page(self._crm, request.path_params["id"])
        wanted = request.query_params.get("stage", "")
        page, _ = pages.retyped(page, {}, stage=wanted, reasons=())
        return {"page": page, "editing": "edit" in request.query_params, "note": dict.fromkeys(_NOTE, "")}

    def _typed(self, form: FormData) -> dict[str, Any]:
        """What the form of a deal holds, by field."""
        own = (field.name for field in self._crm.custom("deal"))
        named = [*agreed.HANDOFF_FIELDS, *agreed.OVERRIDE_FIELDS, *layout.TERMS, *own]
        # An unticked box is not sent at all, so every box of the form is read, sent or not.
        boxes = {name for name, (_, kind) in agreed.OVERRIDE_FIELDS.items() if kind == "checkbox"}
        boxes |= {each for each in form.getlist("box") if isinstance(each, str)}
        texts: dict[str, Any] = {name: _text(form, name) for name in named if name in form}
        return texts | {name: name in form for name in boxes}

    def _unchanged(self, request: Request) -> bool:
        try:
            since = datetime.fromisoformat(request.query_params.get("since", ""))
        except ValueError:
            return False
        deals = self._world.table("deals" if self._skin == "hs" else "Opportunity")
        return next(deals.modified_between(since, None, deleted=True), None) is None

    def _me(self, request: Request) -> UserView:
        users = {user.id: user for user in self._crm.users()}
        chosen = users.get(request.cookies.get(self._cookie, ""))
        if chosen is not None:
            return chosen
        first = people.with_role(people.AE)[0].email
        return next((u for u in users.values() if u.email == first), next(iter(users.values())))

    def _staff(self) -> list[tuple[str, list[UserView]]]:
        active = sorted((u for u in self._crm.users() if u.active), key=lambda u: (u.title, u.name))
        return [(title or "Others", list(group)) for title, group in groupby(active, key=lambda u: u.title)]

    def _names(self) -> dict[str, str]:
        return {user.id: user.name for user in self._crm.users()}


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    found.filters.update(money=_money, day=_day, brief=_brief, moment=_moment, due=_due, ago=_ago, span=_span)
    found.globals.update(late=pages.late, measured_names=layout.MEASURED)
    return found


def _money(value: float | None) -> str:
    return "no amount" if value is None else f"€ {value:,.0f}"


def _day(value: date | None) -> str:
    return f"{value:%-d %b %Y}" if value else ""


def _brief(value: date | None) -> str:
    return f"{value:%-d %b %y}" if value else ""


def _moment(value: datetime | None) -> str:
    return f"{value:%-d %b %Y, %H:%M}" if value else ""


def _due(value: datetime | None) -> str:
    """A task's due time; the org knows only the day of most tasks, which then reads as midnight."""
    return _day(value) if value and value.time() == time() else _moment(value)


def _span(item: ActivityView) -> str:
    """When a meeting is, from and to; of anything else when it was."""
    if item.ends is None or item.ends.date() != item.at.date():
        return _moment(item.at)
    return f"{_moment(item.at)} to {item.ends:%H:%M}"


def _ago(value: datetime, now: datetime) -> str:
    seconds = (now - value).total_seconds()
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _notice(reasons: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What stands at the top of a page that was not saved."""
    return {"notice": "Not saved.", "reasons": tuple(reasons)}


def _readable(path: str) -> str:
    """The page to show again for the path a form was sent to."""
    parts = path.removeprefix(f"{BASE}/").split("/")
    return f"{BASE}/deals/{parts[1]}" if parts[0] == "deals" and len(parts) > 1 else f"{BASE}/{parts[0]}"


def _back(form: FormData) -> Response:
    """To the page the form was on; only ever a path of these screens."""
    target = _text(form, "back")
    return RedirectResponse(target if target.startswith(f"{BASE}/") else f"{BASE}/", status_code=303)


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
