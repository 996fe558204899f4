"""The account over HTTP, for any AWS client: one server on loopback, on the same backends as the clients in
process.

Like every moto server it does not check signatures. A key that the account issued for a role is that role;
any other key is the administrator, so that `aws --endpoint-url` works with whatever is configured.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def start(port: int) -> tuple[str, Callable[[], None]]:
    """(URL, what stops it). Port 0 takes a free one. Raises OSError if the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    # werkzeug leaves the process when it cannot bind, so it gets a socket that is bound.
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server(
        "127.0.0.1",
        0,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listener.fileno(),
    )
    log = logging.getLogger("werkzeug")
    level, log.level = log.level, logging.ERROR  # a line for each request would bury the story
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()
        log.setLevel(level)

    return f"http://127.0.0.1:{listener.getsockname()[1]}", stop
