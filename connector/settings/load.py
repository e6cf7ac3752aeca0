"""config.toml and the environment as `Settings`, or every mistake in them at once.

Not here: the mapping files; ``policy.load.load_all`` reads both and reports both together.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from connector.errors import Problem, UserError
from connector.settings.file import (
    STORE_ADVICE,
    ConfigSpec,
    DaemonSpec,
    NotifySpec,
    SystemSpec,
    is_loopback,
    is_store_url,
)
from connector.settings.mistakes import validated
from connector.settings.model import (
    BULK_THRESHOLD,
    HUBSPOT_API_VERSION,
    HUBSPOT_BASE_URL,
    SAFETY_POLL,
    SALESFORCE_API_VERSION,
    AccessToken,
    ChangeEvents,
    ChatSettings,
    ClientCredentials,
    Credentials,
    DaemonSettings,
    EmailSettings,
    FirstRun,
    JwtBearer,
    LiveSettings,
    LogSettings,
    NotifySettings,
    Settings,
    SystemSettings,
    Vendor,
    WebSettings,
)
from connector.settings.secrets import secret, secrets_in
from connector.settings.spans import KeyPath, Source, read

DATABASE = "handoff.db"


class Read(NamedTuple):
    """What could be read. ``settings`` is None when there are problems; the mappings can be checked all the same."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    mappings: Path | None
    vendors: Mapping[str, str]


def load_settings(path: Path, *, env: Mapping[str, str] | None = None) -> Settings:
    """Load config.toml; secrets come from ``env`` (the process's own by default). Raises UserError, all at once."""
    found = read_settings(path, env=env)
    if found.settings is None:
        raise UserError(found.problems)
    return found.settings


def read_settings(path: Path, *, env: Mapping[str, str] | None = None) -> Read:
    """The same without raising, for whoever wants to report other files' problems as well."""
    problems: list[Problem] = []
    try:
        source = read(path)
    except UserError as error:
        return Read(None, error.problems, None, {})
    hidden = list(secrets_in(source))
    problems.extend(problem for _, problem in hidden)
    spec = validated(ConfigSpec, _without(source, [at for at, _ in hidden]), problems)
    folder = path.parent / str(source.data.get("mappings", "mappings"))
    vendors = _vendors(source.data)
    if spec is None:
        return Read(None, tuple(problems), folder, vendors)
    desk = _Desk(
        source=source,
        env=os.environ if env is None else env,
        problems=problems,
        base=path.parent,
        hidden=frozenset(at for at, _ in hidden),
    )
    settings = desk.settings(spec, file=path, mappings=folder)
    return Read(None if problems else settings, tuple(problems), folder, vendors)


