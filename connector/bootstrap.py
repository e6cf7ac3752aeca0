"""Putting the parts together: the only file that knows all of them.

Not here: what any part does. Which vendor is behind a system is decided here, once, by one table.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from connector import logs
from connector.clock import Clock, SystemClock
from connector.crm.budget import Meter, Unmetered
from connector.crm.port import (
    CRM,
)
from connector.engine.daemon import Stop
from connector.engine.notifier import Channel, ChatWebhook, Email, send_through
from connector.engine.parts import Shared, System, Timing, process_name
from connector.errors import CrmError, Problem, UserError
from connector.handoff.model import SystemName
from connector.handoff.rulebook import Policy
from connector.policy.crmmap import CrmMap
from connector.policy.load import Loaded, load_all
from connector.settings import (
    SAFETY_POLL,
    AccessToken,
    ClientCredentials,
    JwtBearer,
    Mode,
    RefreshToken,
    Settings,
    SystemSettings,
    Vendor,
)
from connector.store import Mode as StoreMode
from connector.store import Store, in_use, open_store
from connector.store.upgrade import head as newest_schema
from connector.telemetry import Telemetry
from connector.web.status import Status, Watched, read_status

if TYPE_CHECKING:
    from connector.crm.hubspot.login import App
    from connector.crm.salesforce.login import SalesforceLogin
    from connector.crm.salesforce.provision.metadata import MetadataLine
    from connector.crm.salesforce.provision.options import Channel as ChannelChoice

StoreUse = Literal["daemon", "tool", "read"]
LIMBO = "sqlite://"
"""A ledger in memory: what a command that only reads is given when there is none on disk yet."""

OnCall = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A daemon's parts, ready to run."""

    settings: Settings
    loaded: Loaded
    shared: Shared
    systems: tuple[System, ...]
    watched: tuple[Watched, ...]

    def chosen(self, name: str) -> tuple[System, ...]:
        """All systems, or the one named. Raises `UserError` for a name that is not configured."""
        return pick(self.systems, name)


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """The ledger alone, for commands that need no CRM."""

    store: Store
    clock: Clock
    watched: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class OpenedOrg:
    """One Salesforce org to install into. ``login_problem``: why the daemon's own login does not work, if so.

    ``line`` is the admin's, ``own`` the daemon's where it works and is another one.
    ``channel`` is where the daemon is told to listen for changes.
    """

    name: SystemName
    crm_map: CrmMap
    policy: Policy
    line: MetadataLine
    own: MetadataLine | None
    integration_user: str
    login_problem: str
    channel: ChannelChoice


def open_runtime(config: Path, *, mode: StoreUse, console_logs: bool = False) -> Runtime:
    """Read all files and put the parts together; no CRM is called yet. Raises `UserError` with every mistake."""
    settings, loaded = load_all(config)
    set_up_logs(settings, console=console_logs or mode != "daemon")
    telemetry = Telemetry()
    store = _store(settings, clock=SystemClock(), mode=mode)
    shared = Shared(
        store=store,
        # What the engine dates, the store compares with its own time: both go by one clock, or a machine whose clock
        # is wrong would look late and send again at once.
        clock=store.clock,
        telemetry=telemetry,
        timing=_timing(settings),
        owner=process_name(),
        send_notice=send_through(_channels(settings)),
        stopping=threading.Event(),
    )
    systems = tuple(_system(each, settings, loaded, telemetry=telemetry) for each in settings.systems)
    return Runtime(settings, loaded, shared, systems, _watched(settings))


def open_store_only(config: Path, *, mode: StoreUse) -> OpenedStore:
    """The store a config names. Raises `UserError`."""
    settings, _ = load_all(config)
    set_up_logs(settings, console=True)
    clock = SystemClock()
    return OpenedStore(_store(settings, clock=clock, mode=mode), clock, _watched(settings))


def daemon_has_store(config: Path) -> bool:
    """Whether a daemon keeps everybody else from the store a config names (SQLite only; PostgreSQL is shared)."""
    settings, _ = load_all(config)
    return in_use(settings.store_url.get_secret_value())


def migrate_store(config: Path) -> str:
    """Bring the store's schema up to date and return the version it now has. Raises `UserError`."""
    settings, _ = load_all(config)
    open_store(settings.store_url.get_secret_value(), clock=SystemClock(), mode=StoreMode.TOOL).close()
    return newest_schema()


def build_crm(settings: SystemSettings, crm_map: CrmMap, *, on_call: OnCall, meter: Meter | None = None) -> CRM:
    """The adapter of one system. A new CRM is one line in the table below."""
    return ADAPTERS[settings.vendor](settings, crm_map, on_call, meter or Unmetered())


