"""What config.toml comes to once read: frozen, with every secret wrapped so that printing it shows nothing.

Not here: the file's own keys (``file``), reading it (``load``) and the mappings (``policy``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

SALESFORCE_API_VERSION = "67.0"
"""Summer '26 (facts: Salesforce §4.4)."""
BULK_THRESHOLD = 2000
"""Ten calls of 200 rows, against six or seven of a job of up to 10,000 (facts: Salesforce §3.1)."""
HUBSPOT_API_VERSION = "2026-09"
"""The dated paths on which HubSpot checks required fields (facts: HubSpot §0.3)."""
HUBSPOT_BASE_URL = "https://api.hubapi.com"
SAFETY_POLL = 300.0
"""Seconds between polls of what is listened to as well."""


class Vendor(StrEnum):
    """The CRMs there is an adapter for."""

    SALESFORCE = "salesforce"
    HUBSPOT = "hubspot"


class Mode(StrEnum):
    """``observe`` computes everything and writes nothing to a CRM; ``pilot`` writes to the deals that [pilot] of
    process.toml takes in and observes the rest; ``act`` writes."""

    OBSERVE = "observe"
    PILOT = "pilot"
    ACT = "act"


class ChangeEvents(StrEnum):
    """Whether changes are listened to: where it can be had, as a must (its lack is a problem), or not at all."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class FirstRun(StrEnum):
    """What becomes of deals won before the daemon first ran: only observed, or acted on from a date."""

    OBSERVE_OLD = "observe_old"
    ACT_SINCE = "act_since"


class Frozen(BaseModel):
    """Immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClientCredentials(Frozen):
    """OAuth client credentials of a Salesforce app that runs as its integration user."""

    kind: Literal["client_credentials"] = "client_credentials"
    client_id: str
    client_secret: SecretStr


class JwtBearer(Frozen):
    """A Salesforce app that signs for a user with its private key (PEM)."""

    kind: Literal["jwt_bearer"] = "jwt_bearer"
    client_id: str
    username: str
    private_key: SecretStr


class AccessToken(Frozen):
    """A HubSpot service key, or the token of a private or project app."""

    kind: Literal["access_token"] = "access_token"
    access_token: SecretStr


class RefreshToken(Frozen):
    """What a portal gave when a HubSpot app was installed in it by OAuth; the app is in ``SystemSettings.app``."""

    kind: Literal["refresh_token"] = "refresh_token"
    refresh_token: SecretStr


Credentials = ClientCredentials | JwtBearer | AccessToken | RefreshToken


class AppKeys(Frozen):
    """A HubSpot app: by its secret its webhooks are signed, with both its journal is read. The id may be empty.

    ``previous_secret``: what is signed by it is still taken, while the vendor goes over to a new one.
    """

    client_id: str
    client_secret: SecretStr
    previous_secret: SecretStr | None = None


class LiveSettings(Frozen):
    """How changes are listened to. ``address`` is host:port, ``channel`` a custom channel's name; empty for the
    vendor's own. ``required``: that it cannot be had is a problem. ``safety_poll`` is seconds between polls meanwhile.
    """

    address: str
    channel: str
    required: bool
    safety_poll: float


class SystemSettings(Frozen):
    """One org or portal. ``act_since`` is set when old wins are to be acted on; URLs have no slash at the end.

    ``reserve`` is the share (0 to 1) of the day's calls that is left to people and other programs.
    ``allow_duplicates`` saves although a Salesforce duplicate rule warns. ``live`` None polls alone.
    ``bulk_threshold``: updates from which on Salesforce gets them as a job; 0 never.
    ``map`` is its file among the mappings, empty for the one named after the vendor.
    ``app`` and ``webhook_url`` are HubSpot's: the app, and the public address its webhooks are sent to; empty for none.
    """

    name: str
    vendor: Vendor
    base_url: str
    login_url: str
    api_version: str
    credentials: Credentials
    reserve: float = 0.2
    allow_duplicates: bool = False
    live: LiveSettings | None = None
    bulk_threshold: int = BULK_THRESHOLD
    app: AppKeys | None = None
    webhook_url: str = ""
    act_since: date | None = None
    map: str = ""


class DaemonSettings(Frozen):
    """How the daemon runs. ``state`` is a folder; times are seconds except those that say otherwise."""

    mode: Mode
    state: Path
    poll_seconds: float
    sweep_minutes: float
    reread_minutes: float
    echo_seconds: float
    verify_seconds: float
    max_attempts: int


class OidcSettings(Frozen):
    """The company's sign-in. ``people``: addresses, or domains that begin with @, whose owners are let in."""

    issuer: str
    client_id: str
    client_secret: SecretStr | None
    people: tuple[str, ...]


