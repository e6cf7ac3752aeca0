"""Who else can read a secret's file, or change a file that decides what is done: by modes, as the kernel would judge.

Not here: what the files hold (``secrets``, ``spans``), access lists beyond modes, and Windows, which has no modes. A
file counts as open to others only if they can get to it: every folder above it must let them pass. Symbolic links are
followed first, so the links of a Kubernetes volume count as what they point at.

A secret's file may be readable by its owner and, where the owner is somebody else, by a group this process is in: so a
secret comes from root by Kubernetes (``fsGroup``, ``defaultMode: 0440``), systemd or Compose. A file of this process's
own user needs no group. Readable by everyone is refused wherever it is, a container too: whoever else runs code there,
by a hole in a library or a side-car, would read it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

KUBERNETES_LINK = "..data"
"""The link a kubelet switches when a mounted secret changes."""


def why_not_secret(path: Path) -> str:
    """Why a secret in this file is not kept from others, with what to run; empty when it is. Raises OSError."""
    if os.name != "posix":
        return ""
    real = path.resolve(strict=True)
    told = real.stat()
    if not stat.S_ISREG(told.st_mode):
        return ""  # a pipe is read once and leaves nothing behind
    if told.st_mode & (stat.S_IROTH | stat.S_IWOTH) and _reached(real, stat.S_IXOTH):
        return f"is open to every user of this machine; {_advice(path, real, told)}"
    if told.st_mode & (stat.S_IRGRP | stat.S_IWGRP) and _reached(real, stat.S_IXGRP | stat.S_IXOTH):
        if told.st_uid == os.geteuid() and not _only_group(told.st_gid):
            return f"is open to its group; run: chmod 600 {path}"
        if told.st_gid not in {os.getegid(), *os.getgroups()}:
            return f"is open to a group that this program is not in; {_advice(path, real, told)}"
    return ""


def why_not_trusted(path: Path) -> str:
    """Why a file that everyone may change cannot be followed, with what to run; empty when it can. Raises OSError."""
    if os.name != "posix":
        return ""
    real = path.resolve(strict=True)
    mode = real.stat().st_mode
    open_to_all = mode & stat.S_IWOTH and _reached(real, stat.S_IXOTH)
    if not open_to_all or os.statvfs(real).f_flag & os.ST_RDONLY:
        return ""
    return f"every user of this machine may change it; run: chmod o-w {path}"


def _only_group(group: int) -> bool:
    """Whether the group is root's own, which holds nobody who is not root in all but name."""
    return group == 0 and os.geteuid() == 0


def _reached(real: Path, pass_bits: int) -> bool:
    return all(folder.stat().st_mode & pass_bits for folder in real.parents)


def _advice(path: Path, real: Path, told: os.stat_result) -> str:
    if real.parent.name.startswith("..") and (path.parent / KUBERNETES_LINK).is_symlink():
        return (
            "set defaultMode: 0440 on the secret's volume, and fsGroup to this program's group, in the pod's manifest"
        )
    if told.st_uid == os.geteuid():
        return f"run: chmod 600 {path}"
    return f"run as its owner: chmod 640 {path} and chgrp {os.getegid()} {path}"
