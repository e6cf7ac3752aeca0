"""A form as a browser sends it, read within limits.

Not here: what a form means (``app``, ``desk``).
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

MOST_BYTES = 16 * 1024
"""Of a form of ours: a reason of 500 characters, each at most twelve bytes when escaped, and some words."""

MOST_FIELDS = 20
FORM_TYPE = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields; None when it is no form, too large, cut off or names a field twice."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return None
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return None
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except (ValueError, ClientDisconnect):
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None
