"""What the connector's own export puts into an org, as a folder and as the package the vendor's converter makes of it.

Not here: any expectation, and any client.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import node_tools
from provisioned import Bare

CONVERT = Path(__file__).parent / "convert.js"


def exported(org: Bare, folder: Path) -> Path:
    """The source project that ``handoff provision --export`` writes for this org; nothing is written to the org."""
    ran = org.provision("--export", str(folder))
    assert ran.code == 0, ran.text
    assert not org.deploys()
    return folder


def converted(project: Path, folder: Path) -> bytes:
    """The project as a deployable zip, made by the vendor's own converter."""
    node_tools.run(CONVERT, "metadata", str(project / "force-app"), str(folder))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return held.getvalue()
