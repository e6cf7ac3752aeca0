"""What a deploy says about each component, and its whole result, in the vendor's shape.

Not the deploying (`deploying.py`) and not the states of a request (`requests.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ERROR = "Error"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Message:
    """One line of `componentSuccesses` or `componentFailures`."""

    type: str
    name: str
    file: str
    id: str = ""
    changed: bool = False
    created: bool = False
    deleted: bool = False
    problem: str = ""
    problem_type: str = ""
    line: int = 0
    column: int = 0

    @property
    def failed(self) -> bool:
        """Whether the component was refused; a warning is none."""
        return self.problem_type == ERROR

    def body(self, at: str) -> dict[str, Any]:
        """The message as JSON."""
        found: dict[str, Any] = {
            "changed": self.changed,
            "componentType": self.type,
            "created": self.created,
            "createdDate": at,
            "deleted": self.deleted,
            "fileName": self.file,
            "fullName": self.name,
            "id": self.id or None,
            "problem": self.problem or None,
            "problemType": self.problem_type or None,
            "success": not self.failed,
            "warning": self.problem_type == WARNING,
        }
        if self.line:
            found.update(lineNumber=self.line, columnNumber=self.column)
        return found


@dataclass(slots=True)
class Outcome:
    """All messages of a deploy. `error` is set when it failed as a whole, before any component."""

    messages: list[Message] = field(default_factory=list)
    error: str = ""

    @property
    def failures(self) -> list[Message]:
        """The refused components."""
        return [m for m in self.messages if m.failed]

    @property
    def components(self) -> list[Message]:
        """The components that count: the manifests have no type and do not."""
        return [m for m in self.messages if m.type or m.failed]

    def body(self, at: str) -> dict[str, Any]:
        """Counts and details of a finished deploy."""
        failed = self.failures
        counted = self.components
        shown = [m.body(at) for m in self.messages if not m.failed]
        return {
            "numberComponentErrors": len(failed),
            "numberComponentsDeployed": len(counted) - len(failed),
            "numberComponentsTotal": len(counted),
            "details": {
                "allComponentMessages": [],
                "componentFailures": [m.body(at) for m in failed],
                "componentSuccesses": shown,
                "retrieveResult": None,
                "runTestResult": {
                    "codeCoverage": [],
                    "codeCoverageWarnings": [],
                    "failures": [],
                    "flowCoverage": [],
                    "flowCoverageWarnings": [],
                    "numFailures": 0,
                    "numTestsRun": 0,
                    "successes": [],
                    "totalTime": 0.0,
                },
            },
        }
