"""Ends everything that a run started, however the run ends: in order, by Ctrl-C or a signal, or by kill -9.

Not here: what is started, and ending it in its own way when nothing disturbs the run. Processes are found in Linux's
/proc; where there is none (macOS), nothing is guarded: Ctrl-C unwinds the run as far as it can, and what a killed run
leaves must be looked for by hand.
"""

# How: everything a run starts inherits an environment in which the run's folder is named, and /proc tells the
# environment that each process began with. A process beside the run holds the end of a pipe whose other end the run
# alone has; when that closes, for whatever reason, it kills all that carry the mark until none is left. Asking the
# kernel to kill children with their parent (PR_SET_PDEATHSIG) is not enough: it strikes when the thread that forked
# ends, which here are threads of pools; it would have to be asked for by every place that starts something; and
# PostgreSQL leaves its parent on purpose and has another user, which takes the request back.

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MARK = "CHAOS_RUN"
"""The variable that names the run's folder; not HANDOFF_*, which a daemon is not handed down."""

PROC, MOUNTS = Path("/proc"), Path("/proc/self/mounts")
IN_MEMORY = Path("/dev/shm")
DAEMON = ["-m", "connector", "run"]
AGAIN = 0.05
QUIET = 2
"""Looks in a row that find nobody: a process may be between its parent's environment and its own in one."""

PATIENCE = 8.0
"""Seconds that one who is asked to end in its own way is given; after as many again nobody is waited for."""

ASKED = {"postgres": signal.SIGQUIT}
"""Who is not killed, and what they are told: PostgreSQL's "immediate", which gives its shared memory back."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IN_ORDER = b"."


def available() -> bool:
    """Whether processes can be found here."""
    return (PROC / "self" / "environ").exists()


def marked(folder: Path) -> dict[int, str]:
    """The processes that the run of this folder started and that live, with their names; never this one."""
    found = {}
    for each in PROC.iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
                if _is_ours(each, folder):
                    found[int(each.name)] = (each / "comm").read_text().strip()
    return found


def _is_ours(process: Path, folder: Path) -> bool:
    """Whether it carries the run's mark. A daemon lets nobody read its memory, and its environment with it, but for who
    may trace any process; then it is known by its config, which lies in the run's folder."""
    try:
        return f"{MARK}={folder}".encode() in (process / "environ").read_bytes().split(b"\0")
    except PermissionError:
        words = [os.fsdecode(each) for each in (process / "cmdline").read_bytes().split(b"\0")]
        config = dict(itertools.pairwise(words)).get("--config", "")
        return words[1:4] == DAEMON and folder in Path(config).parents


def sweep(folder: Path) -> int:
    """End all of them, and take away what they kept outside the folder. Returns how many there were."""
    began, ended, homes, quiet = time.monotonic(), set[int](), set[Path](), 0
    while quiet < QUIET and (late := time.monotonic() - began) < 2 * PATIENCE:
        found = marked(folder)
        for pid, name in found.items():
            if name in ASKED and late < PATIENCE:
                homes |= _home(pid)
                if pid not in ended:
                    _tell(pid, ASKED[name])
            else:
                _tell(pid, signal.SIGKILL)
        ended |= found.keys()
        quiet = 0 if found else quiet + 1
        time.sleep(AGAIN)
    _unmount(folder)
    for home in homes | set(IN_MEMORY.glob(f"{folder.name}-*")):
        shutil.rmtree(home, ignore_errors=True)
    return len(ended)


@contextlib.contextmanager
def over(folder: Path, *, leaving: Callable[[], str]) -> Iterator[None]:
    """Guard the run of this folder. A signal ends all that it started and the process, with 128 and its number as the
    exit code, after one line with the words of ``leaving``, which is called before anything is ended."""
    if not available():
        yield
        return
    _track()
    command = [sys.executable, "-I", "-S", __file__, str(folder)]
    beside = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # out of Ctrl-C's reach
    pipe = beside.stdin
    assert pipe is not None

    def break_off(number: int, _frame: object) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        words, name = leaving(), signal.Signals(number).name
        _say(f"BROKEN OFF by {name} {words}; {_ended(sweep(folder))}. What it left is in {folder}")
        _write(pipe.fileno(), IN_ORDER)
        pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            beside.wait(PATIENCE)
        os._exit(128 + number)  # unwinding would wait for threads that wait for what was just ended

    before = {each: signal.getsignal(each) for each in ENDING}
    for each in ENDING:
        if each != signal.SIGHUP or before[each] != signal.SIG_IGN:  # nohup's wish
            signal.signal(each, break_off)
    os.environ[MARK] = str(folder)
    try:
        yield
    finally:
        del os.environ[MARK]
        for each, handler in before.items():
            signal.signal(each, handler)
        beside.communicate(IN_ORDER)


def lane() -> None:
    """In a process of the run: Ctrl-C, which a terminal sends to all of them, is the run's own affair.

    Not ignored but heard in vain, for what is ignored stays so in whatever is started from here.
    """
    signal.signal(signal.SIGINT, lambda _number, _frame: None)


def _track() -> None:
    """Start Python's own watcher of semaphores now: unmarked, it outlives the others and takes away what they leave;
    and that they leave something when they are killed is no news."""
    from multiprocessing import resource_tracker

    sys.warnoptions.append("ignore:resource_tracker")  # handed on to it at its start
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()


def _tell(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _say(line: str) -> None:
    """On standard error by the system's own call: whoever was printing may be in the midst of it."""
    _write(2, f"{line}\n".encode())


def _write(to: int, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the terminal, or whoever read, may be gone
        os.write(to, data)


def _ended(count: int) -> str:
    return f"{count} process{'' if count == 1 else 'es'} ended with it"


def _home(pid: int) -> set[Path]:
    """The folder of a PostgreSQL server that was made for this run."""
    with contextlib.suppress(OSError, ValueError):
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        home = Path(os.fsdecode(words[words.index(b"-D") + 1])).parent
        return {home} if home.name.startswith("handoff-") else set()
    return set()


def _unmount(folder: Path) -> None:
    with contextlib.suppress(OSError):
        # A space in a name stands there as \\040 (man 5 proc).
        places = [Path(line.split()[1].replace("\\040", " ")) for line in MOUNTS.read_text().splitlines()]
        for place in places:
            if folder in place.parents:
                subprocess.run(["umount", "-l", str(place)], check=False)


def _watch(folder: Path) -> None:
    """Wait for the end of the run, and end what it left; said aloud when it did not end in order."""
    in_order = sys.stdin.buffer.read() == IN_ORDER
    count = sweep(folder)
    if not in_order:
        _say(f"KILLED: the run is gone; {_ended(count)}. What it left is in {folder}")


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