def open_org(config: Path, name: str, *, token: str = "") -> OpenedOrg:
    """The org to install into. ``name`` is a system's, or ``salesforce`` when there is one alone.

    ``token``: an admin's access token to work with; without one the daemon's own login does it. Raises `UserError` for
    a system that is no Salesforce, and `CrmError` for a token that is refused or belongs to another org.
    """
    from connector.crm.retry import ReadRetry
    from connector.crm.salesforce.provision.metadata import MetadataLine
    from connector.crm.salesforce.session import SalesforceSession

    settings, loaded = load_all(config)
    set_up_logs(settings, console=True)
    system = _org_named(settings, name)
    own = _salesforce_login(system)
    clock = SystemClock()

    def session(login: SalesforceLogin) -> SalesforceSession:
        return SalesforceSession(login, on_call=lambda _: None, clock=clock, retry=ReadRetry(clock=clock))

    daemons = session(own)
    try:
        identity, words = daemons.identity, ""
    except CrmError as error:
        if not token:
            raise
        identity, words = None, f"{error.fault.message} ({error.fault.vendor_code})"
    works = daemons
    if token:
        works = session(dataclasses.replace(own, access_token=token, org_id=identity.org_id if identity else ""))
    system_name = SystemName(system.name)
    return OpenedOrg(
        name=system_name,
        crm_map=loaded.maps[system_name],
        policy=loaded.policies[system_name],
        line=MetadataLine(works, now=clock.now),
        own=MetadataLine(daemons, now=clock.now) if token and identity else None,
        integration_user=identity.user_id if identity else "",
        login_problem=words,
        channel=_channel_of(system),
    )


def start_web(runtime: Runtime) -> Stop | None:
    """Serve the status page in a thread; returns what stops it. Raises `UserError` when the port is taken."""
    if not runtime.settings.web.enabled:
        return None
    # Imported here: a daemon without its page, and every other command, does without a web server's modules.
    from connector.web.app import Pages, create_app
    from connector.web.server import serve_in_thread

    pages = Pages(read_status=lambda: _status(runtime), registry=runtime.shared.telemetry.registry)
    return serve_in_thread(create_app(pages), host=runtime.settings.web.host, port=runtime.settings.web.port)


def set_up_logs(settings: Settings, *, console: bool) -> None:
    """Logs as config wants them; a command at a terminal shows only what a person must see."""
    logs.set_up(
        format="console" if console else settings.logs.format,
        level="warning" if console and settings.logs.level == "info" else settings.logs.level,
        secrets=settings.secrets(),
    )


def pick(systems: Sequence[System], name: str) -> tuple[System, ...]:
    """All of them, or the one with this name. Raises `UserError`."""
    chosen = tuple(each for each in systems if not name or each.name == name)
    if not chosen:
        known = ", ".join(each.name for each in systems)
        raise UserError([Problem("", "--system", f"no system is called {name!r}; config.toml has {known}")])
    return chosen


def _channel_of(system: SystemSettings) -> ChannelChoice:
    """Where the daemon listens; a channel that the admin made is the admin's to fill."""
    from connector.crm.salesforce.provision.channel import CUSTOM_CHANNEL
    from connector.crm.salesforce.provision.options import Channel as ChannelChoice

    named = system.live.channel if system.live else ""
    if not named:
        return ChannelChoice.STANDARD
    return ChannelChoice.CUSTOM if named == CUSTOM_CHANNEL else ChannelChoice.OFF


def _org_named(settings: Settings, name: str) -> SystemSettings:
    found = [each for each in settings.systems if each.name == name]
    found = found or [each for each in settings.systems if each.vendor.value == name]
    if len(found) != 1:
        known = ", ".join(each.name for each in settings.systems)
        which = "several systems are" if found else "no system is"
        raise UserError([Problem("", "SYSTEM", f"{which} called {name!r}; config.toml has {known}")])
    if found[0].vendor is not Vendor.SALESFORCE:
        message = (
            f"{found[0].name} is a {found[0].vendor.value} portal, and so far only Salesforce can be provisioned. "
            "What to click in HubSpot stands in the admin guide, section 3 (Create the fields); then: handoff check"
        )
        raise UserError([Problem("", "SYSTEM", message)])
    return found[0]


def _salesforce(settings: SystemSettings, crm_map: CrmMap, on_call: OnCall, meter: Meter) -> CRM:
    del meter  # this vendor has no rate besides the day's, which its answers tell
    from connector.crm.salesforce.adapter import connect_salesforce
    from connector.crm.salesforce.pubsub.topics import ADDRESS, LiveOptions

    live = settings.live
    return connect_salesforce(
        system=SystemName(settings.name),
        map=crm_map,
        login=_salesforce_login(settings),
        on_call=on_call,
        allow_duplicates=settings.allow_duplicates,
        live=LiveOptions(live.address or ADDRESS, live.channel, required=live.required) if live else None,
        bulk_threshold=settings.bulk_threshold,
    )


