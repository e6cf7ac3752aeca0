"""config.toml and the environment as `Settings`, or every mistake in them at once.

Not here: the mapping files; ``policy.load.load_all`` reads both and reports both together.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import SecretStr

from connector.errors import Problem, UserError
from connector.settings.desk import Desk
from connector.settings.file import (
    STORE_ADVICE,
    ConfigSpec,
    DaemonSpec,
    NotifySpec,
    TracesSpec,
    WeeklySpec,
    is_store_url,
)
from connector.settings.mistakes import validated
from connector.settings.model import (
    BrakeSettings,
    ChatSettings,
    CustomerMailSettings,
    DaemonSettings,
    EmailSettings,
    LogSettings,
    NotifySettings,
    RetentionSettings,
    Settings,
    TraceSettings,
    Vendor,
    WeeklySettings,
)
from connector.settings.secrets import secrets_in
from connector.settings.spans import KeyPath, Source, read
from connector.settings.systems import system
from connector.settings.web import queries, sources, web

DATABASE = "handoff.db"
STORE_VARIABLE = "HANDOFF_STORE_URL"
"""As the examples, the manifests and our own advice call it."""


class Read(NamedTuple):
    """What could be read. ``settings`` is None when there are problems; the mappings can be checked all the same."""

    settings: Settings | None
    problems: tuple[Problem, ...]
    mappings: Path | None
    vendors: Mapping[str, tuple[str, str]]
    """By system: the vendor, and its file among the mappings where it is not the one named after the vendor."""


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
    desk = Desk(
        source=source,
        env=os.environ if env is None else env,
        problems=problems,
        base=path.parent,
        hidden=frozenset(at for at, _ in hidden),
    )
    settings = _settings(desk, spec, file=path, mappings=folder)
    return Read(None if problems else settings, tuple(problems), folder, vendors)


def _settings(desk: Desk, spec: ConfigSpec, *, file: Path, mappings: Path) -> Settings | None:
    daemon = _daemon(desk, spec.daemon)
    store = _store(desk, spec.daemon)
    systems = [system(desk, one, ("systems", index)) for index, one in enumerate(spec.systems)]
    _refuse_twins(desk, spec)
    notify = _notify(desk, spec.notify)
    posted, weekly = _customer_mail(desk, spec), _weekly(desk, spec)
    page, senders = web(desk, spec.web), sources(desk, spec.sources)
    asked = queries(desk, spec.queries, beside=spec.sources)
    traces = _traces(desk, spec.traces)
    if desk.problems or store is None:
        return None
    return Settings(
        file=file,
        mappings=mappings,
        store_url=store,
        daemon=daemon,
        systems=tuple(each for each in systems if each),
        web=page,
        sources=senders,
        queries=asked,
        notify=notify,
        customer_mail=posted,
        weekly=weekly,
        logs=LogSettings(**spec.logs.model_dump()),
        retention=RetentionSettings(**spec.retention.model_dump()),
        brakes=BrakeSettings(**spec.brakes.model_dump()),
        traces=traces,
    )


def _daemon(desk: Desk, spec: DaemonSpec) -> DaemonSettings:
    plain = spec.model_dump(exclude={"store_url", "store_url_env"})
    return DaemonSettings(**{**plain, "state": desk.base / spec.state})


def _store(desk: Desk, spec: DaemonSpec) -> SecretStr | None:
    at: KeyPath = ("daemon",)
    if spec.store_url and spec.store_url_env:
        desk.complain((*at, "store_url_env"), "store_url is given too; keep one of the two")
        return None
    url = desk.secret("store_url", spec, at) if spec.store_url_env else None
    if url is None and spec.store_url:
        url = SecretStr(spec.store_url)
    if url is None and not spec.store_url_env and (*at, "store_url") not in desk.hidden:
        _refuse_forgotten(desk)
        url = SecretStr(f"sqlite:///{(desk.base / spec.state / DATABASE).absolute()}")
    if url and not is_store_url(url.get_secret_value()):
        desk.complain((*at, "store_url_env"), f"the variable's value {STORE_ADVICE}")
    return url


def _refuse_forgotten(desk: Desk) -> None:
    """Replicas whose config does not name the database they were given would each keep a ledger of their own, and
    each hand over every deal."""
    given = next((name for name in (STORE_VARIABLE, f"{STORE_VARIABLE}_FILE") if desk.env.get(name)), None)
    if given:
        message = f'is missing, and {given} is set; write store_url_env = "{STORE_VARIABLE}", or unset the variable'
        desk.complain(("daemon", "store_url_env"), message, of_key=True)


def _refuse_twins(desk: Desk, spec: ConfigSpec) -> None:
    names = [system.name for system in spec.systems]
    for index, name in enumerate(names):
        if name in names[:index]:
            desk.complain(("systems", index, "name"), f"there are two systems {name!r}; rename one")


def _notify(desk: Desk, spec: NotifySpec) -> NotifySettings:
    return NotifySettings(email=_email(desk, spec), chat=_chat(desk, spec))


def _email(desk: Desk, spec: NotifySpec) -> EmailSettings | None:
    if spec.email is None:
        return None
    at: KeyPath = ("notify", "email")
    password = desk.secret("password", spec.email, at)
    if spec.email.username and not (spec.email.password_env or spec.email.password_file):
        desk.needed("password", spec.email, at, suggested="SMTP_PASSWORD")
    return EmailSettings(**spec.email.model_dump(exclude={"password_env", "password_file"}), password=password)


def _customer_mail(desk: Desk, spec: ConfigSpec) -> CustomerMailSettings | None:
    if spec.customer_mail is None:
        return None
    if spec.notify.email is None:
        message = "mails to customers go through the server of [notify.email]; add that section too, or take this out"
        desk.complain(("customer_mail",), message, of_key=True)
    return CustomerMailSettings(sender=spec.customer_mail.sender or "", daily_limit=spec.customer_mail.daily_limit)


def _traces(desk: Desk, spec: TracesSpec | None) -> TraceSettings | None:
    if spec is None:
        return None
    headers = desk.secret("headers", spec, ("traces",))
    named = headers.get_secret_value().split(",") if headers else []
    if any("=" not in each.strip().strip("=") for each in named if each.strip()):
        desk.complain(
            ("traces", "headers_env"), "the value must be name=value, with commas between several", of_key=True
        )
    return TraceSettings(endpoint=spec.endpoint, headers=headers, share=spec.share)


def _weekly(desk: Desk, spec: ConfigSpec) -> WeeklySettings | None:
    if spec.weekly is None:
        return None
    at: KeyPath = ("weekly",)
    if spec.notify.email is None:
        message = "the week's figures go through the server of [notify.email]; add that section too, or take this out"
        desk.complain(at, message, of_key=True)
    if not spec.web.enabled:
        message = (
            "its numbers lead to the page, which [web] enabled = false switches off; switch it on, or take this out"
        )
        desk.complain(at, message, of_key=True)
    known = [each.casefold() for each in spec.weekly.to]
    for index, each in enumerate(known):
        if each in known[:index]:
            desk.complain((*at, "to", index), f"{spec.weekly.to[index]} stands here twice; take one out")
    weekday = get_args(WeeklySpec.model_fields["weekday"].annotation).index(spec.weekly.weekday)
    return WeeklySettings(to=spec.weekly.to, weekday=weekday, hour=spec.weekly.hour)


def _chat(desk: Desk, spec: NotifySpec) -> ChatSettings | None:
    if spec.chat is None:
        return None
    url = desk.needed("webhook_url", spec.chat, ("notify", "chat"), suggested="CHAT_WEBHOOK_URL")
    return ChatSettings(webhook_url=url) if url else None


def _without(source: Source, paths: list[KeyPath]) -> Source:
    """The file without what must not stand in it, so that it is not complained of twice."""
    return dataclasses.replace(source, data=_pruned(source.data, (), frozenset(paths))) if paths else source


def _pruned(node: Any, path: KeyPath, gone: frozenset[KeyPath]) -> Any:
    if isinstance(node, Mapping):
        return {key: _pruned(value, (*path, key), gone) for key, value in node.items() if (*path, key) not in gone}
    if isinstance(node, list):
        return [_pruned(value, (*path, index), gone) for index, value in enumerate(node)]
    return node


def _vendors(data: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Which vendors' mapping files matter, even when the rest of the file is wrong."""
    systems = data.get("systems")
    items = systems if isinstance(systems, list) else []
    known = {vendor.value for vendor in Vendor}
    return {
        str(item.get("name", index)): (str(item["vendor"]), str(item.get("map", "")))
        for index, item in enumerate(items)
        if isinstance(item, Mapping) and item.get("vendor") in known
    }
