"""Whose a product event is: the one name an event goes by, and the names an account answers to.

Not here: keeping either (``store.tallies``). Both sides are compared as digests, so that a ledger tells neither who
used a product nor by which address; an event goes by the first way that gives a name at all, never by two.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from connector.handoff.model import Value
from connector.handoff.productbook import By, Identity

SUBJECT_CHARS = 32
"""128 bits of a digest: no two names share one."""

SALESFORCE_LONG, SALESFORCE_SHORT = 18, 15
"""An id's two spellings; the shorter is the beginning of the longer (facts: Salesforce §7)."""

FREE_MAIL = frozenset(
    {
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "ymail.com"),
        *("icloud.com", "me.com", "mac.com", "aol.com", "gmx.de", "gmx.net", "web.de", "t-online.de", "mail.ru"),
        *("yandex.ru", "qq.com", "163.com", "proton.me", "protonmail.com", "zoho.com", "fastmail.com", "orange.fr"),
    }
)
"""Domains that are nobody's company."""

_DOMAIN = re.compile(r"\A(?=.{4,253}\Z)[a-z0-9-]+(\.[a-z0-9-]+)+\Z")


@dataclass(frozen=True, slots=True)
class Named:
    """The name an event goes by: which way it was told, and the name as people would write it."""

    way: Identity
    name: str

    @property
    def subject(self) -> str:
        """The digest by which it is kept."""
        return digest(self.way.kind, self.name)


def event_name(
    ways: Sequence[Identity], *, user_id: str | None, group_id: str | None, properties: Mapping[str, Any]
) -> Named | None:
    """By which name an event goes; None where no way gives one."""
    for way in ways:
        name = _spelled(way.by, _taken(way.take, user_id, group_id, properties))
        if name:
            return Named(way, name)
    return None


def account_names(ways: Sequence[Identity], *, account_id: str, value: Callable[[str], Value]) -> frozenset[str]:
    """All subjects an account answers to; ``value`` gives a mapped field of it or of its deal."""
    found = set()
    for way in ways:
        told = account_id if way.by is By.CRM_ID else _text(value(way.field))
        if name := _spelled(way.by, told):
            found.add(digest(way.kind, name))
    return frozenset(found)


def digest(kind: str, name: str) -> str:
    """A name as it is kept."""
    return hashlib.sha256(f"{kind}\n{name}".encode("utf-8", "surrogatepass")).hexdigest()[:SUBJECT_CHARS]


def domain_of(text: str) -> str:
    """The domain in a mail or web address; empty where there is none, or where it is no company's."""
    host = text.strip().casefold().partition("://")[2] or text.strip().casefold()
    host = re.split(r"[/?#]", host, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    host = host.removeprefix("www.").rstrip(".")
    return host if _DOMAIN.match(host) and host not in FREE_MAIL else ""


def _taken(take: str, user_id: str | None, group_id: str | None, properties: Mapping[str, Any]) -> str:
    match take:
        case "user_id":
            return user_id or ""
        case "group_id":
            return group_id or ""
    told = properties.get(take.removeprefix("properties."))
    return str(told) if isinstance(told, (str, int)) and not isinstance(told, bool) else ""


def _spelled(by: By, text: str) -> str:
    match by:
        case By.DOMAIN:
            return domain_of(text)
        case By.FIELD:
            return " ".join(text.split()).casefold()
        case By.CRM_ID:
            text = text.strip()
            is_long = len(text) == SALESFORCE_LONG and text.isalnum() and not text.isdigit()
            return text[:SALESFORCE_SHORT] if is_long else text


def _text(value: Value) -> str:
    match value:
        case None | bool():
            return ""
        case Decimal():
            return f"{value.normalize():f}"
        case date():
            return value.isoformat()
        case str():
            return value