def _salesforce_login(settings: SystemSettings) -> SalesforceLogin:
    from connector.crm.salesforce.login import SalesforceLogin

    match settings.credentials:
        case ClientCredentials(client_id=client_id, client_secret=secret):
            return SalesforceLogin(
                base_url=settings.base_url,
                client_id=client_id,
                client_secret=secret.get_secret_value(),
                api_version=settings.api_version,
            )
        case JwtBearer(client_id=client_id, username=username, private_key=key):
            return SalesforceLogin(
                base_url=settings.base_url,
                client_id=client_id,
                username=username,
                private_key=key.get_secret_value(),
                audience=settings.login_url,
                api_version=settings.api_version,
            )
        case AccessToken() | RefreshToken():
            raise _wrong_credentials(settings)


def _hubspot(settings: SystemSettings, crm_map: CrmMap, on_call: OnCall, meter: Meter) -> CRM:
    from connector.crm.hubspot.adapter import HubSpotCRM

    token, app = _hubspot_login(settings)
    return HubSpotCRM(
        system=SystemName(settings.name),
        map=crm_map,
        token=token,
        app=app,
        base_url=settings.base_url,
        api_version=settings.api_version,
        on_call=on_call,
        meter=meter,
    )


def _hubspot_login(settings: SystemSettings) -> tuple[str, App | None]:
    from connector.crm.hubspot.login import App

    named = settings.app
    app = App(named.client_id, named.client_secret.get_secret_value()) if named else None
    match settings.credentials:
        case AccessToken(access_token=token):
            return token.get_secret_value(), app
        case RefreshToken(refresh_token=refresh) if app is not None:
            return "", dataclasses.replace(app, refresh_token=refresh.get_secret_value())
        case _:
            raise _wrong_credentials(settings)


ADAPTERS: Mapping[Vendor, Callable[[SystemSettings, CrmMap, OnCall, Meter], CRM]] = {
    Vendor.SALESFORCE: _salesforce,
    Vendor.HUBSPOT: _hubspot,
}


def _wrong_credentials(settings: SystemSettings) -> UserError:
    message = f"these credentials are of a kind that {settings.vendor.value} does not take; see config.example.toml"
    return UserError([Problem("config", f"systems.{settings.name}", message)])


def _system(settings: SystemSettings, everything: Settings, loaded: Loaded, *, telemetry: Telemetry) -> System:
    name = SystemName(settings.name)

    def count(kind: str) -> None:
        telemetry.api_calls.labels(system=name, kind=kind).inc()

    return System(
        name=name,
        crm=build_crm(settings, loaded.maps[name], on_call=count, meter=telemetry.budgets(name)),
        policy=loaded.policies[name],
        act=everything.daemon.mode is Mode.ACT,
        safety_poll=settings.live.safety_poll if settings.live else SAFETY_POLL,
        reserve=settings.reserve,
        first_run_since=datetime.combine(settings.act_since, time.min, tzinfo=UTC) if settings.act_since else None,
    )


def _store(settings: Settings, *, clock: Clock, mode: StoreUse) -> Store:
    url = settings.store_url.get_secret_value()
    if mode == "read" and url.startswith("sqlite") and not _file_of(url).exists():
        return open_store(LIMBO, clock=clock, mode=StoreMode.DAEMON)
    return open_store(url, clock=clock, mode=mode)


def _file_of(url: str) -> Path:
    return Path(url.partition(":///")[2])


def _timing(settings: Settings) -> Timing:
    daemon = settings.daemon
    return Timing(
        echo_delay=daemon.echo_seconds,
        verify_delay=daemon.verify_seconds,
        sweep_every=daemon.sweep_minutes * 60,
        max_attempts=daemon.max_attempts,
    )


def _channels(settings: Settings) -> list[Channel]:
    channels: list[Channel] = []
    if settings.notify.email is not None:
        mail = settings.notify.email
        channels.append(
            Email(
                host=mail.host,
                port=mail.port,
                sender=mail.sender,
                user=mail.username,
                password=mail.password.get_secret_value() if mail.password else "",
                starttls=mail.starttls,
            )
        )
    if settings.notify.chat is not None:
        channels.append(ChatWebhook(settings.notify.chat.webhook_url.get_secret_value()))
    return channels


def _watched(settings: Settings) -> tuple[Watched, ...]:
    return tuple(
        Watched(
            name=SystemName(each.name),
            vendor=each.vendor.value,
            mode=settings.daemon.mode.value,
            poll_seconds=settings.daemon.poll_seconds,
        )
        for each in settings.systems
    )


def _status(runtime: Runtime) -> Status:
    """The status, with the same figures put into the metrics."""
    shared = runtime.shared
    status = read_status(shared.store, runtime.watched, now=shared.clock.now())
    for each in status.systems:
        shared.telemetry.show_work(
            each.name,
            backlog=each.looks_due,
            outbox={state.value: rows for state, rows in shared.store.counts(each.name).items()},
            lag_seconds=each.lag_seconds,
            is_paused=shared.store.paused(each.name) is not None,
        )
    return status
