"""What is at hand while settings are put together: the file, the environment, and the problems so far.

Not here: what the settings come to (``load``, ``systems``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector.errors import Problem
from connector.settings.secrets import secret
from connector.settings.spans import KeyPath, Source


@dataclasses.dataclass(frozen=True, slots=True)
class Desk:
    """``base`` is the file's folder; ``hidden`` are the keys that held a secret and were complained of already."""

    source: Source
    env: Mapping[str, str]
    problems: list[Problem]
    base: Path
    hidden: frozenset[KeyPath]

    def complain(self, path: KeyPath, message: str, *, of_key: bool = False) -> None:
        """Note a mistake at a key."""
        self.problems.append(self.source.problem(path, message, of_key=of_key))

    def secret(self, name: str, spec: Any, at: KeyPath) -> SecretStr | None:
        """A secret that may be given by ``<name>_env`` or ``<name>_file``; None when it is not, or cannot be read."""
        return secret(name, spec=spec, at=at, source=self.source, env=self.env, base=self.base, problems=self.problems)

    def needed(self, name: str, spec: Any, at: KeyPath, *, suggested: str) -> SecretStr | None:
        """The same for one that must be given."""
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
