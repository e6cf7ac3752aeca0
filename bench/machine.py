"""What this ran on: cores, memory, kernel, Python and the versions that matter. No host name and no path."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

LOAD = "Load when the run began"
PACKAGES = ("simple-salesforce", "hubspot-api-client", "requests", "urllib3", "sqlalchemy", "uvicorn")


def described() -> tuple[tuple[str, str], ...]:
    """Pairs of what and how much."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0]
    return (
        ("Cores", f"{_cores()} ({_processor()})"),
        ("Memory", f"{_memory_gb():.1f} GB"),
        (LOAD, f"{load:.2f}"),
        ("Kernel", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
        ("Packages", versions),
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"
