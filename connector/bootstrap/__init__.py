"""Putting the parts together: the only place that knows all of them.

Not here: what any part does, and what only one vendor needs (a module each). Which vendor is behind a system is decided
here, once, by one table.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Literal

from connector import crash, logs
from connector.bootstrap import hubspot, salesforce
from connector.bootstrap.acts import who
from connector.bootstrap.hubspot import WebhookComponent
from connector.bootstrap.wires import Wires
from connector.clock import Clock, SystemClock
from connector.crm.hooks import Door
from connector.crm.installer import Installer
from connector.crm.port import (
    CRM,
)
from connector.engine.daemon import Stop
from connector.engine.mailer import CustomerMail
from connector.engine.notifier import Channel, ChatWebhook, Email, addressed, send_through
from connector.engine.parts import Limits, Mailer, Schedule, Shared, System, Timing, process_name
from connector.engine.replica import before_call
from connector.engine.weekly import Weekly
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.policy.crmmap import CrmMap, MapFile
from connector.policy.folder import digest_of, read_folder
from connector.policy.load import Loaded, load, load_all
from connector.settings import (
    SAFETY_POLL,
    Mode,
    Settings,
    SystemSettings,
    Vendor,
    WebSettings,
)
from connector.store import Keep, Store, Upgraded, address, backup, failure, in_use, migrate, open_store
from connector.store import Mode as StoreMode
from connector.store.backup import Copy
from connector.store.warehouse import Query
from connector.telemetry import Telemetry
from connector.tracing import INSTALL, UNTRACED, Tracer, Traces
from connector.web.foreign import Foreign
from connector.web.status import Status, Watched, read_status, unreadable_status, with_trouble

if TYPE_CHECKING:
    from connector.web.hooks import Entrance

StoreUse = Literal["daemon", "tool", "read", "none"]
"""What for the ledger is opened; with `none` it is not, and an empty one in memory stands in for it."""
LIMBO = "sqlite://"
"""A ledger in memory: what a command that only reads is given when there is none on disk yet."""


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
    mappings: Path


def open_runtime(config: Path, *, mode: StoreUse, console_logs: bool = False, clock: Clock | None = None) -> Runtime:
    """Read all files and put the parts together; no CRM is called yet. Raises `UserError` with every mistake.

    ``clock``: another than the machine's, for who plays with time; then nothing is waited for between two calls.
    """
    settings, loaded = load_all(config)
    set_up_logs(settings, console=console_logs or mode != "daemon")
    telemetry = Telemetry()
    wait: Callable[[float], None] = sleep if clock is None else lambda _: None
    clock = clock or SystemClock()
    store = _store(settings, clock=clock, mode=mode)
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
        limits=_limits(settings),
        alert=_alert(settings),
        mailer=_mailer(settings),
        keep=_keep(settings),
        queries=_queries(settings),
        tracer=_tracer(settings),
    )
    systems = tuple(_system(each, settings, loaded, shared=shared, wait=wait) for each in settings.systems)
    files = read_folder(settings.mappings)
    for each, of in zip(systems, settings.systems, strict=True):
        each.policy_digest = policy_digest(files, of)
        if mode == "daemon":
            store.keep_policy(each.policy_digest, files)
    return Runtime(settings, loaded, shared, systems, _watched(settings))


def open_store_only(config: Path, *, mode: StoreUse) -> OpenedStore:
    """The store a config names. Raises `UserError`."""
    settings, _ = load_all(config)
    set_up_logs(settings, console=True)
    clock = SystemClock()
    return OpenedStore(_store(settings, clock=clock, mode=mode), clock, _watched(settings), settings.mappings)


def open_ledger_if_any(config: Path) -> Store | None:
    """The store a config names, to write to it; None where there is no file of it yet. Raises `UserError`."""
    settings, _ = load_all(config)
    url = settings.store_url.get_secret_value()
    if url.startswith("sqlite") and not _file_of(url).exists():
        return None
    return _store(settings, clock=SystemClock(), mode="tool")


def policy_digest(files: Mapping[str, str], of: SystemSettings) -> str:
    """What mapping files come to for one system, as a digest."""
    return digest_of(files, own=map_file(of).file)


def map_file(of: SystemSettings) -> MapFile:
    """Which of the mapping files is this system's."""
    return MapFile(of.vendor.value, of.map)


