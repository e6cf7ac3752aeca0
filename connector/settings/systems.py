"""[[systems]]: what each vendor's keys come to, and which of them belong to another vendor.

Not here: the rest of config.toml (``load``) and talking to a CRM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from connector.settings.desk import Desk
from connector.settings.file import SystemSpec, is_loopback
from connector.settings.model import (
    BULK_THRESHOLD,
    HUBSPOT_API_VERSION,
    HUBSPOT_BASE_URL,
    SAFETY_POLL,
    SALESFORCE_API_VERSION,
    AccessToken,
    AppKeys,
    ChangeEvents,
    ClientCredentials,
    Credentials,
    FirstRun,
    JwtBearer,
    LiveSettings,
    RefreshToken,
    SystemSettings,
    Vendor,
)
from connector.settings.spans import KeyPath


def system(desk: Desk, spec: SystemSpec, at: KeyPath) -> SystemSettings | None:
    """One system's settings; None when there are mistakes in them, which the desk has noted."""
    known = len(desk.problems)
    if spec.first_run is FirstRun.ACT_SINCE and spec.act_since is None:
        desk.complain(
            (*at, "act_since"),
            'is required with first_run = "act_since"; write a date such as 2026-09-01',
            of_key=True,
        )
    if spec.first_run is FirstRun.OBSERVE_OLD and spec.act_since is not None:
        desk.complain((*at, "act_since"), 'needs first_run = "act_since"; set that, or take this out', of_key=True)
    credentials = CREDENTIALS[spec.vendor](desk, spec, at)
    base_url = spec.base_url or (HUBSPOT_BASE_URL if spec.vendor is Vendor.HUBSPOT else None)
    if base_url is None:
        desk.complain(
            (*at, "base_url"),
            'is required; write the org\'s own address, "https://<name>.my.salesforce.com"',
            of_key=True,
        )
    app = _app(desk, spec, at) if spec.vendor is Vendor.HUBSPOT else None
    if len(desk.problems) > known or credentials is None or base_url is None:
        return None
    return SystemSettings(
        name=spec.name,
        vendor=spec.vendor,
        base_url=base_url,
        login_url=spec.login_url or base_url,
        api_version=spec.api_version or API_VERSIONS[spec.vendor],
        credentials=credentials,
        reserve=spec.reserve_percent / 100,
        allow_duplicates=spec.duplicate_rules == "allow",
        live=LIVE[spec.vendor](spec, base_url),
        app=app,
        webhook_url=spec.webhook_url or "",
        bulk_threshold=BULK_THRESHOLD if spec.bulk_threshold is None else spec.bulk_threshold,
        act_since=spec.act_since,
        map=spec.map,
    )


SCREENS = ".lightning.force.com"
COMMON_LOGINS = ("login.salesforce.com", "test.salesforce.com")
"""facts: Salesforce §4.1, §4.4"""


def _judge_address(desk: Desk, spec: SystemSpec, at: KeyPath) -> None:
    """An org's screens and the common login pages are not where its API is."""
    host = urlsplit(spec.base_url or "").hostname or ""
    if host.endswith(SCREENS):
        own = host.removesuffix(SCREENS) + ".my.salesforce.com"
        desk.complain((*at, "base_url"), f'is where the screens are; the API is at "https://{own}"')
    if host in COMMON_LOGINS:
        message = "is the common login page; write the org's own address, "
        message += (
            '"https://<name>.my.salesforce.com", or of a sandbox "https://<name>--<sandbox>.sandbox.my.salesforce.com"'
        )
        desk.complain((*at, "base_url"), message)


def _salesforce(desk: Desk, spec: SystemSpec, at: KeyPath) -> Credentials | None:
    prefix = _prefix(spec)
    _judge_address(desk, spec, at)
    _refuse_keys(desk, spec, at, OF_HUBSPOT, "belongs to HubSpot; take it out")
    client_id = desk.needed("client_id", spec, at, suggested=f"{prefix}_CLIENT_ID")
    if spec.private_key_env or spec.private_key_file:
        _refuse_keys(desk, spec, at, ("client_secret_env", "client_secret_file"), "is not used with a private key")
        key = desk.secret("private_key", spec, at)
        if not spec.username:
            desk.complain((*at, "username"), "is required with a private key; name the integration user", of_key=True)
        if client_id and key and spec.username:
            return JwtBearer(client_id=client_id.get_secret_value(), username=spec.username, private_key=key)
        return None
    client_secret = desk.needed("client_secret", spec, at, suggested=f"{prefix}_CLIENT_SECRET")
    if client_id and client_secret:
        return ClientCredentials(client_id=client_id.get_secret_value(), client_secret=client_secret)
    return None


def _events_of_salesforce(spec: SystemSpec, base_url: str) -> LiveSettings | None:
    """How to listen. An org on this machine has its event bus there too, or none: the vendor's knows nothing of it."""
    nowhere = spec.pubsub_address is None and is_loopback(urlsplit(base_url).hostname or "")
    if nowhere and (spec.change_events or ChangeEvents.AUTO) is ChangeEvents.AUTO:
        return None
    return _live(spec)


def _events_of_hubspot(spec: SystemSpec, base_url: str) -> LiveSettings | None:
    """How to listen: by an app's webhooks or its journal; without an app there is neither."""
    del base_url
    has_app = _given(spec, "client_id") or spec.webhook_url is not None
    return _live(spec) if has_app or spec.change_events is ChangeEvents.ON else None