@dataclasses.dataclass(frozen=True, slots=True)
class _Desk:
    """The file, the environment and the problems so far, while settings are put together."""

    source: Source
    env: Mapping[str, str]
    problems: list[Problem]
    base: Path
    hidden: frozenset[KeyPath]

    def settings(self, spec: ConfigSpec, *, file: Path, mappings: Path) -> Settings | None:
        daemon = self._daemon(spec.daemon)
        store = self._store(spec.daemon)
        systems = [self._system(one, ("systems", index)) for index, one in enumerate(spec.systems)]
        self._refuse_twins(spec)
        notify = self._notify(spec.notify)
        if self.problems or store is None:
            return None
        return Settings(
            file=file,
            mappings=mappings,
            store_url=store,
            daemon=daemon,
            systems=tuple(system for system in systems if system),
            web=WebSettings(**spec.web.model_dump()),
            notify=notify,
            logs=LogSettings(**spec.logs.model_dump()),
        )

    def complain(self, path: KeyPath, message: str, *, of_key: bool = False) -> None:
        self.problems.append(self.source.problem(path, message, of_key=of_key))

    def secret(self, name: str, spec: Any, at: KeyPath) -> SecretStr | None:
        return secret(name, spec=spec, at=at, source=self.source, env=self.env, base=self.base, problems=self.problems)

    def needed(self, name: str, spec: Any, at: KeyPath, *, suggested: str) -> SecretStr | None:
        if getattr(spec, f"{name}_env") or getattr(spec, f"{name}_file"):
            return self.secret(name, spec, at)
        if self.hidden & {(*at, name), (*at, f"{name}_env"), (*at, f"{name}_file")}:
            return None
        self.complain(
            (*at, f"{name}_env"),
            f'is required; write {name}_env = "{suggested}" and put the value into that variable',
            of_key=True,
        )
        return None

    def _daemon(self, spec: DaemonSpec) -> DaemonSettings:
        plain = spec.model_dump(exclude={"store_url", "store_url_env"})
        return DaemonSettings(**{**plain, "state": self.base / spec.state})

    def _store(self, spec: DaemonSpec) -> SecretStr | None:
        at: KeyPath = ("daemon",)
        if spec.store_url and spec.store_url_env:
            self.complain((*at, "store_url_env"), "store_url is given too; keep one of the two")
            return None
        url = self.secret("store_url", spec, at) if spec.store_url_env else None
        if url is None and spec.store_url:
            url = SecretStr(spec.store_url)
        if url is None and not spec.store_url_env and (*at, "store_url") not in self.hidden:
            url = SecretStr(f"sqlite:///{(self.base / spec.state / DATABASE).absolute()}")
        if url and not is_store_url(url.get_secret_value()):
            self.complain((*at, "store_url_env"), f"the variable's value {STORE_ADVICE}")
        return url

    def _system(self, spec: SystemSpec, at: KeyPath) -> SystemSettings | None:
        known = len(self.problems)
        if spec.first_run is FirstRun.ACT_SINCE and spec.act_since is None:
            self.complain(
                (*at, "act_since"),
                'is required with first_run = "act_since"; write a date such as 2026-09-01',
                of_key=True,
            )
        if spec.first_run is FirstRun.OBSERVE_OLD and spec.act_since is not None:
            self.complain((*at, "act_since"), 'needs first_run = "act_since"; set that, or take this out', of_key=True)
        credentials = CREDENTIALS[spec.vendor](self, spec, at)
        base_url = spec.base_url or (HUBSPOT_BASE_URL if spec.vendor is Vendor.HUBSPOT else None)
        if base_url is None:
            self.complain(
                (*at, "base_url"),
                'is required; write the org\'s own address, "https://<name>.my.salesforce.com"',
                of_key=True,
            )
        if len(self.problems) > known or credentials is None or base_url is None:
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
            live=_live(spec, base_url) if spec.vendor is Vendor.SALESFORCE else None,
            bulk_threshold=BULK_THRESHOLD if spec.bulk_threshold is None else spec.bulk_threshold,
            act_since=spec.act_since,
        )

    def _refuse_twins(self, spec: ConfigSpec) -> None:
        names = [system.name for system in spec.systems]
        for index, name in enumerate(names):
            if name in names[:index]:
                self.complain(("systems", index, "name"), f"there are two systems {name!r}; rename one")

    def _notify(self, spec: NotifySpec) -> NotifySettings:
        return NotifySettings(email=self._email(spec), chat=self._chat(spec))

    def _email(self, spec: NotifySpec) -> EmailSettings | None:
        if spec.email is None:
            return None
        at: KeyPath = ("notify", "email")
        password = self.secret("password", spec.email, at)
        if spec.email.username and not (spec.email.password_env or spec.email.password_file):
            self.needed("password", spec.email, at, suggested="SMTP_PASSWORD")
        return EmailSettings(**spec.email.model_dump(exclude={"password_env", "password_file"}), password=password)

    def _chat(self, spec: NotifySpec) -> ChatSettings | None:
        if spec.chat is None:
            return None
        url = self.needed("webhook_url", spec.chat, ("notify", "chat"), suggested="CHAT_WEBHOOK_URL")
        return ChatSettings(webhook_url=url) if url else None


