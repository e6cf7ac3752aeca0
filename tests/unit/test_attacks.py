"""The whole corpus against every place a text of a CRM comes out that needs no CRM to be tried."""

from __future__ import annotations

import csv
import io
import json
import re
from email import message_from_bytes, policy

import pytest
import structlog
from attacks import Attack, attacks

from connector import logs
from connector.cli.screen import PlainTable, Screen
from connector.crm.hubspot.wire import to_html
from connector.crm.salesforce.soql import query_path, select, select_in, where
from connector.engine.notifier import Email, for_chat
from connector.errors import CrmError
from connector.handoff.plan import Notify, Order
from connector.handoff.templating import render
from connector.handoff.text import REFERENCE, clean, one_line
from connector.plain import BREAKS, HARMFUL, escaped, scrubbed, storable
from connector.sandbox.salesforce import schema
from connector.sandbox.salesforce import soql as judge
from connector.sandbox.salesforce.grammar import parse
from connector.sandbox.state import SandboxClock
from connector.sheets import FORMULA_SIGNS, write_csv

CORPUS = attacks()
LEAST = 150


def test_there_are_enough_of_them() -> None:
    assert len(CORPUS) == len({(each.kind, each.text) for each in CORPUS}) >= LEAST


def notice(text: str, *, to: str = "csm@seller.example") -> Notify:
    return Notify(
        step="told",
        order=Order.NOTIFY,
        key="sf:1:1:told",
        to_email=to,
        to_name="C",
        subject=one_line(text),
        text=clean(text),
        fingerprint="",
        reason="",
    )


def test_nothing_harmful_is_left_of_any() -> None:
    for each in CORPUS:
        for made in (scrubbed(each.text), clean(each.text), one_line(each.text), escaped(each.text)):
            assert not HARMFUL.search(made), each
            assert not BREAKS.search(made), each
        assert "\n" not in one_line(each.text) + escaped(each.text), each
        assert "\0" not in storable(each.text)
        storable(each.text).encode("utf-8")


def test_none_can_pass_for_a_reference_of_ours() -> None:
    for each in CORPUS:
        assert REFERENCE.lower() not in clean(each.text).lower(), each


def test_each_finds_its_own_record_and_no_other() -> None:
    """By the sandbox's own reader of SOQL, which shares no line with the writer."""
    org = schema.create_world(SandboxClock())
    schema.furnish(org)
    accounts = org.table("Account")
    named = [f"{number} {each.storable}"[:255].rstrip() for number, each in enumerate(CORPUS)]
    ids = [accounts.insert({"Name": name}, by="setup").id for name in named]
    for name, wanted in zip(named, ids, strict=True):
        found = judge.run(org, parse(select(["Id"], of="Account", where=where("Name", "=", name))), version="66.0")
        assert [found.show(row)["Id"] for row in found.rows] == [wanted], name
    for each in CORPUS:
        query_path(select(["Id"], of="Account", where=where("Name", "=", each.text))).encode("ascii")
    every = list(select_in(["Id"], of="Account", field="Name").of(named))
    assert sum(len(judge.run(org, parse(each), version="66.0").rows) for each in every) == len(ids)


def test_a_template_prints_each_and_reads_none() -> None:
    for each in CORPUS:
        assert render("{{ deal }}", {"deal": each.text}) == each.text


def test_each_is_text_in_html() -> None:
    for each in CORPUS:
        made = to_html(clean(each.text)).replace("<br>", "")
        assert "<" not in made, each
        assert ">" not in made, each


def test_no_cell_is_a_formula() -> None:
    out = io.StringIO(newline="")
    write_csv(out, ["kind", "text"], [(each.kind, each.text) for each in CORPUS])
    rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1:]
    assert len(rows) == len(CORPUS)
    for _, text in rows:
        assert not any(line[:1] in FORMULA_SIGNS for line in text.split("\n") if line), text
    out.getvalue().encode("utf-8")


def test_no_mail_gains_a_header_or_a_reader() -> None:
    channel = Email("localhost", 25, "handoff@seller.example")
    for each in CORPUS:
        made = channel.written(notice(each.text))
        read = message_from_bytes(bytes(made), policy=policy.default)
        assert sorted(read.keys()) == sorted(made.keys()), each
        assert read["To"] == "csm@seller.example", each
        assert read["Bcc"] is None, each
        assert read.get_content_type() == "text/plain"


def test_a_chat_calls_nobody_and_links_nowhere() -> None:
    for each in CORPUS:
        made = for_chat(each.text)
        assert "<" not in made, each
        assert ">" not in made, each
        assert not re.search(r"(^|\s)@\w|\]\(|[\u202e\x1b]", made), each


def test_a_terminal_shows_each_and_obeys_none() -> None:
    out = io.StringIO()
    screen = Screen(file=out, force_terminal=True, width=300, highlight=False, color_system=None)
    table = PlainTable("Kind", "Text")
    for each in (one for one in CORPUS if len(one.text) < 500):
        table.add_row(each.kind, each.text)
    screen.print(table)
    assert not HARMFUL.search(out.getvalue())
    assert "\r" not in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_log_has_one_line_an_event(form: logs.Format) -> None:
    out = io.StringIO()
    logs.set_up(format=form, stream=out, secrets=["hunter2hunter2"])
    log = structlog.get_logger()
    for each in CORPUS:
        log.warning("attack.tried", words=each.text, nested={"words": [each.text]})
    lines = out.getvalue().splitlines() if form == "json" else out.getvalue().split("\n")[:-1]
    assert len(lines) == len(CORPUS)
    assert not HARMFUL.search(out.getvalue().replace("\x1b", "" if form == "console" else "\x1b"))
    if form == "json":
        assert {json.loads(line)["event"] for line in lines} == {"attack.tried"}
    assert "hunter2hunter2" not in out.getvalue()
    assert "abcdefghijklmnop12345678" not in out.getvalue()


def test_an_address_that_is_none_is_refused() -> None:
    channel = Email("localhost", 25, "handoff@seller.example")
    taken = [each for each in CORPUS if _accepted(channel, each)]
    assert taken == []


def _accepted(channel: Email, each: Attack) -> bool:
    try:
        channel.written(notice("x", to=each.text))
    except CrmError:
        return False
    return True
