"""What a process leaves behind when it dies of a fault: one event without values of variables, and no memory dump.

Not here: faults that are expected (each module's own). Python's tracebacks name files, lines and the exception's own
words; the words go through the log's redaction like everything else that is written.
"""

from __future__ import annotations

import ctypes
import resource
import sys
import threading
import traceback
from types import TracebackType

import structlog

from connector.logs import Redaction
from connector.plain import escaped

PROCESS_CRASHED = "process.crashed"
THREAD_CRASHED = "thread.crashed"

PR_SET_DUMPABLE = 4
"""prctl(2): 0 keeps the kernel from dumping the process and other processes of the same user from reading it."""


def log_crashes() -> None:
    """From now on an exception that nothing catches becomes a log event, in any thread. The log must be set up."""
    sys.excepthook = _log_process
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def show_crashes() -> None:
    """The same for a command without a log: a traceback on standard error, secrets taken out by their look."""
    sys.excepthook = _show


def no_dumps() -> None:
    """No core file of this process, which would hold every secret it knows; as far as the system lets it be said."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _log_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().critical(PROCESS_CRASHED, exc_info=(kind, error, trace))


def _log_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is None or issubclass(told.exc_type, SystemExit):
        return
    name = told.thread.name if told.thread else ""
    exc = (told.exc_type, told.exc_value, told.exc_traceback)
    structlog.get_logger().critical(THREAD_CRASHED, thread=name, exc_info=exc)


def _log_unraisable(told: sys.UnraisableHookArgs) -> None:
    if told.exc_value is not None:
        exc = (told.exc_type, told.exc_value, told.exc_traceback)
        structlog.get_logger().critical(THREAD_CRASHED, thread=threading.current_thread().name, exc_info=exc)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    text = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(escaped(Redaction().text(text), keep="\n"))
