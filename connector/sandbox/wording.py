"""How the control port is asked and how it answers: JSON objects, rows, and words for mistakes.

Not what it can do (`control.py`).
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from connector.sandbox.rows import Row


def act(desk: Any, actions: frozenset[str], body: dict[str, Any]) -> Any:
    """Let a desk do what the body names in `do`, the rest being the arguments. Raises HTTPException (400)."""
    name = need(body, "do")
    if name not in actions:
        raise HTTPException(400, f"nothing to do called {name!r}: choose one of {', '.join(sorted(actions))}")
    try:
        return getattr(desk, name)(**{key: value for key, value in body.items() if key != "do"})
    except (KeyError, TypeError, ValueError) as error:
        raise HTTPException(400, str(error)) from error


class Json(JSONResponse):
    """An answer that may hold dataclasses and times."""

    def render(self, content: Any) -> bytes:
        """As bytes."""
        return json.dumps(content, default=_plain).encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def shown(row: Row, *, history: bool = False) -> dict[str, Any]:
    """One row, with what it once was if asked."""
    shown: dict[str, Any] = {
        "id": row.id,
        "values": row.values,
        "created_at": row.created_at,
        "modified_at": row.modified_at,
        "created_by": row.created_by,
        "modified_by": row.modified_by,
        "deleted_at": row.deleted_at,
    }
    return {**shown, "history": row.history} if history else shown


async def body_of(request: Request) -> dict[str, Any]:
    """The body, a JSON object. Raises HTTPException (400)."""
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except json.JSONDecodeError as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return body


def need(body: dict[str, Any], key: str) -> Any:
    """What the body must hold. Raises HTTPException (400)."""
    if body.get(key) in (None, ""):
        raise HTTPException(400, f"{key!r} is missing")
    return body[key]


def instant(text: str) -> datetime:
    """A moment with a time zone. Raises HTTPException (400)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise HTTPException(400, f"no ISO instant: {text!r}") from error
    if moment.tzinfo is None:
        raise HTTPException(400, "freeze needs an instant with a time zone")
    return moment


async def settled(value: Any) -> Any:
    """A value, awaited if it has to be."""
    return await value if inspect.isawaitable(value) else value


async def refused(_request: Request, error: Exception) -> JSONResponse:
    """The answer to a mistake."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": getattr(error, "detail", str(error))}, status_code=status)
