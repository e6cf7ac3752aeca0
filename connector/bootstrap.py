"""Putting the parts together: the only file that knows all of them.

Not here: what any part does. Which vendor is behind a system is decided here, once, by one table.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from connector import logs
from connector.clock import Clock, SystemClock
from connector.crm.budget import Meter, Unmetered
from connector.crm.hooks import Door
from connector.crm.installer import Installer
from connector.crm.live import Letterbox
from connector.crm.port import (
    CRM,
)
from connector.engine.daemon import Stop
from connector.engine.notifier import Channel, ChatWebhook, Email, send_through
from connector.engine.parts import Shared, System, Timing, process_name
from connector.errors import CrmError, Problem, UserError
from connector.handoff.model import SystemName
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
    systems = tuple(_system(each, settings, loaded, telemetry=telemetry, store=store) for each in settings.systems)
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


@dataclass(frozen=True, slots=True)
class Wires:
    """What an adapter is handed of the rest: who hears of its calls and budgets, and where its letters lie."""

    on_call: OnCall
    letterbox: Letterbox
    meter: Meter = dataclasses.field(default_factory=Unmetered)


def build_crm(settings: SystemSettings, crm_map: CrmMap, *, wires: Wires) -> CRM:
    """The adapter of one system. A new CRM is one line in the table below."""
    return ADAPTERS[settings.vendor](settings, crm_map, wires)


def open_installer(config: Path, name: str, *, token: str = "") -> Installer:
    """The CRM to install into. ``name`` is a system's, or its vendor's when there is one alone.

    ``token``: an admin's access token to work with; without one the daemon's own login does it. Raises `UserError` for
    a name that is not configured, and `CrmError` for a token that is refused or belongs to another org or portal.
    """
    settings, loaded = load_all(config)
    set_up_logs(settings, console=True)
    system = _system_named(settings, name)
    return INSTALLERS[system.vendor](system, loaded, token)


@dataclass(frozen=True, slots=True)
class WebhookComponent:
    """What an app must deliver: the ``file`` its admin uploads with its ``content``, and what the app needs besides."""

    file: str
    content: Mapping[str, Any]
    subscriptions: int
    scopes: tuple[str, ...]
    url: str


def webhook_component(config: Path, name: str) -> WebhookComponent:
    """What the app of a system must deliver. No CRM is called. Raises `UserError` where no webhooks are taken."""
    from connector.crm.hubspot import scopes
    from connector.crm.hubspot.fields import Fields
    from connector.crm.hubspot.live import hsmeta
    from connector.crm.hubspot.live.meaning import Meaning

    settings, loaded = load_all(config)
    system = _system_named(settings, name)
    if not system.webhook_url:
        message = "no webhook_url is given: the address at which HubSpot reaches the daemon, from outside"
        if system.vendor is not Vendor.HUBSPOT:
            message = f"is a {system.vendor.value} system; only HubSpot delivers webhooks, the others push changes"
        raise UserError([Problem("config", f"systems.{system.name}", message)])
    crm_map = loaded.maps[SystemName(system.name)]
    fields = Fields(crm_map)
    content = hsmeta.component(Meaning(fields, crm_map, SystemName(system.name)), fields, url=system.webhook_url)
    return WebhookComponent(
        file=hsmeta.FILE,
        content=content,
        subscriptions=hsmeta.subscriptions_in(content),
        scopes=tuple(scope.name for scope in scopes.NEEDED),
        url=system.webhook_url,
    )


def start_web(runtime: Runtime) -> Stop | None:
    """Serve the status page and, where a system takes webhooks, their door; returns what stops both.

    Raises `UserError` when a port is taken.
    """
    with ExitStack() as undo:
        for start in (_start_page, _start_hooks):
            stop = start(runtime)
            if stop is not None:
                undo.callback(stop)
        return undo.pop_all().close


def _start_page(runtime: Runtime) -> Stop | None:
    if not runtime.settings.web.enabled:
        return None
    # Imported here: a daemon without its page, and every other command, does without a web server's modules.
    from connector.web.app import Pages, create_app
    from connector.web.server import serve_in_thread

    pages = Pages(read_status=lambda: _status(runtime), registry=runtime.shared.telemetry.registry)
    return serve_in_thread(create_app(pages), host=runtime.settings.web.host, port=runtime.settings.web.port)


def _start_hooks(runtime: Runtime) -> Stop | None:
    """The door for webhooks has an address of its own: a proxy opens it to the world, and with it nothing else."""
    taking = [each for each in runtime.settings.systems if each.webhook_url and each.live]
    if not taking:
        return None
    from connector.web.hooks import Entrance, open_hooks

    store, web = runtime.shared.store, runtime.settings.web
    doors = [(each, DOORS[each.vendor](each, runtime)) for each in taking]
    return open_hooks(
        [
            Entrance(each.name, urlsplit(each.webhook_url).path, door, store.letterbox(SystemName(each.name)).post)
            for each, door in doors
        ],
        runtime.shared.telemetry,
        host=web.hooks_host,
        port=web.hooks_port,
    )


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


def _system_named(settings: Settings, name: str) -> SystemSettings:
    found = [each for each in settings.systems if each.name == name]
    found = found or [each for each in settings.systems if each.vendor.value == name]
    if len(found) != 1:
        known = ", ".join(each.name for each in settings.systems)
        which = "several systems are" if found else "no system is"
        raise UserError([Problem("", "SYSTEM", f"{which} called {name!r}; config.toml has {known}")])
    return found[0]


def _salesforce_installer(system: SystemSettings, loaded: Loaded, token: str) -> Installer:
    from connector.crm.retry import ReadRetry
    from connector.crm.salesforce.provision.installer import SalesforceInstaller
    from connector.crm.salesforce.provision.metadata import MetadataLine
    from connector.crm.salesforce.session import SalesforceSession

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
        identity = None
        words = (
            "The daemon's own login does not work yet, so its permission set must be assigned by hand: "
            f"{error.fault.message} ({error.fault.vendor_code})"
        )
    works = daemons
    if token:
        works = session(dataclasses.replace(own, access_token=token, org_id=identity.org_id if identity else ""))
    name = SystemName(system.name)
    return SalesforceInstaller(
        name=name,
        crm_map=loaded.maps[name],
        policy=loaded.policies[name],
        line=MetadataLine(works, now=clock.now),
        own=MetadataLine(daemons, now=clock.now) if token and identity else None,
        integration_user=identity.user_id if identity else "",
        login_problem=words,
        channel=_channel_of(system),
    )


def _channel_of(system: SystemSettings) -> ChannelChoice:
    """Where the daemon listens; a channel that the admin made is the admin's to fill."""
    from connector.crm.salesforce.provision.channel import CUSTOM_CHANNEL
    from connector.crm.salesforce.provision.options import Channel as ChannelChoice

    named = system.live.channel if system.live else ""
    if not named:
        return ChannelChoice.STANDARD
    return ChannelChoice.CUSTOM if named == CUSTOM_CHANNEL else ChannelChoice.OFF


