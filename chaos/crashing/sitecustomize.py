"""Makes whatever a process says to a CRM or a database end in a fault that nobody expects, whose words repeat it all.

Not part of the product: Python runs this at the start of a process that has this folder on its path. CHAOS_CRASH says
which of the two falls over. A library's own errors are tamer; what is asked is where the words of any error may end.
"""

from __future__ import annotations

import os
from typing import Any, NoReturn

_which = os.environ.get("CHAOS_CRASH")


class Provoked(BaseException):
    """Of no kind that anything catches on the way."""


def _send(_self: object, method: str, url: str, body: Any = None, headers: Any = None, **_more: Any) -> NoReturn:
    raise Provoked(f"{method} {url} {dict(headers or {})} {body!r}")


def _connect(*arguments: Any, **named: Any) -> NoReturn:
    raise Provoked(f"connect {arguments!r} {named!r}")


if _which == "crm":
    import urllib3

    urllib3.HTTPConnectionPool.urlopen = _send  # type: ignore[method-assign,assignment]
elif _which == "store":
    import psycopg

    psycopg.Connection.connect = _connect  # type: ignore[method-assign]
    psycopg.connect = _connect
