"""Mails to customers over SMTP: handed to the server at most once, with every header made of clean parts.

Not here: whether and when one goes (``handoff.rules.posting``), messages to our own people (``notifier``). Unlike
those, a mail of which nobody knows whether the server took it is never sent again; so it matters at which word of the
conversation it broke off. Until the text is handed over, nothing was sent for certain.
"""

from __future__ import annotations

import email.policy
import smtplib
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

from connector.crm.writing import Applied, Refused, Unknown, WriteOutcome
from connector.engine.notifier import for_header, signed_in
from connector.engine.parts import Shared
from connector.engine.replica import before_call
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.failpoints import Failpoint, passing
from connector.handoff.plan import SendMail
from connector.handoff.sending import MAIL, STILL_SENDING, UNSENT
from connector.handoff.text import MAX_NAME_CHARS, one_line
from connector.plain import ADDRESS, scrubbed
from connector.store import Claimed, OutboxRow

OWNER = "owner"
"""As the sender in config.toml: a mail is from whoever's task it is."""

DAY = timedelta(days=1)
GOOD, ALSO_GOOD, MAY_TRY_AGAIN = 250, 251, 500
"""Reply codes: done, will be forwarded, and from where on a refusal is for good (RFC 5321 §4.2.1)."""

MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class CustomerMail:
    """Plain-text mail over SMTP, with STARTTLS unless switched off. ``sender`` is `OWNER`, or an address in whose name
    the owner writes: answers reach the owner either way, who gets a copy."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = ""
    starttls: bool = True

    def __call__(self, mail: SendMail) -> str:
        """Hand one mail over. Raises `CrmError`; its code is OUTCOME_UNKNOWN only where it may have been taken."""
        message, envelope = self._message(mail), self._from(mail)
        handing = taken = False
        try:
            with signed_in(self) as server:
                server.ehlo_or_helo_if_needed()
                _good(server.mail(envelope))
                _good(server.rcpt(mail.to_email))
                for other in {mail.copy_email, mail.from_email} - {"", mail.to_email}:
                    server.rcpt(other)  # who only reads along must not keep the customer from it
                handing = True
                _good(server.data(message.as_bytes(policy=email.policy.SMTP)))
                taken = True
        except smtplib.SMTPAuthenticationError as error:
            words = "the mail server refused the login"
            raise CrmError(Fault(FaultCode.NOT_PERMITTED, str(error.smtp_code), words)) from error
        except smtplib.SMTPDataError as error:
            raise CrmError(_refused(error.smtp_code, error.smtp_error)) from error
        except ValueError as error:  # smtplib cannot say it to the server
            if handing:
                raise
            raise CrmError(Fault(FaultCode.REJECTED, "unusable address", one_line(str(error), limit=80))) from error
        except (OSError, smtplib.SMTPException) as error:
            if not taken:
                code = FaultCode.OUTCOME_UNKNOWN if handing else FaultCode.UNAVAILABLE
                raise CrmError(Fault(code, "smtp", type(error).__name__)) from error
        return str(message["Message-ID"])

    def _from(self, mail: SendMail) -> str:
        return mail.from_email if self.sender == OWNER else self.sender

    def _message(self, mail: SendMail) -> EmailMessage:
        """The mail to send. Raises `CrmError` for an address or name that cannot stand in one."""
        message = EmailMessage()
        try:
            message["From"] = _who(mail.from_name, self._from(mail))
            message["To"] = _who(mail.to_name, mail.to_email)
            if mail.copy_email:
                message["Cc"] = _who(mail.copy_name, mail.copy_email)
            if self.sender != OWNER:
                message["Reply-To"] = _who(mail.from_name, mail.from_email)
            message["Subject"] = for_header(mail.subject)
            message["Date"] = formatdate(usegmt=True)
            message["Auto-Submitted"] = "auto-generated"
            domain = self._from(mail).partition("@")[2]
            message["Message-ID"] = f"<{one_line(mail.key).replace(':', '.')}@{domain}>"
        except (ValueError, LookupError) as error:
            raise CrmError(Fault(FaultCode.REJECTED, "unusable address", one_line(str(error), limit=80))) from error
        message.set_content(scrubbed(mail.text))
        return message


def send_mails(shared: Shared, claimed: Claimed) -> tuple[WriteOutcome, ...]:
    """One outcome per mail of a claim."""
    return tuple(_send(shared, row) for row in claimed.rows)


def _send(shared: Shared, row: OutboxRow) -> WriteOutcome:
    mail = row.action
    if not isinstance(mail, SendMail):
        raise AssertionError("only mails to customers travel in the mail lane")
    if (fault := _held_back(shared, row, mail)) is not None:
        return Refused(fault)
    assert shared.mailer is not None
    try:
        before_call()
    except CrmError as error:
        return Refused(Fault(FaultCode.UNAVAILABLE, error.fault.vendor_code, error.fault.message))
    try:
        sent = shared.mailer.send(mail)
        passing(Failpoint.NOTICE_SENT)
    except CrmError as error:
        return Unknown(error.fault) if error.fault.advice is Advice.VERIFY else Refused(error.fault)
    return Applied(record_id=sent)


def _held_back(shared: Shared, row: OutboxRow, mail: SendMail) -> Fault | None:
    """Why a mail that was claimed does not leave; asked right before it would."""
    now = shared.clock.now()
    if shared.mailer is None:
        return Fault(FaultCode.REJECTED, "NO_MAILER", "config.toml has no [customer_mail] any more")
    if now - row.created_at >= STILL_SENDING:
        before = f": {row.error.message}" if row.error else ""
        return Fault(FaultCode.REJECTED, "TOO_LATE", f"it could not be sent in time{before}")
    known = shared.store.confirmed(row)
    step = mail.step.removeprefix(MAIL)
    if mail.step in known or f"{UNSENT}{step}" in known:
        return Fault(FaultCode.REJECTED, "ONCE_ONLY", "it was tried before, and a mail goes out once or not at all")
    if known.get(mail.note) != mail.marked:
        return Fault(FaultCode.REJECTED, "NOT_MARKED", "the CRM would not have its note marked before it leaves")
    if shared.store.mails_since(now - DAY) > shared.mailer.daily_limit:  # itself included
        return Fault(FaultCode.UNAVAILABLE, "DAILY_LIMIT", f"the limit of {shared.mailer.daily_limit} a day is reached")
    return None


def _who(name: str, address: str) -> Address:
    """A name and an address as a header has them. Raises ValueError for one that is no address."""
    if ADDRESS.fullmatch(address) is None:
        raise ValueError(f"{one_line(address, limit=80)} is no mail address")
    local, _, domain = address.rpartition("@")
    return Address(display_name=for_header(one_line(name, limit=MAX_NAME_CHARS)), username=local, domain=domain)


def _good(reply: tuple[int, bytes]) -> None:
    """Raises `CrmError` for a refusal, with the server's words."""
    if reply[0] not in (GOOD, ALSO_GOOD):
        raise CrmError(_refused(*reply))


def _refused(code: int, said: bytes | str) -> Fault:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    kind = FaultCode.REJECTED if code >= MAY_TRY_AGAIN else FaultCode.UNAVAILABLE
    return Fault(kind, str(code), f"the mail server said: {code} {one_line(words, limit=MAX_WORDS)}")
