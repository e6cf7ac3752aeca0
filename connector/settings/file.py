"""The keys of config.toml: their types, bounds and defaults, for the editor and for the first check.

Not here: secrets, which a file never holds (``secrets``), and what the keys come to (``model``).
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from connector.settings.model import ChangeEvents, FirstRun, Mode, Vendor

ENV_NAME = re.compile(r"^[A-Z_][A-Z0-9_]*$")
SYSTEM_NAME = re.compile(r"^[a-z][a-z0-9-]{0,30}$")
HOST_AND_PORT = re.compile(r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$")
CHANNEL = re.compile(r"^[A-Za-z][A-Za-z0-9_]*__chn$")
HOST = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
HEADER = re.compile(r"^[A-Za-z][A-Za-z0-9-]{0,62}$")
PERSON = re.compile(r"^[^@\s]*@[^@\s]+$")
API_VERSION = re.compile(r"^(\d{2,3}\.0|v3|20\d{2}-(0[1-9]|1[0-2]))$")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


MAP_FILE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*\.toml$")
SHARED_FILES = frozenset({"process.toml", "playbook.toml", "quality.toml", "product.toml"})
"""Mapping files that hold for every CRM."""


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'{value!r} is not a web address; write it as "https://host"')
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password; credentials go into environment variables")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"{value!r} would send credentials unencrypted; use https, plain http is for 127.0.0.1 only")
    return value.rstrip("/")


def is_store_url(value: str) -> bool:
    """Whether there is a store for a database address."""
    return re.match(r"(sqlite|postgresql)(\+\w+)?://", value) is not None


STORE_ADVICE = "must begin with sqlite:/// or postgresql://; these are the stores there are"


def _store_url(value: str) -> str:
    if not is_store_url(value):
        raise ValueError(STORE_ADVICE)
    return value


def _env(value: str) -> str:
    if not ENV_NAME.match(value):
        raise ValueError(
            "is not the name of an environment variable; write the variable's name (capitals, digits, "
            "underscores), never the secret itself"
        )
    return value


def _system_name(value: str) -> str:
    if not SYSTEM_NAME.match(value):
        raise ValueError(f"{value!r} is not a system's name; use small letters, digits and dashes, 31 at most")
    return value


def _api_version(value: str) -> str:
    if not API_VERSION.match(value):
        raise ValueError(f'{value!r} is no API version; write "67.0" for Salesforce, "2026-09" for HubSpot')
    return value


def _host_and_port(value: str) -> str:
    if not HOST_AND_PORT.match(value):
        raise ValueError(f'{value!r} is no address of the event bus; write "host:port" without https://')
    return value


def _channel(value: str) -> str:
    if not CHANNEL.match(value):
        raise ValueError(f'{value!r} is no custom channel; write its API name, which ends in "__chn"')
    return value


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f'{value!r} is no network; write it as "10.0.0.0/8", with no bits behind the mask') from error
    if network.prefixlen == 0:
        raise ValueError(f"{value!r} is everybody; name the addresses of the proxies alone")
    return str(network)


def _map_file(value: str) -> str:
    if not MAP_FILE.match(value) or value in SHARED_FILES:
        raise ValueError(f'{value!r} is no file of one CRM in the mappings folder; write "salesforce-emea.toml", say')
    return value


def _collector(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError(
            f'{value!r} is no address of a collector; write "http://otel-collector:4318", without /v1/traces'
        )
    return value


def _host(value: str) -> str:
    if not HOST.match(value):
        raise ValueError(f"{value!r} is no host name; write it without scheme, port and path")
    return value.lower()


def _header(value: str) -> str:
    if not HEADER.match(value):
        raise ValueError(f'{value!r} is no name of a header; write for example "X-Forwarded-Email"')
    return value


def _person(value: str) -> str:
    if not PERSON.match(value):
        raise ValueError(f'{value!r} is neither an address ("ana@seller.example") nor a domain ("@seller.example")')
    return value.lower()


def _float(value: Any) -> Any:
    return float(value) if not isinstance(value, (bool, str)) and hasattr(value, "__float__") else value


Url = Annotated[str, AfterValidator(_url)]
EnvName = Annotated[str, AfterValidator(_env)]
Text = Annotated[str, Field(min_length=1)]
EnumOf = Field(strict=False)
MOST_SECONDS = 86_400
MOST_MINUTES = 1_440
MOST_ROWS = 1_000_000
MOST_HOURS = 10_000


Poll = Annotated[float, BeforeValidator(_float), Field(ge=1, le=MOST_SECONDS)]
Wait = Annotated[float, BeforeValidator(_float), Field(ge=0, le=MOST_SECONDS)]
Minutes = Annotated[float, BeforeValidator(_float), Field(ge=1, le=MOST_MINUTES)]
WeekMinutes = Annotated[float, BeforeValidator(_float), Field(ge=1, le=7 * MOST_MINUTES)]
Hours = Annotated[float, BeforeValidator(_float), Field(ge=0, le=MOST_HOURS)]
Most = Annotated[int, Field(ge=0, le=MOST_ROWS)]


class FileSpec(BaseModel):
    """Strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class DaemonSpec(FileSpec):
    """[daemon]: how it runs."""

    mode: Annotated[Mode, EnumOf] = Mode.OBSERVE
    state: Text = "state"
    store_url: Annotated[str, AfterValidator(_store_url)] | None = None
    store_url_env: EnvName | None = None
    poll_seconds: Poll = 15.0
    sweep_minutes: Minutes = 15.0
    reread_minutes: WeekMinutes = 60.0
    echo_seconds: Wait = 60.0
    verify_seconds: Wait = 120.0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 12