class WebSettings(Frozen):
    """Where the status page listens and who may act on it, and where webhooks come in. Port 0 takes any free one.

    ``allowed_hosts`` are names of ours beside loopback's and ``public_url``'s. ``proxy_user_header`` (small letters,
    empty for none) tells who asks, if it comes from one of the ``trusted_proxies`` (networks).
    """

    host: str
    port: int
    enabled: bool
    hooks_host: str
    hooks_port: int
    public_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    token: SecretStr | None = None
    trusted_proxies: tuple[str, ...] = ()
    proxy_user_header: str = ""
    oidc: OidcSettings | None = None


class SourceSettings(Frozen):
    """One sender of product events. ``previous_secret``: what is signed by it is still taken."""

    name: str
    signing_secret: SecretStr
    previous_secret: SecretStr | None = None


class QuerySettings(Frozen):
    """One database that is asked for product events. ``url`` holds a password, hence wrapped."""

    name: str
    url: SecretStr
    sql: str
    every_minutes: float
    event: str
    event_column: str
    at_column: str
    cursor_column: str
    user_id_column: str
    group_id_column: str
    id_column: str
    properties: tuple[str, ...]


class EmailSettings(Frozen):
    """The mail server notices go through; ``password`` None means no login."""

    host: str
    port: int
    sender: str
    starttls: bool
    username: str
    password: SecretStr | None = None


class ChatSettings(Frozen):
    """An incoming webhook of Slack or Teams; its URL is a secret."""

    webhook_url: SecretStr


class CustomerMailSettings(Frozen):
    """How mails to customers leave, through the server of the notices: ``sender`` is ``owner``, an address, or empty
    for that of the notices; ``daily_limit`` is the most within 24 hours."""

    sender: str = ""
    daily_limit: int = 50


class NotifySettings(Frozen):
    """Ways to tell people outside the CRM; none of them by default."""

    email: EmailSettings | None = None
    chat: ChatSettings | None = None


class WeeklySettings(Frozen):
    """Who gets the leadership page's figures once a week by mail. ``weekday`` is 0 for Monday, ``hour`` local."""

    to: tuple[str, ...]
    weekday: int
    hour: int


class BrakeSettings(Frozen):
    """When to stop and ask a person. Numbers of deals in ``window_minutes``; 0 switches a limit off.

    ``tell``: addresses of who is told by mail; the chat webhook is told in any case. ``silent_hours`` are working ones.
    """

    window_minutes: float = 60.0
    max_new: int = 200
    max_imported: int = 25
    max_open: int = 200
    max_changed: int = 500
    max_changed_percent: int = 50
    max_writes_per_pass: int = 20_000
    parked_hours: float = 24.0
    silent_hours: float = 8.0
    tell: tuple[str, ...] = ()


class LogSettings(Frozen):
    """How the log is written."""

    format: Literal["json", "console"]
    level: Literal["debug", "info", "warning", "error"]


class TraceSettings(Frozen):
    """Where traces go. ``headers``: ``name=value``, with commas between; of all passes ``share`` (0 to 1) is traced."""

    endpoint: str
    headers: SecretStr | None = None
    share: float = 1.0


class RetentionSettings(Frozen):
    """How many days what is kept; 0 for ever."""

    writes_days: int = 90
    decisions_days: int = 365
    gone_days: int = 365
    trail_days: int = 730
    letters_days: int = 7
    events_days: int = 90
    counts_days: int = 730


class Settings(Frozen):
    """All of config.toml. ``store_url`` may hold a password, hence wrapped."""

    file: Path
    mappings: Path
    store_url: SecretStr
    daemon: DaemonSettings
    systems: tuple[SystemSettings, ...]
    web: WebSettings
    notify: NotifySettings
    logs: LogSettings
    brakes: BrakeSettings = BrakeSettings()
    sources: tuple[SourceSettings, ...] = ()
    queries: tuple[QuerySettings, ...] = ()
    retention: RetentionSettings = RetentionSettings()
    customer_mail: CustomerMailSettings | None = None
    traces: TraceSettings | None = None
    weekly: WeeklySettings | None = None

    def system(self, name: str) -> SystemSettings:
        """The settings of one system. Raises KeyError for a name that is not in the file."""
        found = next((system for system in self.systems if system.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log to blot out."""
        return tuple(dict.fromkeys(part for each in _secrets(self) for part in (each, *_within(each)) if part))


def _secrets(model: BaseModel) -> Iterator[str]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                yield one.get_secret_value()
            elif isinstance(one, BaseModel):
                yield from _secrets(one)


def _within(secret: str) -> Iterator[str]:
    """What of a secret address is told without the rest: a database's password, and the path of a chat's webhook, which
    is all that a failed connection names of it."""
    try:
        parts = urlsplit(secret)
    except ValueError:
        return
    if parts.scheme and parts.password:
        yield from (parts.password, unquote(parts.password))
    if parts.scheme in ("http", "https"):
        yield parts.path
    yield from (value for name, value in parse_qsl(parts.query) if parts.scheme and name == "password")
