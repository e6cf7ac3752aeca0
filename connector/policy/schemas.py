"""JSON Schemas of the files people edit, so that an editor completes keys and marks mistakes while they type.

Not here: the checks an editor cannot make; `handoff check` makes those.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from connector.policy.model.crm import CrmSpec
from connector.policy.model.playbooks import PlaybookFileSpec, PlaybooksFileSpec
from connector.policy.model.process import ProcessSpec
from connector.policy.model.product import ProductSpec
from connector.policy.model.quality import QualitySpec
from connector.policy.model.tests import TestsFileSpec
from connector.settings.file import ConfigSpec

MODELS: Mapping[str, type[BaseModel]] = {
    "config": ConfigSpec,
    "crm": CrmSpec,
    "process": ProcessSpec,
    "playbook": PlaybookFileSpec,
    "playbooks": PlaybooksFileSpec,
    "quality": QualitySpec,
    "product": ProductSpec,
    "tests": TestsFileSpec,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_texts() -> Mapping[str, str]:
    """Each schema's file name and text; the same text in every process."""
    return {f"{name}.json": _text(model) for name, model in MODELS.items()}


def export(folder: Path) -> None:
    """Write all schemas into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (folder / name).write_text(text, encoding="utf-8")


def _text(model: type[BaseModel]) -> str:
    schema = {"$schema": DIALECT, **model.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    export(Path(sys.argv[1] if len(sys.argv) > 1 else "mappings/schemas"))
