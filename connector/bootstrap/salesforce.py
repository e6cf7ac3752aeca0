"""One Salesforce org put together from its settings: its adapter and its installer.

Not here: what either does. The vendor's modules are imported when one is asked for, so that nobody loads them in vain.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from connector.bootstrap.wires import OnCall, Wires, wrong_credentials
from connector.clock import SystemClock
from connector.crm.installer import Installer
from connector.crm.port import CRM
from connector.errors import CrmError
from connector.handoff.model import SystemName
from connector.policy.crmmap import CrmMap
from connector.policy.load import Loaded
from connector.settings import AccessToken, ClientCredentials, JwtBearer, RefreshToken, SystemSettings

if TYPE_CHECKING:
    from connector.crm.salesforce.login import SalesforceLogin
    from connector.crm.salesforce.provision.options import Channel as ChannelChoice


def adapter(settings: SystemSettings, crm_map: CrmMap, wires: Wires) -> CRM:
    """The adapter of one org."""
    from connector.crm.salesforce.adapter import connect_salesforce
    from connector.crm.salesforce.pubsub.topics import ADDRESS, LiveOptions

    live = settings.live
    return connect_salesforce(
        system=SystemName(settings.name),
        map=crm_map,
        login=_login(settings),
        on_call=wires.on_call,
        allow_duplicates=settings.allow_duplicates,
        live=LiveOptions(live.address or ADDRESS, live.channel, required=live.required) if live else None,
        bulk_threshold=settings.bulk_threshold,
        company=wires.company,
        clock=wires.clock,
    )


def installer(
    system: SystemSettings,
    loaded: Loaded,
    token: str,
    on_call: OnCall = lambda label: None,  # noqa: ARG005
) -> Installer:
    """What installs into one org. Raises `CrmError` where neither login works."""
    from connector.crm.retry import ReadRetry
    from connector.crm.salesforce.provision.installer import SalesforceInstaller
    from connector.crm.salesforce.provision.metadata import MetadataLine
    from connector.crm.salesforce.session import SalesforceSession

    own = _login(system)
    clock = SystemClock()

    def session(login: SalesforceLogin) -> SalesforceSession:
        return SalesforceSession(login, on_call=on_call, clock=clock, retry=ReadRetry(clock=clock))

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


def _login(settings: SystemSettings) -> SalesforceLogin:
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
            raise wrong_credentials(settings)


def _channel_of(system: SystemSettings) -> ChannelChoice:
    """Where the daemon listens; a channel that the admin made is the admin's to fill."""
    from connector.crm.salesforce.provision.channel import CUSTOM_CHANNEL
    from connector.crm.salesforce.provision.options import Channel as ChannelChoice

    named = system.live.channel if system.live else ""
    if not named:
        return ChannelChoice.STANDARD
    return ChannelChoice.CUSTOM if named == CUSTOM_CHANNEL else ChannelChoice.OFF
