"""Traces for OpenTelemetry: which step of which pass took how long, over how many deals, with how many calls.

Not here: the figures (``telemetry``) and the log. A trace names systems, steps and counts, never a record, a person or
what a field holds. Without an address to send them to none are made, and no library of it is loaded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, cast

import structlog

from connector.errors import CrmError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

TRACES_LOST = "traces.lost"
TRACES_RETURNED = "traces.returned"

INSTALL = "pip install 'handoff-connector[otel]'"
SERVICE = "handoff-connector"
PATH = "/v1/traces"
"""Where a collector takes traces by HTTP, below its address (OpenTelemetry's protocol, OTLP over HTTP)."""

LIBRARY = "opentelemetry"
"""Under this name its libraries log, several lines for each batch that a collector does not take."""

SEND_SECONDS = 10
"""A collector that takes longer has lost these traces. No pass waits for it: they are sent by a thread of their own."""


LAST_SECONDS = 3.0
"""For so long a daemon that stops waits for its last traces to be taken."""

log = structlog.get_logger()


class Tracer(Protocol):
    """Where steps are told of."""

    def span(self, name: str, **said: str | int) -> AbstractContextManager[None]:
        """A step, for as long as the block runs; what it raises is noted in the span and goes on."""
        ...

    def call(self, kind: str) -> None:
        """A call to a CRM is about to be made, within the step that runs."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class Untraced:
    """Tells nobody."""

    def span(self, name: str, **said: str | int) -> AbstractContextManager[None]:
        """Nothing is kept."""
        del name, said
        return nullcontext()

    def call(self, kind: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """There is nothing to send."""


UNTRACED = Untraced()


class Traces:
    """Tells a collector, in batches."""

    def __init__(self, endpoint: str, *, headers: Mapping[str, str], share: float) -> None:
        """``endpoint`` is the collector's address, ``share`` (0 to 1) how many passes are traced. Raises ImportError
        where the libraries are missing."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        logging.getLogger(LIBRARY).setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH, headers=dict(headers), timeout=SEND_SECONDS)
        self._sender = Sender(exporter)
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE}),
            sampler=ParentBased(TraceIdRatioBased(share)),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(cast("SpanExporter", self._sender)))
        self._tracer = self._provider.get_tracer(SERVICE)

    @contextmanager
    def span(self, name: str, **said: str | int) -> Iterator[None]:
        """A step, for as long as the block runs."""
        from opentelemetry.trace import StatusCode

        # Of what goes wrong its code or kind alone: the words of a CRM may quote what stands in a record.
        attributes = {f"handoff.{key}": value for key, value in said.items()}
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                code = error.fault.code.value if isinstance(error, CrmError) else type(error).__name__
                span.set_attribute("handoff.fault", code)
                span.set_status(StatusCode.ERROR)
                raise

    def call(self, kind: str) -> None:
        """An event of the step that runs."""
        from opentelemetry.trace import get_current_span

        get_current_span().add_event("crm.call", {"handoff.kind": kind})

    def close(self) -> None:
        """Send what is left, for a few seconds at most; nobody waits for a collector that is away."""
        end = threading.Timer(0.0 if self._sender.is_lost else LAST_SECONDS, self._sender.shutdown)
        end.start()
        self._provider.shutdown()
        end.cancel()


class Sender:
    """Hands batches on to the collector, and says once that it does not take them, and once that it does again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.is_lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """One batch. What is not taken is lost."""
        result = self._exporter.export(spans)
        if self.is_lost != (result.name != "SUCCESS"):
            self.is_lost = not self.is_lost
            if self.is_lost:
                log.warning(TRACES_LOST, next="is the collector at [traces] endpoint up, and its key right?")
            else:
                log.info(TRACES_RETURNED)
        return result

    def shutdown(self) -> None:
        """Break off what is under way."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept back here."""
        return self._exporter.force_flush(timeout_millis)
