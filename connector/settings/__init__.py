"""Settings: where the systems are, how the daemon runs, where secrets come from.

Not here: what the company wants done (``policy`` reads the mapping files) and anything a CRM admin edits.
"""

from __future__ import annotations

from connector.settings.load import Read, load_settings, read_settings
from connector.settings.model import (
    SAFETY_POLL,
    AccessToken,
    AppKeys,
    BrakeSettings,
    ChatSettings,
    ClientCredentials,
    Credentials,
    CustomerMailSettings,
    DaemonSettings,
    EmailSettings,
    JwtBearer,
    LogSettings,
    Mode,
    NotifySettings,
    OidcSettings,
    RefreshToken,
    Settings,
    SourceSettings,
    SystemSettings,
    TraceSettings,
    Vendor,
    WebSettings,
    WeeklySettings,
)

__all__ = [
    "SAFETY_POLL",
    "AccessToken",
    "AppKeys",
    "BrakeSettings",
    "ChatSettings",
    "ClientCredentials",
    "Credentials",
    "CustomerMailSettings",
    "DaemonSettings",
    "EmailSettings",
    "JwtBearer",
    "LogSettings",
    "Mode",
    "NotifySettings",
    "OidcSettings",
    "Read",
    "RefreshToken",
    "Settings",
    "SourceSettings",
    "SystemSettings",
    "TraceSettings",
    "Vendor",
    "WebSettings",
    "WeeklySettings",
    "load_settings",
    "read_settings",
]
