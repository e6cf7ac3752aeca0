"""`POST /composite`: up to 25 subrequests in one call, later ones referring to the results of earlier ones.

Also `POST /composite/graph`: up to 75 such lists, each a transaction of its own. Not sObject Tree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SUBREQUESTS = 25
MAX_GRAPHS, MAX_NODES, MAX_FAILED = 75, 500, 14
"""Of a graph payload (facts: Salesforce §3.1)."""
MAX_HEAVY = 5
"""Subrequests that are queries or collections (facts: Salesforce §3.1)."""

NOTED = 500
"""Characters of a subrequest's address that the journal keeps: enough to see what is asked, not for whom."""

_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
HALTED = ApiError("PROCESSING_HALTED", "The transaction was rolled back since another operation in it failed.")


def composite(ask: Ask, dispatch: Callable[[Ask], Reply]) -> Reply:
    """Run the subrequests in order; with allOrNone the first failure takes back all of them."""
    body = ask.fields_of()
    parts = body.get("compositeRequest")
    if not isinstance(parts, list) or not parts or not all(isinstance(p, dict) for p in parts):
        raise ApiError("JSON_PARSER_ERROR", "compositeRequest must be a list of objects")
    _check_limits(parts)
    done: dict[str, Any] = {}
    replies: list[dict[str, Any]] = []
    with ask.world.transaction() as roll_back:
        for part in parts:
            reply = _one(ask, part, done, dispatch)
            replies.append(_shown(part, reply))
            if reply.status >= 300 and body.get("allOrNone") is True:
                roll_back()
                replies = [r if r["httpStatusCode"] >= 300 else _shown(r, _halted()) for r in replies]
                replies += [_shown(p, _halted()) for p in parts[len(replies) :]]
                break
            if reply.status < 300:
                done[part["referenceId"]] = reply.body
    return Reply(200, {"compositeResponse": replies})


def graph(ask: Ask, dispatch: Callable[[Ask], Reply]) -> Reply:
    """Run each graph as a whole or not at all; after the 14th that fails the rest is not tried (facts: §3.1)."""
    graphs = ask.fields_of().get("graphs")
    if not isinstance(graphs, list) or not graphs or not all(isinstance(g, dict) for g in graphs):
        raise ApiError("JSON_PARSER_ERROR", "graphs must be a list of objects")
    nodes = sum(len(g.get("compositeRequest") or ()) for g in graphs)
    if len(graphs) > MAX_GRAPHS or nodes > MAX_NODES:
        raise ApiError("LIMIT_EXCEEDED", f"{len(graphs)} graphs of {nodes} nodes: at most {MAX_GRAPHS} of {MAX_NODES}")
    failed = 0
    told: list[dict[str, Any]] = []
    for each in graphs:
        parts = each.get("compositeRequest") or []
        replies = [_shown(p, _halted()) for p in parts] if failed >= MAX_FAILED else _transaction(ask, parts, dispatch)
        done = all(r["httpStatusCode"] < 300 for r in replies)
        failed += not done
        told.append(
            {"graphId": each.get("graphId"), "graphResponse": {"compositeResponse": replies}, "isSuccessful": done}
        )
    return Reply(200, {"graphs": told})


def _transaction(ask: Ask, parts: list[dict[str, Any]], dispatch: Callable[[Ask], Reply]) -> list[dict[str, Any]]:
    done: dict[str, Any] = {}
    replies: list[dict[str, Any]] = []
    with ask.world.transaction() as roll_back:
        for part in parts:
            reply = _one(ask, part, done, dispatch)
            replies.append(_shown(part, reply))
            if reply.status >= 300:
                roll_back()
                replies = [r if r["httpStatusCode"] >= 300 else _shown(r, _halted()) for r in replies]
                return replies + [_shown(p, _halted()) for p in parts[len(replies) :]]
            done[part["referenceId"]] = reply.body
    return replies


def _check_limits(parts: list[dict[str, Any]]) -> None:
    if len(parts) > MAX_SUBREQUESTS:
        raise ApiError("LIMIT_EXCEEDED", f"at most {MAX_SUBREQUESTS} subrequests, not {len(parts)}")
    names = [p.get("referenceId") for p in parts]
    if not all(isinstance(n, str) and n for n in names) or len(set(names)) < len(names):
        raise ApiError("INVALID_INPUT", "every subrequest needs a referenceId of its own")
    heavy = sum(bool(re.search(r"/(query|queryAll|composite/sobjects)\b", str(p.get("url")))) for p in parts)
    if heavy > MAX_HEAVY:
        raise ApiError("LIMIT_EXCEEDED", f"at most {MAX_HEAVY} subrequests may be queries or collections, not {heavy}")


def _one(ask: Ask, part: dict[str, Any], done: dict[str, Any], dispatch: Callable[[Ask], Reply]) -> Reply:
    try:
        address = _resolved(str(part.get("url", "")), done)
        ask.trace.within.append(unquote_plus(address)[:NOTED])
        url = urlsplit(address)
        match = re.fullmatch(r"/services/data/v(\d+\.\d)/(.+?)/?", url.path)
        if match is None or match[2].lower() == "composite":
            raise ApiError("INVALID_INPUT", f"not a resource for a subrequest: {url.path}")
        return dispatch(
            Ask(
                world=ask.world,
                user=ask.user,
                version=match[1],
                method=str(part.get("method", "")).upper(),
                path=tuple(unquote(p) for p in match[2].split("/")),
                query=dict(parse_qsl(url.query)),
                headers={str(k).lower(): str(v) for k, v in (part.get("httpHeaders") or {}).items()},
                body=_filled(part.get("body"), done),
                trace=ask.trace,
                base_url=ask.base_url,
            )
        )
    except ApiError as error:
        return Reply(error.status, error.body())


def _filled(value: Any, done: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {k: _filled(v, done) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, done) for v in value]
    return _resolved(value, done) if isinstance(value, str) else value


def _resolved(text: str, done: dict[str, Any]) -> str:
    def look_up(found: re.Match[str]) -> str:
        try:
            value = done[found[1]]
            for name, index in _STEP.findall(found[2]):
                value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError) as error:
            raise ApiError("PROCESSING_HALTED", f"Invalid reference specified: {found[0]}") from error
        return str(value)

    return _REFERENCE.sub(look_up, text)


def _shown(part: dict[str, Any], reply: Reply) -> dict[str, Any]:
    return {
        "body": reply.body,
        "httpHeaders": reply.headers,
        "httpStatusCode": reply.status,
        "referenceId": part["referenceId"],
    }


def _halted() -> Reply:
    return Reply(400, HALTED.body())
