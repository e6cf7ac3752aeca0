"""Tell people outside the CRM: a chat webhook, an email, or both.

Not here: whom to tell and what (``handoff.rules.notify``). Neither channel can be asked whether a message arrived, so
the effect's key travels with it (``Idempotency-Key``, ``Message-ID``) and a message in doubt is sent again under the
same key: repeated at worst, never lost. What a person typed into the CRM is shown: it calls no channel, links nowhere
under another name, and cannot end a mail's header.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import smtplib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol

import requests

from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.plan import Notify
from connector.handoff.text import one_line
from connector.plain import ADDRESS, scrubbed

TIMEOUT = 10.0
"""Seconds for one message; a chat service that is slower than this is treated as unavailable."""

DELIVERED_KEPT = 10_000
"""Deliveries remembered per process: far more than are ever tried again at one time."""

CHAT_SIGNS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""Slack's control signs; within ``<...>`` stand its links and calls. Teams and Mattermost show these entities as signs
too."""

CHAT_CALL = re.compile(r"(?<![\w.+-])@(?=\w)")
CHAT_LINK = re.compile(r"\](?=\()")
APART = "\u200c"
"""Shows as nothing, and keeps ``@here`` from calling everyone and ``[text](address)`` from being a link."""

Channel = Callable[[Notify], None]


@dataclass(frozen=True, slots=True)
class ChatWebhook:
    """An incoming webhook that takes ``{"text": …}``, as Slack, Teams workflows and Mattermost do."""

    url: str

    def __call__(self, notice: Notify) -> None:
        """Post one message. Raises `CrmError`."""
        try:
            reply = requests.post(
                self.url,
                json={"text": for_chat(f"{notice.subject}\n{notice.text}"), "key": notice.key, "to": notice.to_email},
                headers={"Idempotency-Key": notice.key},
                timeout=TIMEOUT,
                # A webhook that is gone may lead to a page for signing in, which answers 200 to whatever it is asked.
                allow_redirects=False,
            )
        except requests.ConnectionError as error:
            raise CrmError(_unavailable("connection", type(error).__name__)) from error
        except requests.RequestException as error:
            raise CrmError(Fault(FaultCode.OUTCOME_UNKNOWN, "no answer", type(error).__name__)) from error
        if reply.status_code == requests.codes.too_many_requests or reply.status_code >= requests.codes.server_error:
            raise CrmError(_unavailable(str(reply.status_code), "the chat service is busy or down"))
        if not requests.codes.ok <= reply.status_code < requests.codes.multiple_choices:
            raise CrmError(Fault(FaultCode.REJECTED, str(reply.status_code), one_line(reply.text, limit=200)))


class MailLogin(Protocol):
    """A mail server, and as whom to speak to it."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def starttls(self) -> bool: ...


@contextlib.contextmanager
def signed_in(way: MailLogin) -> Iterator[smtplib.SMTP]:
    """A mail server that knows who speaks. Raises OSError or `smtplib.SMTPException`."""
    with smtplib.SMTP(way.host, way.port, timeout=TIMEOUT) as server:
        if way.starttls:
            # Without a context of ours smtplib takes any certificate, and the password goes to whoever has one.
            server.starttls(context=ssl.create_default_context())
        if way.user:
            server.login(way.user, way.password)
        yield server


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that says the same twice: in words, and as a page for programs that show one."""

    key: str
    to_email: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Email:
    """Plain-text mail over SMTP, with STARTTLS unless the host is this machine."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = ""
    starttls: bool = True

    def __call__(self, notice: Notify) -> None:
        """Send one mail. Raises `CrmError`."""
        self._send(self.written(notice), to=notice.to_email)

    def written(self, notice: Notify) -> EmailMessage:
        """The mail as it is sent. Raises `CrmError` for an address that cannot stand in one."""
        message = self._message(notice.to_email, notice.subject, key=notice.key)
        message.set_content(scrubbed(notice.text))
        return message

    def post(self, letter: Letter) -> None:
        """Send one mail that has the same in words and as a page. Raises `CrmError`."""
        message = self._message(letter.to_email, letter.subject, key=letter.key)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(scrubbed(letter.text))
        message.add_alternative(scrubbed(letter.html), subtype="html")
        self._send(message, to=letter.to_email)

    def _send(self, message: EmailMessage, *, to: str) -> None:
        try:
            with signed_in(self) as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise CrmError(Fault(FaultCode.REJECTED, "recipient refused", to)) from error
        except smtplib.SMTPAuthenticationError as error:
            raise CrmError(
                Fault(FaultCode.NOT_PERMITTED, str(error.smtp_code), "the mail server refused the login")
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise CrmError(_unavailable("smtp", type(error).__name__)) from error

    def _message(self, to: str, subject: str, *, key: str) -> EmailMessage:
        """A mail that says nothing yet. Raises `CrmError` for an address that cannot stand in one."""
        message = EmailMessage()
        try:
            if ADDRESS.fullmatch(to) is None:
                raise ValueError(f"{one_line(to, limit=80)} is no mail address")
            message["From"], message["To"], message["Subject"] = self.sender, to, for_header(subject)
            message["Message-ID"] = f"<{one_line(key).replace(':', '.')}@{self.sender.partition('@')[2] or 'handoff'}>"
        except (ValueError, LookupError) as error:
            raise CrmError(Fault(FaultCode.REJECTED, "unusable address", str(error))) from error
        return message


def addressed(channel: Channel, to_email: str) -> Channel:
    """The channel with every message to one address."""

    def send(notice: Notify) -> None:
        channel(dataclasses.replace(notice, to_email=to_email))

    return send


def send_through(channels: Sequence[Channel]) -> Channel:
    """One sender over all configured channels. With none, the CRM's own task and reminder are the notice.

    When the second channel fails, the message is tried again later; the first, which has it, is then left out as long
    as this process lives.
    """
    delivered: OrderedDict[tuple[str, int], None] = OrderedDict()

    def send(notice: Notify) -> None:
        for number, channel in enumerate(channels):
            if (notice.key, number) in delivered:
                continue
            channel(notice)
            delivered[notice.key, number] = None
            if len(delivered) > DELIVERED_KEPT:
                delivered.popitem(last=False)

    return send


def for_header(text: str) -> str:
    """The text on one line, and no word of it one that a mail program decodes: what is hidden in such a word may hold a
    line break, which Python's own generator writes out as the start of a new header."""
    return one_line(text).replace("=?", f"={APART}?")


def for_chat(text: str) -> str:
    """The text as a chat shows it word for word: no calls, no links but plain addresses, no entities."""
    text = scrubbed(text).translate(CHAT_SIGNS)
    return CHAT_LINK.sub("]" + APART, CHAT_CALL.sub("@" + APART, text))


def _unavailable(code: str, message: str) -> Fault:
    return Fault(FaultCode.UNAVAILABLE, code, message)