def _live(spec: SystemSpec) -> LiveSettings | None:
    if spec.change_events is ChangeEvents.OFF:
        return None
    return LiveSettings(
        address=spec.pubsub_address or "",
        channel=spec.change_channel or "",
        required=spec.change_events is ChangeEvents.ON,
        safety_poll=spec.safety_poll_seconds or SAFETY_POLL,
    )


OF_HUBSPOT = (
    "access_token_env",
    "access_token_file",
    "refresh_token_env",
    "refresh_token_file",
    "previous_client_secret_env",
    "previous_client_secret_file",
    "webhook_url",
)
OF_SALESFORCE = (
    "username",
    "private_key_env",
    "private_key_file",
    "login_url",
    "duplicate_rules",
    "pubsub_address",
    "change_channel",
    "bulk_threshold",
)
WEBHOOKS_AT = "/webhooks/hubspot/"
"""Where the daemon takes webhooks, followed by the system's name."""


def _hubspot(desk: Desk, spec: SystemSpec, at: KeyPath) -> Credentials | None:
    _refuse_keys(desk, spec, at, OF_SALESFORCE, "belongs to Salesforce; take it out")
    _judge_webhooks(desk, spec, at)
    if spec.refresh_token_env or spec.refresh_token_file:
        message = "is not used with a refresh token; keep one of the two"
        _refuse_keys(desk, spec, at, ("access_token_env", "access_token_file"), message)
        for name in ("client_id", "client_secret"):
            if not _given(spec, name):
                desk.needed(name, spec, at, suggested=f"{_prefix(spec)}_{name.upper()}")
        refresh = desk.secret("refresh_token", spec, at)
        return RefreshToken(refresh_token=refresh) if refresh else None
    token = desk.needed("access_token", spec, at, suggested=f"{_prefix(spec)}_ACCESS_TOKEN")
    return AccessToken(access_token=token) if token else None


def _app(desk: Desk, spec: SystemSpec, at: KeyPath) -> AppKeys | None:
    """The app, where one is named. Its secret alone is enough to know its webhooks by; an id alone is good for nothing.

    What is missing beside a refresh token is complained of there.
    """
    client_id = desk.secret("client_id", spec, at)
    client_secret = desk.secret("client_secret", spec, at)
    previous = desk.secret("previous_client_secret", spec, at)
    keys = (
        AppKeys(client_id=_plain(client_id), client_secret=client_secret, previous_secret=previous)
        if client_secret
        else None
    )
    if _given(spec, "refresh_token"):
        return keys
    if _given(spec, "client_id") and not _given(spec, "client_secret"):
        desk.needed("client_secret", spec, at, suggested=f"{_prefix(spec)}_CLIENT_SECRET")
    if _given(spec, "client_secret") and not _given(spec, "client_id") and spec.webhook_url is None:
        desk.needed("client_id", spec, at, suggested=f"{_prefix(spec)}_CLIENT_ID")
    return keys


def _plain(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def _judge_webhooks(desk: Desk, spec: SystemSpec, at: KeyPath) -> None:
    """The address that the vendor signs must be one that the daemon answers, and somebody must sign."""
    if spec.webhook_url is None:
        message = "is of use only with webhook_url; take it out"
        _refuse_keys(desk, spec, at, ("previous_client_secret_env", "previous_client_secret_file"), message)
        return
    wanted = WEBHOOKS_AT + spec.name
    if urlsplit(spec.webhook_url).path != wanted:
        desk.complain((*at, "webhook_url"), f"must end in {wanted}: that is where this system's webhooks are taken")
    if spec.change_events is ChangeEvents.OFF:
        desk.complain((*at, "webhook_url"), 'is of no use with change_events = "off"; take one of the two out')
    if not _given(spec, "client_secret") and not _given(spec, "client_id"):
        message = "is required with webhook_url, for webhooks are signed by it; write "
        message += f'client_secret_env = "{_prefix(spec)}_CLIENT_SECRET"'
        desk.complain((*at, "client_secret_env"), message, of_key=True)


def _given(spec: SystemSpec, name: str) -> bool:
    return bool(getattr(spec, f"{name}_env") or getattr(spec, f"{name}_file"))


CREDENTIALS: Mapping[Vendor, Callable[[Desk, SystemSpec, KeyPath], Credentials | None]] = {
    Vendor.SALESFORCE: _salesforce,
    Vendor.HUBSPOT: _hubspot,
}
LIVE: Mapping[Vendor, Callable[[SystemSpec, str], LiveSettings | None]] = {
    Vendor.SALESFORCE: _events_of_salesforce,
    Vendor.HUBSPOT: _events_of_hubspot,
}
API_VERSIONS: Mapping[Vendor, str] = {
    Vendor.SALESFORCE: SALESFORCE_API_VERSION,
    Vendor.HUBSPOT: HUBSPOT_API_VERSION,
}


def _refuse_keys(desk: Desk, spec: SystemSpec, at: KeyPath, keys: tuple[str, ...], message: str) -> None:
    for key in keys:
        if getattr(spec, key) is not None:
            desk.complain((*at, key), message, of_key=True)


def _prefix(spec: SystemSpec) -> str:
    return spec.name.upper().replace("-", "_")
