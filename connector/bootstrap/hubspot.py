"""One HubSpot portal put together from its settings: its adapter, its installer, its door and what its app delivers.

Not here: what any of them does. The vendor's modules are imported when one is asked for, so that nobody loads them in
vain.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connector.bootstrap.wires import OnCall, Wires, wrong_credentials
from connector.crm.hooks import Door
from connector.crm.installer import Installer
from connector.crm.port import CRM
from connector.handoff.model import SystemName
from connector.policy.crmmap import CrmMap
from connector.policy.load import Loaded
from connector.settings import AccessToken, RefreshToken, SystemSettings

if TYPE_CHECKING:
    from connector.crm.hubspot.login import App


@dataclass(frozen=True, slots=True)
class WebhookComponent:
    """What an app must deliver: the ``file`` its admin uploads with its ``content``, and what the app needs besides."""

    file: str
    content: Mapping[str, Any]
    subscriptions: int
    scopes: tuple[str, ...]
    url: str


def adapter(settings: SystemSettings, crm_map: CrmMap, wires: Wires) -> CRM:
    """The adapter of one portal."""
    from connector.crm.hubspot.adapter import HubSpotCRM
    from connector.crm.hubspot.session import Waits

    token, app = _login(settings)
    return HubSpotCRM(
        system=SystemName(settings.name),
        map=crm_map,
        token=token,
        app=app,
        base_url=settings.base_url,
        api_version=settings.api_version,
        on_call=wires.on_call,
        meter=wires.meter,
        company=wires.company,
        treasury=wires.treasury,
        listens=settings.live is not None,
        live_required=bool(settings.live and settings.live.required),
        letterbox=wires.letterbox,
        webhook_url=settings.webhook_url if settings.live else "",
        waits=Waits(clock=wires.clock, wait=wires.wait),
    )


def installer(
    system: SystemSettings,
    loaded: Loaded,
    token: str,
    on_call: OnCall = lambda label: None,  # noqa: ARG005
) -> Installer:
    """What installs into one portal. Raises `CrmError` for a token of another portal."""
    from connector.crm.hubspot.provision.installer import open_portal

    own, app = _login(system)
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
        on_call=on_call,
    )


def door(settings: SystemSettings, crm: CRM, now: Callable[[], datetime]) -> Door:
    """Where one portal's webhooks come in."""
    from connector.crm.hubspot.live.door import HubSpotDoor

    app = settings.app
    secrets = (app.client_secret, app.previous_secret) if app else ()
    return HubSpotDoor(
        url=settings.webhook_url,
        secrets=[each.get_secret_value() for each in secrets if each],
        home=lambda: crm.home,
        now=now,
    )


def component(system: SystemSettings, loaded: Loaded) -> WebhookComponent:
    """What the app of one portal must deliver."""
    from connector.crm.hubspot import scopes
    from connector.crm.hubspot.fields import Fields
    from connector.crm.hubspot.live import hsmeta
    from connector.crm.hubspot.live.meaning import Meaning

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


def _login(settings: SystemSettings) -> tuple[str, App | None]:
    from connector.crm.hubspot.login import App

    named = settings.app
    app = App(named.client_id, named.client_secret.get_secret_value()) if named else None
    match settings.credentials:
        case AccessToken(access_token=token):
            return token.get_secret_value(), app
        case RefreshToken(refresh_token=refresh) if app is not None:
            return "", dataclasses.replace(app, refresh_token=refresh.get_secret_value())
        case _:
            raise wrong_credentials(settings)