def under_mappings(runtime: Runtime, system: System, folder: Path) -> System:
    """The same system by the mapping files of another folder. Raises `UserError` with every mistake in them."""
    settings = runtime.settings.system(system.name)
    loaded = load(folder, {system.name: map_file(settings)})
    other = _system(settings, runtime.settings, loaded, shared=runtime.shared)
    if loaded.maps[system.name] == runtime.loaded.maps[system.name]:
        other.crm = system.crm
    other.policy_digest = policy_digest(read_folder(folder), settings)
    return other


def daemon_has_store(config: Path) -> bool:
    """Whether a daemon keeps everybody else from the store a config names (SQLite only; PostgreSQL is shared)."""
    settings, _ = load_all(config)
    return in_use(settings.store_url.get_secret_value())


def migrate_store(config: Path, *, after: bool) -> Upgraded:
    """Bring the store's schema up to date and say what was done and what is left. Raises `UserError`."""
    settings, _ = load_all(config)
    return migrate(settings.store_url.get_secret_value(), clock=SystemClock(), after=after)


def back_up(config: Path, target: Path) -> Copy:
    """Copy the store a config names into one file. Raises `UserError`."""
    settings, _ = load_all(config)
    url, path = address(settings.store_url.get_secret_value())
    return backup.back_up(url, path, target, clock=SystemClock())


def look_into_backup(source: Path) -> Copy:
    """What a copy holds. Raises `UserError` for a file that is none."""
    return backup.look_into(source, clock=SystemClock())


def restore(config: Path, source: Path, *, say: Callable[[str], None]) -> Path | None:
    """Put a copy in the store's place; returns where what was there is kept. Raises `UserError`."""
    settings, _ = load_all(config)
    url, path = address(settings.store_url.get_secret_value())
    named = f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside = path.with_name(f"{path.name}.{named}") if path else settings.daemon.state / f"{named}.db"
    return backup.put_back(url, path, source, aside=aside, clock=SystemClock(), by=who(), say=say)


def state_folder(config: Path) -> Path:
    """Where a config keeps what must last. Raises `UserError`."""
    return load_all(config)[0].daemon.state


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
    return INSTALLERS[system.vendor](system, loaded, token, lambda label: None)  # noqa: ARG005


def webhook_component(config: Path, name: str) -> WebhookComponent:
    """What the app of a system must deliver. No CRM is called. Raises `UserError` where no webhooks are taken."""
    settings, loaded = load_all(config)
    system = _system_named(settings, name)
    if not system.webhook_url:
        message = "no webhook_url is given: the address at which HubSpot reaches the daemon, from outside"
        if system.vendor is not Vendor.HUBSPOT:
            message = f"is a {system.vendor.value} system; only HubSpot delivers webhooks, the others push changes"
        raise UserError([Problem("config", f"systems.{system.name}", message)])
    return hubspot.component(system, loaded)


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
    from connector.bootstrap import figures
    from connector.bootstrap.desk import PageDesk
    from connector.web.app import Pages, create_app
    from connector.web.peers import Peers
    from connector.web.server import serve_in_thread

    web = runtime.settings.web
    desk = PageDesk(runtime.shared, [each.name for each in runtime.systems])
    pages = Pages(
        read_status=lambda: _status(runtime),
        registry=runtime.shared.telemetry.registry,
        web=web,
        desk=desk,
        foreign=_foreign(web),
        book=figures.book(runtime.shared, runtime.systems),
    )
    return serve_in_thread(create_app(pages), host=web.host, port=web.port, peers=Peers(web.trusted_proxies))


def weekly_of(runtime: Runtime) -> Weekly | None:
    """The week's figures by mail; None where config names nobody."""
    mail = _mail(runtime.settings)
    if runtime.settings.weekly is None or mail is None:
        return None
    from connector.bootstrap import figures

    return figures.weekly(
        runtime.settings.weekly,
        figures.book(runtime.shared, runtime.systems),
        public_url=runtime.settings.web.public_url,
        send=mail.post,
    )


