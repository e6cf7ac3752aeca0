"""Secrets: never in a TOML file; from an environment variable ``X``, or the file ``X_FILE`` names, never both.

Not here: who may read such a file (``rights``), hiding them in logs (``logs``) and using them (each adapter).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector.errors import Problem
from connector.settings.rights import why_not_secret
from connector.settings.spans import KeyPath, Source

SECRET_KEYS = frozenset(
    {
        "access_token",
        "api_key",
        "client_id",
        "client_secret",
        "key",
        "password",
        "previous_client_secret",
        "previous_signing_secret",
        "private_key",
        "secret",
        "security_token",
        "service_key",
        "signing_secret",
        "token",
        "webhook",
        "webhook_url",
    }
)
SECRET_SHAPES = re.compile(
    r"-----BEGIN|^pat-|^xox[a-z]-|hooks\.slack\.com/|webhook\.office\.com/|^00D[A-Za-z0-9]{12,15}!|^\w[\w+]*://[^/@\s:]+:[^/@\s]+@"
    r"|^\w[\w+]*://.*[?&]password="
)
"""Key blocks, HubSpot and Slack tokens, chat webhooks, Salesforce sessions, database URLs with a password."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

PUBLIC = frozenset({("systems", "webhook_url")})
"""Keys that are a secret elsewhere: this one is our own public address, not a chat's."""

SECTIONS = {"daemon": "handoff", "email": "smtp"}
"""What variables of a section are called, where the section's own name would say little."""


def secrets_in(source: Source) -> Iterator[tuple[KeyPath, Problem]]:
    """Where the file holds what looks like a secret, and what to do instead. The value itself is never repeated."""
    for path, value in _leaves(source.data, ()):
        key = next((part for part in reversed(path) if isinstance(part, str)), "")
        named = key in SECRET_KEYS and (path[0], key) not in PUBLIC
        if named or (isinstance(value, str) and SECRET_SHAPES.search(value)):
            variable = _variable(source, path, key)
            message = (
                f"a secret must not stand in a file; put it into the environment variable {variable} "
                f'and write {key.removesuffix("_env").removesuffix("_file")}_env = "{variable}" here'
            )
            yield path, source.problem(path, message, of_key=True)


def secret(
    name: str, *, spec: Any, at: KeyPath, source: Source, env: Mapping[str, str], base: Path, problems: list[Problem]
) -> SecretStr | None:
    """The secret behind ``<name>_env`` or ``<name>_file`` of a table; None when neither is given or it is not there.

    A relative ``<name>_file`` starts from ``base``, the config file's folder.
    """
    variable, file = getattr(spec, f"{name}_env"), getattr(spec, f"{name}_file", None)
    if variable and file:
        problems.append(source.problem((*at, f"{name}_file"), f"{name}_env is given too; keep one of the two"))
        return None
    if file:
        return _from_file(base / file, at=(*at, f"{name}_file"), source=source, problems=problems)
    return _from_env(variable, at=(*at, f"{name}_env"), source=source, env=env, problems=problems) if variable else None


def _from_env(
    variable: str, *, at: KeyPath, source: Source, env: Mapping[str, str], problems: list[Problem]
) -> SecretStr | None:
    value, file = env.get(variable, ""), env.get(f"{variable}_FILE", "")
    if value and file:
        problems.append(source.problem(at, f"both {variable} and {variable}_FILE are set; unset one of the two"))
        return None
    if file:
        return _from_file(Path(file), at=at, source=source, problems=problems, why=f" (from {variable}_FILE)")
    if not value.strip():
        message = f"the environment variable {variable} is not set; set it, or {variable}_FILE to a file that holds it"
        problems.append(source.problem(at, message))
        return None
    if broken := _why_broken(value.strip()):
        problems.append(source.problem(at, f"the environment variable {variable} {broken}"))
        return None
    return SecretStr(value.strip())


def _from_file(path: Path, *, at: KeyPath, source: Source, problems: list[Problem], why: str = "") -> SecretStr | None:
    try:
        if open_to := why_not_secret(path):
            problems.append(source.problem(at, f"{path}{why} holds a secret and {open_to}"))
            return None
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        problems.append(source.problem(at, f"{path}{why} cannot be read: {reason}; check the path and its rights"))
        return None
    if not value:
        problems.append(source.problem(at, f"{path}{why} is empty; put the secret into it"))
        return None
    if broken := _why_broken(value):
        problems.append(source.problem(at, f"{path}{why} {broken}"))
        return None
    return SecretStr(value)


def _why_broken(value: str) -> str:
    """Why this is no secret; empty for one. A token with a line break is refused by what would send it as a header, in
    an error that repeats the token."""
    if "-----BEGIN" in value or not CONTROL.search(value):
        return ""
    return "holds a line break or another control character; it must be the secret alone, on one line"


def _leaves(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _leaves(value, (*path, index))
    else:
        yield path, node


def _variable(source: Source, path: KeyPath, key: str) -> str:
    """The variable's suggested name: the system's or section's name and the key, as capitals."""
    owner: Any = source.data
    names: list[str] = []
    for part in path[:-1]:
        owner = owner[part]
        if isinstance(part, str) and part != "systems":
            names.append(part)
        elif isinstance(owner, Mapping) and isinstance(owner.get("name"), str):
            names.append(owner["name"])
    plain = key.removesuffix("_env").removesuffix("_file")
    names = [SECTIONS.get(name, name) for name in names]
    return re.sub(r"[^A-Z0-9]+", "_", "_".join([*names[-1:], plain]).upper())
