"""Messages to people: what a chat service and a mail server receive, and what becomes of their refusals."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator

import pytest
import requests
import responses
from mailserver import MailServer, running

from connector.engine.notifier import ChatWebhook, Email, send_through
from connector.errors import Advice, CrmError
from connector.handoff.plan import Notify, Order

HOOK = "https://chat.example/hook"
NOTICE = Notify(
    step="notify-csm_assigned",
    order=Order.NOTIFY,
    key="sf:006A:1:notify-csm_assigned:005M",
    to_email="maya@seller.example",
    to_name="Maya",
    subject="New customer:\r\nBcc: everybody@seller.example",
    text="Alder Mill was handed to you.",
    fingerprint="f",
    reason="Maya is told.",
)


@responses.activate
def test_a_chat_message_carries_the_text_and_a_key_by_which_a_receiver_can_tell_a_repeat() -> None:
    responses.post(HOOK, json={"ok": True})
    ChatWebhook(HOOK)(NOTICE)
    request = responses.calls[0].request
    assert request.headers["Idempotency-Key"] == NOTICE.key
    assert "Alder Mill was handed to you." in str(request.body)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ({"status": 503}, Advice.RETRY),
        ({"status": 429}, Advice.RETRY),
        ({"status": 404, "body": "no_service"}, Advice.PARK),
        ({"status": 302, "headers": {"Location": "https://chat.example/login"}}, Advice.PARK),
        ({"body": requests.ConnectionError("refused")}, Advice.RETRY),
        ({"body": requests.ReadTimeout("silence")}, Advice.VERIFY),
    ],
    ids=["down", "busy", "gone", "moved to a page", "no connection", "no answer"],
)
@responses.activate
def test_what_becomes_of_a_chat_message_that_was_not_taken(answer: dict[str, object], advice: Advice) -> None:
    responses.post(HOOK, **answer)
    responses.get("https://chat.example/login", body="Sign in")
    with pytest.raises(CrmError) as caught:
        ChatWebhook(HOOK)(NOTICE)
    assert caught.value.fault.advice is advice
    assert HOOK not in str(caught.value)


def test_a_mail_arrives_at_the_server_with_one_subject_line_and_a_message_id_of_its_key(
    mail_server: MailServer,
) -> None:
    Email(host="127.0.0.1", port=mail_server.port, sender="handoff@seller.example", starttls=False)(NOTICE)
    (letter,) = mail_server.letters
    head, _, body = letter.partition("\r\n\r\n")
    assert "To: maya@seller.example" in head
    assert "Message-ID: <sf.006A.1.notify-csm_assigned.005M@seller.example>" in head
    assert not any(line.startswith("Bcc:") for line in head.split("\r\n"))
    assert "Alder Mill was handed to you." in body


def test_a_mail_server_must_prove_its_name_before_it_is_told_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ssl.SSLContext | None] = []

    class Impostor(smtplib.SMTP):
        def __init__(self, *_where: object, **_how: object) -> None:
            self.sock = None

        def starttls(self, *_files: object, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
            asked.append(context)
            raise ssl.SSLCertVerificationError("self-signed certificate")

        def login(self, *_given: object, **_how: object) -> tuple[int, bytes]:
            raise AssertionError("the password was told")

        def quit(self) -> tuple[int, bytes]:
            return 221, b"bye"

    monkeypatch.setattr(smtplib, "SMTP", Impostor)
    with pytest.raises(CrmError) as caught:
        Email(host="mail.example", port=587, sender="handoff@seller.example", user="h", password="p")(NOTICE)
    assert caught.value.fault.advice is Advice.RETRY
    (context,) = asked
    assert context is not None
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_mail_server_that_refuses_the_recipient_parks_the_message(mail_server: MailServer) -> None:
    mail_server.refuse = True
    with pytest.raises(CrmError) as caught:
        Email(host="127.0.0.1", port=mail_server.port, sender="handoff@seller.example", starttls=False)(NOTICE)
    assert caught.value.fault.advice is Advice.PARK


def test_a_mail_server_that_is_away_is_tried_again() -> None:
    with pytest.raises(CrmError) as caught:
        Email(host="127.0.0.1", port=1, sender="handoff@seller.example", starttls=False)(NOTICE)
    assert caught.value.fault.advice is Advice.RETRY


@responses.activate
def test_a_channel_that_has_the_message_is_left_out_when_another_one_failed() -> None:
    other = "https://other.example/hook"
    responses.post(HOOK)
    responses.post(other, status=503)
    responses.post(other)
    send = send_through([ChatWebhook(HOOK), ChatWebhook(other)])
    with pytest.raises(CrmError):
        send(NOTICE)
    send(NOTICE)
    assert [call.request.url for call in responses.calls] == [HOOK, other, other]


def test_without_a_channel_nothing_is_sent_and_nothing_fails() -> None:
    send_through([])(NOTICE)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running() as box:
        yield box