class SystemSpec(FileSpec):
    """[[systems]]: one org or portal, and the names of the variables that hold its credentials."""

    name: Annotated[str, AfterValidator(_system_name)]
    vendor: Annotated[Vendor, EnumOf]
    map: Annotated[str, AfterValidator(_map_file)] = ""
    base_url: Url | None = None
    login_url: Url | None = None
    api_version: Annotated[str, AfterValidator(_api_version)] | None = None
    client_id_env: EnvName | None = None
    client_id_file: Text | None = None
    client_secret_env: EnvName | None = None
    client_secret_file: Text | None = None
    username: Text | None = None
    private_key_env: EnvName | None = None
    private_key_file: Text | None = None
    access_token_env: EnvName | None = None
    access_token_file: Text | None = None
    previous_client_secret_env: EnvName | None = None
    previous_client_secret_file: Text | None = None
    refresh_token_env: EnvName | None = None
    refresh_token_file: Text | None = None
    webhook_url: Url | None = None
    duplicate_rules: Literal["respect", "allow"] | None = None
    reserve_percent: Annotated[int, Field(ge=0, le=90)] = 20
    change_events: Annotated[ChangeEvents, EnumOf] | None = None
    pubsub_address: Annotated[str, AfterValidator(_host_and_port)] | None = None
    change_channel: Annotated[str, AfterValidator(_channel)] | None = None
    safety_poll_seconds: Poll | None = None
    bulk_threshold: Annotated[int, Field(ge=0, le=MOST_ROWS)] | None = None
    first_run: Annotated[FirstRun, EnumOf] = FirstRun.OBSERVE_OLD
    act_since: date | None = None


class OidcSpec(FileSpec):
    """[web.oidc]: sign in with the company's own accounts."""

    issuer: Url
    client_id_env: EnvName | None = None
    client_id_file: Text | None = None
    client_secret_env: EnvName | None = None
    client_secret_file: Text | None = None
    people: Annotated[tuple[Annotated[str, AfterValidator(_person)], ...], Field(min_length=1)]


class WebSpec(FileSpec):
    """[web]: the status page, who may act on it, and the door for webhooks."""

    enabled: bool = True
    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8787
    hooks_host: Text = "127.0.0.1"
    hooks_port: Annotated[int, Field(ge=0, le=65535)] = 8788
    public_url: Url | None = None
    allowed_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    token_file: Text | None = None
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    proxy_user_header: Annotated[str, AfterValidator(_header)] | None = None
    oidc: OidcSpec | None = None


