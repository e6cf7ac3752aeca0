"""Mails to customers on the wire: headers made of clean parts, and where a conversation broke off."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from attacks import attacks
from engine.harness import SYSTEM, Desk, a_desk
from mailserver import MailServer, running
from plans import a_mail, a_plan, a_task

from connector.crm.writing import Refused
from connector.engine.mailer import CustomerMail, send_mails
from connector.engine.parts import Mailer
from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.model import HandoffKey
from connector.handoff.plan import Order, SendMail
from connector.store import Applied, Decided, Settlement

HEADERS = [each.text for each in attacks() if each.kind == "mail"]
USUAL = {"from", "to", "cc", "subject", "date", "auto-submitted", "message-id"}
OF_THE_TEXT = {"content-type", "content-transfer-encoding", "mime-version"}

MAIL = SendMail(
    step="mail--intro",
    order=Order.NOTIFY,
    key="sf:006A:1:mail--intro",
    to_name="Ingrid Holm",
    to_email="ingrid@nordlys.example",
    from_name="Ana Ek",
    from_email="ana.ek@seller.example",
    copy_name="Tomas Reyes",
    copy_email="tomas.reyes@seller.example",
    subject="Meet Tomas Reyes",
    text="Hi Ingrid,\n\nnine people answer mails by hand.\n.\nAna",
    note="draft--intro",
    marked="f",
    fingerprint="g",
    reason="",
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running() as box:
        yield box


def way(server: MailServer, sender: str = "owner") -> CustomerMail:
    return CustomerMail("127.0.0.1", server.port, sender, starttls=False)


def headers(letter: str) -> dict[str, str]:
    read = email.message_from_string(letter, policy=email.policy.default)
    found = [name.lower() for name in read]
    assert len(found) == len(set(found)), found
    return {name.lower(): str(value) for name, value in read.items()}


def test_in_the_owners_name_it_is_from_the_owner_who_gets_a_copy(server: MailServer) -> None:
    way(server)(MAIL)
    found = headers(server.letters[0])
    assert found["from"] == "Ana Ek <ana.ek@seller.example>"
    assert found["to"] == "Ingrid Holm <ingrid@nordlys.example>"
    assert found["cc"] == "Tomas Reyes <tomas.reyes@seller.example>"
    assert found["subject"] == "Meet Tomas Reyes"
    assert found["message-id"] == "<sf.006A.1.mail--intro@seller.example>"
    assert found["auto-submitted"] == "auto-generated"
    assert "reply-to" not in found
    assert "bcc" not in found
    assert server.senders == ["ana.ek@seller.example"]
    assert set(server.sent_to[0]) == {"ingrid@nordlys.example", "tomas.reyes@seller.example", "ana.ek@seller.example"}


def test_in_a_name_of_the_companys_answers_still_reach_the_owner(server: MailServer) -> None:
    way(server, "welcome@seller.example")(MAIL)
    found = headers(server.letters[0])
    assert found["from"] == "Ana Ek <welcome@seller.example>"
    assert found["reply-to"] == "Ana Ek <ana.ek@seller.example>"
    assert server.senders == ["welcome@seller.example"]


@pytest.mark.parametrize("hostile", HEADERS)
@pytest.mark.parametrize("part", ["to_name", "from_name", "copy_name", "subject"])
def test_no_name_or_subject_can_add_a_header_or_a_reader(server: MailServer, part: str, hostile: str) -> None:
    way(server)(replace(MAIL, **{part: hostile}))
    found = headers(server.letters[0])
    assert USUAL <= set(found) <= USUAL | OF_THE_TEXT
    assert set(server.sent_to[0]) == {MAIL.to_email, MAIL.copy_email, MAIL.from_email}


def test_no_text_of_the_corpus_adds_a_header_wherever_it_stands() -> None:
    write = CustomerMail("127.0.0.1", 1, "welcome@seller.example")._message
    for attack in attacks():
        parts = dict.fromkeys(("to_name", "from_name", "copy_name", "subject", "text"), attack.text)
        letter = write(replace(MAIL, **parts)).as_bytes(policy=email.policy.SMTP).decode("utf-8", "replace")
        assert USUAL | {"reply-to"} <= set(headers(letter)) <= USUAL | OF_THE_TEXT | {"reply-to"}, attack


@pytest.mark.parametrize(
    "address",
    [
        "ingrid@nordlys.example\r\nBcc: all@nordlys.example",
        "ingrid@nordlys.example\nRCPT TO:<all@nordlys.example>",
        "ingrid@nordlys.example, all@nordlys.example",
        "Ingrid <ingrid@nordlys.example>",
        "=?utf-8?q?a=0ABcc:?=@nordlys.example",
        "ingrid@nordlys.example>",
        "jürgen@nordlys.example",
        "ingrid@nordlys.example\u200b",
        "",
    ],
)
@pytest.mark.parametrize("part", ["to_email", "from_email", "copy_email"])
def test_what_is_no_address_is_refused_before_anything_is_said(server: MailServer, part: str, address: str) -> None:
    if part == "copy_email" and not address:
        return
    with pytest.raises(CrmError) as caught:
        way(server)(replace(MAIL, **{part: address}))
    assert caught.value.fault.advice is Advice.PARK
    assert server.letters == []
    assert server.senders == []


@pytest.mark.parametrize(
    ("says", "hangs_up", "code"),
    [
        ({"RCPT": "550 5.1.1 no such person"}, "", FaultCode.REJECTED),
        ({"RCPT": "451 4.7.1 greylisted, try again"}, "", FaultCode.UNAVAILABLE),
        ({"MAIL": "553 not your address"}, "", FaultCode.REJECTED),
        ({"DATA": "554 no"}, "", FaultCode.REJECTED),
        ({".": "554 5.7.1 looks like spam"}, "", FaultCode.REJECTED),
        ({".": "452 disk full"}, "", FaultCode.UNAVAILABLE),
        ({}, "MAIL", FaultCode.UNAVAILABLE),
        ({}, "RCPT", FaultCode.UNAVAILABLE),
        ({}, ".", FaultCode.OUTCOME_UNKNOWN),
    ],
    ids=["nobody", "greylisted", "sender", "data", "spam", "full", "gone early", "gone before data", "gone after data"],
)
def test_it_matters_at_which_word_the_conversation_ended(
    server: MailServer, says: dict[str, str], hangs_up: str, code: FaultCode
) -> None:
    server.says, server.hangs_up = says, hangs_up
    with pytest.raises(CrmError) as caught:
        way(server)(MAIL)
    assert caught.value.fault.code is code
    for words in says.values():
        assert words.split(" ", 1)[1] in caught.value.fault.message


def test_a_mail_that_was_taken_is_sent_whatever_the_server_says_at_the_end(server: MailServer) -> None:
    server.says = {"QUIT": "421 I have had enough"}
    assert way(server)(MAIL) == "<sf.006A.1.mail--intro@seller.example>"
    server.says, server.hangs_up = {}, "QUIT"
    way(server)(MAIL)
    assert len(server.letters) == 2


def test_a_colleague_who_is_not_known_there_does_not_keep_the_customer_from_it(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import smtplib

    ask = smtplib.SMTP.rcpt

    def only_the_customer(self: smtplib.SMTP, who: str, *rest: object) -> tuple[int, bytes]:
        return ask(self, who) if who == MAIL.to_email else (550, b"no such person")

    monkeypatch.setattr(smtplib.SMTP, "rcpt", only_the_customer)
    way(server)(MAIL)
    assert server.sent_to == [[MAIL.to_email]]


@pytest.fixture
def desk() -> Desk:
    return a_desk()


def tried(desk: Desk, *, marked: bool = True, minutes: int = 0, limit: int = 5) -> tuple[list[SendMail], str]:
    """What left, and the code of what kept the mail back, after a pass."""
    sent: list[SendMail] = []

    def send(mail: SendMail) -> str:
        sent.append(mail)
        return "<id>"

    desk.shared = replace(desk.shared, mailer=Mailer(send, limit))
    note = a_task("draft--intro", fingerprint="draft--intro-1" if marked else "another")
    plan = a_plan(actions=(note, a_mail()))
    plan = replace(plan, key=HandoffKey(SYSTEM, "D1"))
    desk.store.record(SYSTEM, [Decided(plan=plan, look_version=0, next_look=None)], act=True)
    marks = desk.store.claim(SYSTEM, owner="t", batch=lambda _lane: 9, lease_seconds=60)
    assert marks is not None
    desk.store.settle([Settlement(row.id, row.attempt, Applied(row.key)) for row in marks.rows])
    desk.clock.advance(timedelta(minutes=minutes))
    claimed = desk.store.claim(SYSTEM, owner="t", batch=lambda _lane: 1, lease_seconds=60)
    assert claimed is not None
    (outcome,) = send_mails(desk.shared, claimed)
    return sent, outcome.fault.vendor_code if isinstance(outcome, Refused) else ""


def test_right_before_it_leaves_it_is_asked_whether_it_may(desk: Desk) -> None:
    assert tried(desk) == ([a_mail()], "")


def test_it_does_not_leave_without_its_mark(desk: Desk) -> None:
    assert tried(desk, marked=False) == ([], "NOT_MARKED")


def test_it_does_not_leave_long_after_it_was_decided(desk: Desk) -> None:
    assert tried(desk, minutes=30) == ([], "TOO_LATE")


def test_it_does_not_leave_beyond_the_day_s_limit(desk: Desk) -> None:
    assert tried(desk, limit=0) == ([], "DAILY_LIMIT")
