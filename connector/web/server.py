"""Serving an ASGI application from a thread of the daemon.

Not here: routes (``app``, ``hooks``). Signals stay with the daemon; this server stops when it is told to.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from connector.errors import Problem, UserError
from connector.web.patience import Impatient, Seldom
from connector.web.peers import Peers

STOP_WAIT = 5.0


class _Quiet(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """The daemon owns the signals."""


def serve_in_thread(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    key: str = "web.port",
    most: int | None = None,
    peers: Peers | None = None,
) -> Callable[[], None]:
    """Serve until the returned function is called. ``most``: connections at once; more are answered 503.

    ``peers`` knows the proxies, which may open more connections than others.

    Raises `UserError` that names the setting ``key`` when the port is taken.
    """
    try:
        bound = socket.create_server((host, port))
    except OSError as error:
        raise UserError(
            [Problem("config", key, f"cannot listen on {host}:{port}: {error.strerror}; choose another port")]
        ) from error
    server = _Quiet(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            # Whose word counts about who calls is for config to say, not for whoever sits on this machine.
            proxy_headers=False,
            http=Impatient.trusting(peers or Peers()),
            limit_concurrency=most,
        )
    )
    noisy = logging.getLogger("uvicorn.error")
    if not any(isinstance(each, Seldom) for each in noisy.filters):
        noisy.addFilter(Seldom())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="web", daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(STOP_WAIT)
        bound.close()

    return stop
