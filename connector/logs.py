"""The log: one event a line, as JSON for machines or coloured for people, with secrets taken out on the way.

Not here: names of events; each module keeps its own, as ``noun.verb_past`` constants.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO, cast
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from connector.plain import escaped

Format = Literal["json", "console"]
HIDDEN = "[hidden]"
EMAIL = "[email]"
LOG_INTERRUPTED = "log.interrupted"
SHORTEST_SECRET = 6
"""Shorter secrets are not looked for in texts: they would blot out ordinary words."""
DEEPEST = 6

SECRET_NAME = re.compile(
    r"authori[sz]ation|token|secret|passw|private_?key|key_?material|api_?key|service_?key|credential|cookie"
    r"|assertion|webhook_url|client_id",
    re.IGNORECASE,
)
"""Names whose value never appears, whatever it is."""

SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\b(Bearer|Basic|OAuth)\s+[A-Za-z0-9._~+/=!-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"\b(pat-|xox[a-z]-)[\w-]+"), HIDDEN),
    (re.compile(r"\b00D\w{12,15}![\w.]+"), HIDDEN),
    (re.compile(r"https?://(hooks\.slack\.com|[\w.-]*webhook\.office\.com)/\S+"), rf"https://\1/{HIDDEN}"),
    (re.compile(r"(\w://)[^/\s:@]+:[^/\s@]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"\b((?:access_|refresh_|id_)?token|client_secret|client_id|password|assertion|secret)"
            r"(=|['\"]?:\s*['\"]?)[^&\s,;}'\"]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
)
"""Secrets by their look, for texts such as error messages: key blocks, tokens, sessions, webhooks, form fields."""

CHATTY = {"apscheduler": logging.ERROR, "urllib3": logging.WARNING}
"""Libraries whose warnings are ordinary here: a tick that is skipped because the pass before it still runs."""

URL = re.compile(r"https?://[^\s'\"<>]+|/[^\s'\"<>]*\?[^\s'\"<>]+")
EMAIL_IN_URL = re.compile(r"[\w.+-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)


def set_up(
    *, format: Format = "json", level: str = "info", secrets: Collection[str] = (), stream: TextIO | None = None
) -> None:
    """Send every log, libraries' too, to ``stream`` (standard error), with these ``secrets`` blotted out."""
    target = cast("TextIO", Unfailing(stream or sys.stderr))
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redaction(secrets),
    ]
    if format == "console":
        shared.append(one_line_each)
    last = _renderer(format, colors=target.isatty())
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(shared, last, target=target, threshold=max(threshold, logging.WARNING))


class Unfailing:
    """A stream to which writing never fails: work must go on while the log's disk is full or its reader is gone.

    Lines that could not be written are counted, and the first that can be again is preceded by one that says so.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write, or count what could not be written."""
        with self._lock, self._counting(text):
            if self._lost:
                # The line that met the failure may have been cut, so this one begins on a line of its own.
                told = {"event": LOG_INTERRUPTED, "level": "warning", "lines": self._lost}
                self._stream.write(f"\n{json.dumps(told)}\n")
                self._stream.flush()
                self._lost = 0
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what is held back."""
        with self._lock, self._counting(""):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream.isatty()

    @contextmanager
    def _counting(self, text: str) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._lost += text.count("\n")


def forms(secret: str) -> frozenset[str]:
    """A secret as it may stand in a text: as it is, in an address, in base64 of either alphabet, within JSON."""
    raw = secret.encode("utf-8", "surrogatepass")
    coded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return frozenset({secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], *coded})


def one_line_each(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor for people's eyes: no value breaks a line or acts on the terminal.

    A traceback keeps its lines, each set in, so that none can pass for an event.
    """
    told = {escaped(name): escaped(value) if isinstance(value, str) else value for name, value in event.items()}
    if isinstance(trace := event.get("exception"), str):
        told["exception"] = escaped(trace, keep="\n").replace("\n", "\n    ")
    return told


class Redaction:
    """A structlog processor that takes secrets out of an event: by name, by look, and those it was told."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = {form for one in secrets if len(one) >= SHORTEST_SECRET for form in forms(one)}
        self._known = tuple(sorted(known, key=len, reverse=True))

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """The event with secrets replaced."""
        return {
            name: HIDDEN if SECRET_NAME.search(name) else self._clean(value, DEEPEST) for name, value in event.items()
        }

    def text(self, text: str) -> str:
        """A text with secrets replaced."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        for shape, replacement in SHAPES:
            text = shape.sub(replacement, text)
        return URL.sub(lambda found: EMAIL_IN_URL.sub(EMAIL, found.group()), text)

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, bool) or value is None or isinstance(value, (int, float)):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth == 0:
            return self.text(str(value))
        if isinstance(value, Mapping):
            return {
                str(name): HIDDEN if SECRET_NAME.search(str(name)) else self._clean(inner, depth - 1)
                for name, inner in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._clean(inner, depth - 1) for inner in value]
        return self.text(str(value))


def _renderer(format: Format, *, colors: bool) -> Processor:
    if format == "console":
        return structlog.dev.ConsoleRenderer(colors=colors)
    return structlog.processors.JSONRenderer(sort_keys=True)


def _adopt_libraries(shared: list[Processor], last: Processor, *, target: TextIO, threshold: int) -> None:
    """Libraries log through the standard module; they get the same form and the same redaction."""
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name, level in CHATTY.items():
        logging.getLogger(name).setLevel(max(level, threshold))