def _foreign(web: WebSettings) -> Foreign | None:
    """The company's own sign-in, where config names one."""
    if web.oidc is None:
        return None
    try:
        from connector.web.oidc import Oidc
    except ModuleNotFoundError as error:
        message = "signing in by OIDC needs its library: pip install 'handoff-connector[oidc]'"
        raise UserError([Problem("config", "web.oidc", message)]) from error
    return Oidc(web.oidc, public_url=web.public_url)


def _start_hooks(runtime: Runtime) -> Stop | None:
    """What others bring comes in by an address of its own: a proxy opens it to the world, and with it nothing else."""
    settings = runtime.settings
    if not settings.sources and not any(each.webhook_url and each.live for each in settings.systems):
        return None
    from connector.web.hooks import open_hooks

    return open_hooks(
        entrances_of(runtime),
        runtime.shared.telemetry,
        host=settings.web.hooks_host,
        port=settings.web.hooks_port,
        proxies=settings.web.trusted_proxies,
    )


def entrances_of(runtime: Runtime) -> Sequence[Entrance]:
    """All ways in for what others bring, whether they are opened to the world or not."""
    from connector.bootstrap.doors import entrances

    crms: dict[str, CRM] = {each.name: each.crm for each in runtime.systems}
    return entrances(runtime.settings, crms, runtime.shared.store, doors=DOORS)


def set_up_logs(settings: Settings, *, console: bool) -> None:
    """Logs as config wants them; a command at a terminal shows only what a person must see. From here on secrets are
    known, so no memory is dumped either.
    """
    logs.set_up(
        format="console" if console else settings.logs.format,
        level="warning" if console and settings.logs.level == "info" else settings.logs.level,
        secrets=settings.secrets(),
    )
    crash.log_crashes()
    crash.no_dumps()


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


ADAPTERS: Mapping[Vendor, Callable[[SystemSettings, CrmMap, Wires], CRM]] = {
    Vendor.SALESFORCE: salesforce.adapter,
    Vendor.HUBSPOT: hubspot.adapter,
}


DOORS: Mapping[Vendor, Callable[[SystemSettings, CRM, Callable[[], datetime]], Door]] = {Vendor.HUBSPOT: hubspot.door}


INSTALLERS: Mapping[Vendor, Callable[[SystemSettings, Loaded, str, Callable[[str], None]], Installer]] = {
    Vendor.SALESFORCE: salesforce.installer,
    Vendor.HUBSPOT: hubspot.installer,
}


def _system(
    settings: SystemSettings,
    everything: Settings,
    loaded: Loaded,
    *,
    shared: Shared,
    wait: Callable[[float], None] = sleep,
) -> System:
    name = SystemName(settings.name)
    telemetry, store = shared.telemetry, shared.store

    def count(kind: str) -> None:
        before_call()
        telemetry.api_calls.labels(system=name, kind=kind).inc()
        shared.tracer.call(kind)

    wires = Wires(
        on_call=count,
        letterbox=store.letterbox(name),
        meter=telemetry.budgets(name),
        company=shared.company,
        clock=shared.clock,
        wait=wait,
        treasury=None if store.single_process else partial(store.quota, name),
    )
    return System(
        name=name,
        crm=build_crm(settings, loaded.maps[name], wires=wires),
        policy=loaded.policies[name],
        crm_map=loaded.maps[name],
        act=everything.daemon.mode is not Mode.OBSERVE,
        pilot=everything.daemon.mode is Mode.PILOT,
        safety_poll=settings.live.safety_poll if settings.live else SAFETY_POLL,
        reserve=settings.reserve,
        first_run_since=datetime.combine(settings.act_since, time.min, tzinfo=UTC) if settings.act_since else None,
    )


def _store(settings: Settings, *, clock: Clock, mode: StoreUse) -> Store:
    url = settings.store_url.get_secret_value()
    if mode == "none" or (mode == "read" and url.startswith("sqlite") and not _file_of(url).exists()):
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
        reread_every=daemon.reread_minutes * 60,
        max_attempts=daemon.max_attempts,
    )


def _keep(settings: Settings) -> Keep:
    days = settings.retention
    return Keep(
        writes=days.writes_days,
        decisions=days.decisions_days,
        gone=days.gone_days,
        trail=days.trail_days,
        letters=days.letters_days,
        events=days.events_days,
        counts=days.counts_days,
    )