class SourceSpec(FileSpec):
    """[[sources]]: one sender of product events, known by what it signs with."""

    name: Annotated[str, AfterValidator(_system_name)]
    signing_secret_env: EnvName | None = None
    signing_secret_file: Text | None = None
    previous_signing_secret_env: EnvName | None = None
    previous_signing_secret_file: Text | None = None


class QuerySpec(FileSpec):
    """[[queries]]: a database of the company's own that is asked for product events; a row is an event."""

    name: Annotated[str, AfterValidator(_system_name)]
    url_env: EnvName | None = None
    url_file: Text | None = None
    sql: Text
    every_minutes: Minutes = 60.0
    event: str = ""
    event_column: str = ""
    at_column: Text
    cursor_column: Text
    user_id_column: str = ""
    group_id_column: str = ""
    id_column: str = ""
    properties: tuple[Text, ...] = ()


MOST_MAILS = 10_000
"""A brake for mails to a few customers a day; whoever writes to more has another tool for it."""


class EmailSpec(FileSpec):
    """[notify.email]: the mail server."""

    host: Text
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    sender: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
    starttls: bool = True
    username: str = ""
    password_env: EnvName | None = None
    password_file: Text | None = None


class CustomerMailSpec(FileSpec):
    """[customer_mail]: that mails to customers may go out, and in whose name."""

    sender: Annotated[str, Field(pattern=r"^(owner|[^@\s]+@[^@\s]+)$")] | None = None
    daily_limit: Annotated[int, Field(ge=1, le=MOST_MAILS)] = 50


class ChatSpec(FileSpec):
    """[notify.chat]: an incoming webhook."""

    webhook_url_env: EnvName | None = None
    webhook_url_file: Text | None = None


class NotifySpec(FileSpec):
    """[notify]: ways to tell people outside the CRM."""

    email: EmailSpec | None = None
    chat: ChatSpec | None = None


class WeeklySpec(FileSpec):
    """[weekly]: who gets the leadership page's figures once a week by mail, and when, in the company's own time."""

    to: Annotated[tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...], Field(min_length=1)]
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    hour: Annotated[int, Field(ge=0, le=23)] = 7


class BrakesSpec(FileSpec):
    """[brakes]: when to stop and ask a person. 0 switches a limit off."""

    window_minutes: Minutes = 60.0
    max_new: Most = 200
    max_imported: Most = 25
    max_open: Most = 200
    max_changed: Most = 500
    max_changed_percent: Annotated[int, Field(ge=0, le=100)] = 50
    max_writes_per_pass: Most = 20_000
    parked_hours: Hours = 24.0
    silent_hours: Hours = 8.0
    tell: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = ()


MOST_DAYS = 36_500
Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]


class RetentionSpec(FileSpec):
    """[retention]: how many days what is kept; 0 for ever."""

    writes_days: Days = 90
    decisions_days: Days = 365
    gone_days: Days = 365
    trail_days: Days = 730
    letters_days: Days = 7
    events_days: Days = 90
    counts_days: Days = 730


class LogsSpec(FileSpec):
    """[logs]: how the log is written."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class TracesSpec(FileSpec):
    """[traces]: where traces go, by OTLP over HTTP."""

    endpoint: Annotated[str, AfterValidator(_collector)]
    headers_env: EnvName | None = None
    headers_file: Text | None = None
    share: Annotated[float, BeforeValidator(_float), Field(gt=0.0, le=1.0)] = 1.0


class ConfigSpec(FileSpec):
    """config.toml."""

    mappings: Text = "mappings"
    daemon: DaemonSpec = Field(default_factory=DaemonSpec)
    systems: Annotated[tuple[SystemSpec, ...], Field(min_length=1)]
    sources: tuple[SourceSpec, ...] = ()
    queries: tuple[QuerySpec, ...] = ()
    web: WebSpec = Field(default_factory=WebSpec)
    notify: NotifySpec = Field(default_factory=NotifySpec)
    customer_mail: CustomerMailSpec | None = None
    weekly: WeeklySpec | None = None
    brakes: BrakesSpec = Field(default_factory=BrakesSpec)
    retention: RetentionSpec = Field(default_factory=RetentionSpec)
    logs: LogsSpec = Field(default_factory=LogsSpec)
    traces: TracesSpec | None = None
