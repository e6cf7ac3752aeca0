"""Traces arrive at a collector: a real one by HTTP, which reads OpenTelemetry's own messages."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import cast

import pytest
from engine.harness import Desk, a_desk
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from connector.errors import Fault, FaultCode
from connector.tracing import Sender, Traces


class Collector(HTTPServer):
    """Takes what is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.keys: set[str] = set()
        super().__init__(("127.0.0.1", 0), Taking)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Taking(BaseHTTPRequestHandler):
    """One delivery."""

    server: Collector

    def do_POST(self) -> None:
        """Read it as the protocol says."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        self.server.keys.add(self.headers.get("x-key", ""))
        told = ExportTraceServiceRequest.FromString(body)
        self.server.spans += [span for of in told.resource_spans for scope in of.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def traced(desk: Desk, collector: Collector) -> Traces:
    """Its passes are told to the collector from here on."""
    traces = Traces(collector.url, headers={"x-key": "k-1"}, share=1.0)
    desk.shared = dataclasses.replace(desk.shared, tracer=traces)
    return traces


def said(span: Span) -> dict[str, object]:
    """A span's attributes."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_win_is_one_trace_with_its_steps_and_names_neither_record_nor_customer(collector: Collector) -> None:
    desk = a_desk()
    desk.run()
    traces = traced(desk, collector)
    deal = desk.a_deal()
    desk.win(deal)
    desk.run()
    traces.close()
    whole = next(span for span in collector.spans if span.name == "pass")
    parts = [span for span in collector.spans if span.trace_id == whole.trace_id]
    assert {"pass", "observe_and_decide", "record", "apply"} <= {span.name for span in parts}
    assert said(whole) == {"handoff.system": "mem", "handoff.occasion": "tick"}
    sent = [said(span) for span in parts if span.name == "apply"]
    assert {each["handoff.kind"] for each in sent} >= {"task", "deal"}
    assert collector.keys == {"k-1"}
    everything = "".join(map(str, collector.spans))
    assert not [word for word in (deal, "Nordlys", "u-ae") if word in everything]


def test_a_call_that_fails_shows_by_its_code_and_not_by_the_words_of_the_crm(collector: Collector) -> None:
    desk = a_desk()
    desk.run()
    traces = traced(desk, collector)
    desk.crm.fail_calls(Fault(FaultCode.UNAVAILABLE, "DOWN", "Nordlys AS is not to be told"))
    desk.run()
    traces.close()
    failed = [said(span)["handoff.fault"] for span in collector.spans if "handoff.fault" in said(span)]
    assert set(failed) == {"unavailable"}
    assert "Nordlys" not in "".join(map(str, collector.spans))


def test_a_collector_that_is_away_keeps_no_pass_from_its_work() -> None:
    desk = a_desk()
    desk.run()
    desk.shared = dataclasses.replace(desk.shared, tracer=Traces("http://127.0.0.1:9", headers={}, share=1.0))
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    assert desk.deal(deal)["csm"]


def test_a_collector_that_is_away_is_told_of_once() -> None:
    answers = [SpanExportResult.FAILURE, SpanExportResult.FAILURE, SpanExportResult.SUCCESS]
    exporter = SimpleNamespace(export=lambda _: answers.pop(0), shutdown=lambda: None)
    sender = Sender(cast("SpanExporter", exporter))
    with capture_logs() as lines:
        for _ in range(3):
            sender.export([])
    assert [each["event"] for each in lines] == ["traces.lost", "traces.returned"]
    assert not sender.is_lost