def _tracer(settings: Settings) -> Tracer:
    """Where traces go. Raises `UserError` where they are asked for and their libraries are missing."""
    asked = settings.traces
    if asked is None:
        return UNTRACED
    told = asked.headers.get_secret_value().split(",") if asked.headers else []
    headers = {name.strip(): value.strip() for name, _, value in (each.partition("=") for each in told) if name.strip()}
    try:
        return Traces(asked.endpoint, headers=headers, share=asked.share)
    except ImportError as error:
        message = f"traces need their libraries: {INSTALL}; or take [traces] out"
        raise UserError([Problem("config", "traces", message)]) from error


def _queries(settings: Settings) -> tuple[Schedule, ...]:
    return tuple(
        Schedule(
            Query(
                name=each.name,
                url=each.url.get_secret_value(),
                sql=each.sql,
                at=each.at_column,
                cursor=each.cursor_column,
                event=each.event,
                event_column=each.event_column,
                user_id=each.user_id_column,
                group_id=each.group_id_column,
                id=each.id_column,
                properties=each.properties,
            ),
            timedelta(minutes=each.every_minutes),
        )
        for each in settings.queries
    )


def _limits(settings: Settings) -> Limits:
    brakes = settings.brakes
    return Limits(
        window=timedelta(minutes=brakes.window_minutes),
        new=brakes.max_new,
        imported=brakes.max_imported,
        open=brakes.max_open,
        changed=brakes.max_changed,
        changed_share=brakes.max_changed_percent / 100,
        writes=brakes.max_writes_per_pass,
        parked=timedelta(hours=brakes.parked_hours),
        silent=timedelta(hours=brakes.silent_hours),
    )


def _alert(settings: Settings) -> Channel | None:
    """Who is told that something wants a person: the chat, and by mail whoever [brakes] names."""
    mail, chat = _mail(settings), _chat(settings)
    channels: list[Channel] = [chat] if chat else []
    channels += [addressed(mail, each) for each in settings.brakes.tell if mail]
    return send_through(channels) if channels else None


def _channels(settings: Settings) -> list[Channel]:
    return [each for each in (_mail(settings), _chat(settings)) if each is not None]


def _mail(settings: Settings) -> Email | None:
    mail = settings.notify.email
    if mail is None:
        return None
    return Email(
        host=mail.host,
        port=mail.port,
        sender=mail.sender,
        user=mail.username,
        password=mail.password.get_secret_value() if mail.password else "",
        starttls=mail.starttls,
    )


def _mailer(settings: Settings) -> Mailer | None:
    """How mails leave for customers: through the server of the notices."""
    mail, customers = settings.notify.email, settings.customer_mail
    if mail is None or customers is None:
        return None
    send = CustomerMail(
        host=mail.host,
        port=mail.port,
        sender=customers.sender or mail.sender,
        user=mail.username,
        password=mail.password.get_secret_value() if mail.password else "",
        starttls=mail.starttls,
    )
    return Mailer(send, customers.daily_limit)


def _chat(settings: Settings) -> ChatWebhook | None:
    chat = settings.notify.chat
    return ChatWebhook(chat.webhook_url.get_secret_value()) if chat is not None else None


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
    try:
        status = read_status(shared.store, runtime.watched, now=shared.clock.now())
    except Exception as error:
        words = failure(error)
        if not words:
            raise
        return unreadable_status(runtime.watched, f"the database fails: {words}", now=SystemClock().now())
    status = with_trouble(status, {each.name: each.broke_off for each in runtime.systems})
    for each in status.systems:
        shared.telemetry.show_work(
            each.name,
            backlog=each.looks_due,
            outbox={state.value: rows for state, rows in shared.store.counts(each.name).items()},
            lag_seconds=each.lag_seconds,
            is_paused=shared.store.paused(each.name) is not None,
            is_stopped=any(not one.rule for one in shared.store.pauses(each.name)),
            last_pass=each.last_pass_at.timestamp() if each.last_pass_at else None,
        )
        shared.telemetry.letters_waiting.labels(system=each.name).set(shared.store.letters_waiting(each.name))
    return status
