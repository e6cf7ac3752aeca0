"""Traces for OpenTelemetry: which step of which pass took how long, over how many deals, with how many calls.

Not here: the figures (``telemetry``) and the log. A trace names systems, steps and counts, never a record, a person or
what a field holds. Without an address to send them to none are made, and no library of it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from connector.errors import CrmError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

INSTALL = "pip install 'handoff-connector[otel]'"
SERVICE = "handoff-connector"
PATH = "/v1/traces"
"""Where a collector takes traces by HTTP, below its address (OpenTelemetry's protocol, OTLP over HTTP)."""

SEND_SECONDS = 10
"""A collector that takes longer has lost these traces. No pass waits for it: they are sent by a thread of their own."""


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

        exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH, headers=dict(headers), timeout=SEND_SECONDS)
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create({"service.name": SERVICE}),
            sampler=ParentBased(TraceIdRatioBased(share)),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
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
        """Send what is left, for no longer than a send takes."""
        self._provider.shutdown()
