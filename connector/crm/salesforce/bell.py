"""Telling a Salesforce user inside Salesforce: a custom notification, or a mail the org sends.

Not here: whom and when (``handoff.rules.notify``), and repeating (``engine``). Neither action can be looked up or
undone, so each is sent only after its row is in the outbox, and a lost answer is known as such (facts: §3.5, §6.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.crm.salesforce.faults import of_row
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import select, where
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.plan import Notify

BELL, MAIL = "actions/standard/customNotificationAction", "actions/standard/emailSimple"
TITLE_CHARS, BODY_CHARS = 250, 750
"""Most of a notification's title and body; the vendor's own pages were not seen (unconfirmed), so both are cut."""

MAIL_NAMES_CHANGED = 65.0
"""From this API version on the recipients of a mail have another name (facts: Salesforce §6.4)."""

CUT = "…"


class Bell:
    """Tells people of one org."""

    def __init__(self, session: SalesforceSession, *, notification: str) -> None:
        self._session = session
        self._notification = notification
        self._type_id = ""

    def tell(self, notice: Notify) -> None:
        """Send one notice by its way. Raises `CrmError`; OUTCOME_UNKNOWN when the answer was lost."""
        path, inputs = (MAIL, self._mail(notice)) if notice.way == "mail" else (BELL, self._bell(notice))
        answer = self._session.write(f"action.{notice.way}", path, method="POST", body={"inputs": [inputs]})
        told = answer[0] if isinstance(answer, list) and answer else answer
        if not isinstance(told, Mapping) or "isSuccess" not in told:
            words = "an action was called and its answer is not a result"
            raise CrmError(Fault(FaultCode.OUTCOME_UNKNOWN, "UNREADABLE_ANSWER", words))
        if not told["isSuccess"]:
            raise CrmError(of_row(told.get("errors") or (), key_field=None))

    def _bell(self, notice: Notify) -> dict[str, Any]:
        return {
            "customNotifTypeId": self._type(),
            "recipientIds": [notice.to_id],
            "title": _cut(notice.subject, TITLE_CHARS),
            "body": _cut(notice.text, BODY_CHARS),
            "targetId": notice.deal_id,
        }

    def _mail(self, notice: Notify) -> dict[str, Any]:
        to = "recipientAddresses" if float(self._session.api_version) >= MAIL_NAMES_CHANGED else "emailAddresses"
        return {
            to: notice.to_email,
            "emailSubject": notice.subject,
            "emailBody": notice.text,
            "senderType": "CurrentUser",
        }

    def _type(self) -> str:
        if not self._notification:
            # Recorded while the mapping named one.
            words = "the mapping names no kind of notification any more. What to do: name it under [tell], bell; "
            raise CrmError(Fault(FaultCode.NOT_PERMITTED, "NO_NOTIFICATION_TYPE", words + "then: handoff retry"))
        if not self._type_id:
            named = where("DeveloperName", "=", self._notification)
            soql = select(["Id"], of="CustomNotificationType", where=named, limit=1)
            found = self._session.query_page(soql)["records"]
            if not found:
                words = f"there is no custom notification type {self._notification}. What to do: create it in Setup, "
                words += "or run: handoff provision; then: handoff retry"
                raise CrmError(Fault(FaultCode.NOT_PERMITTED, "NO_NOTIFICATION_TYPE", words))
            self._type_id = str(found[0]["Id"])
        return self._type_id


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + CUT