def _salesforce(settings: SystemSettings, crm_map: CrmMap, wires: Wires) -> CRM:
    from connector.crm.salesforce.adapter import connect_salesforce
    from connector.crm.salesforce.pubsub.topics import ADDRESS, LiveOptions

    live = settings.live
    return connect_salesforce(
        system=SystemName(settings.name),
        map=crm_map,
        login=_salesforce_login(settings),
        on_call=wires.on_call,
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


def _hubspot(settings: SystemSettings, crm_map: CrmMap, wires: Wires) -> CRM:
    from connector.crm.hubspot.adapter import HubSpotCRM

    token, app = _hubspot_login(settings)
    return HubSpotCRM(
        system=SystemName(settings.name),
        map=crm_map,
        token=token,
        app=app,
        base_url=settings.base_url,
        api_version=settings.api_version,
        on_call=wires.on_call,
        meter=wires.meter,
        listens=settings.live is not None,
        live_required=bool(settings.live and settings.live.required),
        letterbox=wires.letterbox,
        webhook_url=settings.webhook_url if settings.live else "",
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


ADAPTERS: Mapping[Vendor, Callable[[SystemSettings, CrmMap, Wires], CRM]] = {
    Vendor.SALESFORCE: _salesforce,
    Vendor.HUBSPOT: _hubspot,
}


def _hubspot_door(settings: SystemSettings, runtime: Runtime) -> Door:
    from connector.crm.hubspot.live.door import HubSpotDoor

    (crm,) = (each.crm for each in runtime.systems if each.name == settings.name)
    app = settings.app
    secrets = (app.client_secret, app.previous_secret) if app else ()
    return HubSpotDoor(
        url=settings.webhook_url,
        secrets=[each.get_secret_value() for each in secrets if each],
        home=lambda: crm.home,
        now=runtime.shared.clock.now,
    )


DOORS: Mapping[Vendor, Callable[[SystemSettings, Runtime], Door]] = {Vendor.HUBSPOT: _hubspot_door}


def _hubspot_installer(system: SystemSettings, loaded: Loaded, token: str) -> Installer:
    from connector.crm.hubspot.provision.installer import open_portal

    own, app = _hubspot_login(system)
    name = SystemName(system.name)
    return open_portal(
        name=name,
        crm_map=loaded.maps[name],
        policy=loaded.policies[name],
        base_url=system.base_url,
        api_version=system.api_version,
        own=own,
        app=app,
        admin=token,
    )


INSTALLERS: Mapping[Vendor, Callable[[SystemSettings, Loaded, str], Installer]] = {
    Vendor.SALESFORCE: _salesforce_installer,
    Vendor.HUBSPOT: _hubspot_installer,
}


def _wrong_credentials(settings: SystemSettings) -> UserError:
    message = f"these credentials are of a kind that {settings.vendor.value} does not take; see config.example.toml"
    return UserError([Problem("config", f"systems.{settings.name}", message)])


def _system(
    settings: SystemSettings, everything: Settings, loaded: Loaded, *, telemetry: Telemetry, store: Store
) -> System:
    name = SystemName(settings.name)

    def count(kind: str) -> None:
        telemetry.api_calls.labels(system=name, kind=kind).inc()

    wires = Wires(on_call=count, letterbox=store.letterbox(name), meter=telemetry.budgets(name))
    return System(
        name=name,
        crm=build_crm(settings, loaded.maps[name], wires=wires),
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
        shared.telemetry.letters_waiting.labels(system=each.name).set(shared.store.letters_waiting(each.name))
    return status