SCREENS = ".lightning.force.com"
COMMON_LOGINS = ("login.salesforce.com", "test.salesforce.com")
"""facts: Salesforce §4.1, §4.4"""


def _judge_address(desk: _Desk, spec: SystemSpec, at: KeyPath) -> None:
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


def _salesforce(desk: _Desk, spec: SystemSpec, at: KeyPath) -> Credentials | None:
    prefix = _prefix(spec)
    _judge_address(desk, spec, at)
    _refuse_keys(desk, spec, at, ("access_token_env", "access_token_file"), "belongs to HubSpot; take it out")
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


def _live(spec: SystemSpec, base_url: str) -> LiveSettings | None:
    """How to listen. An org on this machine has its event bus there too, or none: the vendor's knows nothing of it."""
    wanted = spec.change_events or ChangeEvents.AUTO
    nowhere = spec.pubsub_address is None and is_loopback(urlsplit(base_url).hostname or "")
    if wanted is ChangeEvents.OFF or (nowhere and wanted is ChangeEvents.AUTO):
        return None
    return LiveSettings(
        address=spec.pubsub_address or "",
        channel=spec.change_channel or "",
        required=wanted is ChangeEvents.ON,
        safety_poll=spec.safety_poll_seconds or SAFETY_POLL,
    )


def _hubspot(desk: _Desk, spec: SystemSpec, at: KeyPath) -> Credentials | None:
    foreign: tuple[str, ...] = (
        "client_id_env",
        "client_id_file",
        "client_secret_env",
        "client_secret_file",
        "username",
    )
    foreign += ("private_key_env", "private_key_file", "login_url", "duplicate_rules")
    foreign += ("change_events", "pubsub_address", "change_channel", "safety_poll_seconds")
    foreign += ("bulk_threshold",)
    _refuse_keys(desk, spec, at, foreign, "belongs to Salesforce; take it out")
    token = desk.needed("access_token", spec, at, suggested=f"{_prefix(spec)}_ACCESS_TOKEN")
    return AccessToken(access_token=token) if token else None


CREDENTIALS: Mapping[Vendor, Callable[[_Desk, SystemSpec, KeyPath], Credentials | None]] = {
    Vendor.SALESFORCE: _salesforce,
    Vendor.HUBSPOT: _hubspot,
}
API_VERSIONS: Mapping[Vendor, str] = {
    Vendor.SALESFORCE: SALESFORCE_API_VERSION,
    Vendor.HUBSPOT: HUBSPOT_API_VERSION,
}


def _refuse_keys(desk: _Desk, spec: SystemSpec, at: KeyPath, keys: tuple[str, ...], message: str) -> None:
    for key in keys:
        if getattr(spec, key) is not None:
            desk.complain((*at, key), message, of_key=True)


def _prefix(spec: SystemSpec) -> str:
    return spec.name.upper().replace("-", "_")


def _without(source: Source, paths: list[KeyPath]) -> Source:
    """The file without what must not stand in it, so that it is not complained of twice."""
    return dataclasses.replace(source, data=_pruned(source.data, (), frozenset(paths))) if paths else source


def _pruned(node: Any, path: KeyPath, gone: frozenset[KeyPath]) -> Any:
    if isinstance(node, Mapping):
        return {key: _pruned(value, (*path, key), gone) for key, value in node.items() if (*path, key) not in gone}
    if isinstance(node, list):
        return [_pruned(value, (*path, index), gone) for index, value in enumerate(node)]
    return node


def _vendors(data: Mapping[str, Any]) -> dict[str, str]:
    """Which vendors' mapping files matter, even when the rest of the file is wrong."""
    systems = data.get("systems")
    items = systems if isinstance(systems, list) else []
    known = {vendor.value for vendor in Vendor}
    return {
        str(item.get("name", index)): str(item["vendor"])
        for index, item in enumerate(items)
        if isinstance(item, Mapping) and item.get("vendor") in known
    }
