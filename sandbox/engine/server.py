"""The account over HTTP, for any AWS client: a server on one address, on the same backends as the clients in
process. Its Date headers have the account's time, as those of AWS have AWS's.

Like every moto server it does not check signatures. A key that the account issued for a role is that role;
any other key is the administrator, so that `aws --endpoint-url` works with whatever is configured.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.http import http_date
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def start(
    host: str, port: int, now: Callable[[], datetime], around: Callable[[Any], Any]
) -> tuple[str, Callable[[], None]]:
    """(URL, what stops it). Port 0 takes a free one. `now` is the account's time. `around` gives the
    application with what is no operation of AWS's APIs. Raises OSError if taken."""

    class Handler(MotoRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            """For the Date header."""
            return http_date(now() if timestamp is None else timestamp)

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    # werkzeug leaves the process when it cannot bind, so it gets a socket that is bound.
    server = make_server(
        host,
        0,
        around(_say_what_is_missing(DomainDispatcherApplication(_backend_app))),
        threaded=True,
        request_handler=Handler,
        fd=listener.fileno(),
    )
    log = logging.getLogger("werkzeug")
    level, log.level = log.level, logging.ERROR  # a line for each request would bury the story
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="http", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()
        log.setLevel(level)

    return f"http://{host}:{listener.getsockname()[1]}", stop


def _backend_app(service: Any) -> Any:
    application = create_backend_app(service)
    application.config["PROPAGATE_EXCEPTIONS"] = True  # else Flask answers with a page of HTML
    return application


# Signature Version 4: Credential=KEY/DATE/REGION/SERVICE/aws4_request.
_SIGNED_FOR = re.compile(r"Credential=[^/\s]*/[^/\s]*/[^/\s]*/([a-z0-9-]+)/aws4_request")
_INSTEAD = {
    "cloudformation": "`make serve` prints its stack's outputs, and `make enrol` enrols a service with"
    " enrol/service.yaml (docs/local-account.md, Your own service).",
}
"""What to do where a whole service is missing that people look for."""


def _about(environ: WSGIEnvironment, error: Exception) -> str:
    signed = _SIGNED_FOR.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = signed[1] if signed else "this service"
    if service in _INSTEAD or isinstance(error, ImportError):  # moto needs more packages for some services
        return f"The local account does not stand for {service}. {_INSTEAD.get(service, '')}".strip()
    return f"The local account does not stand for this operation ({type(error).__name__}: {error})."


def _say_what_is_missing(application: Any) -> Any:
    """An error in AWS's own form where moto has no such operation, or needs what is not installed for it."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return list(application(environ, start_response))
        except Exception as error:
            about = _about(environ, error)
            kind = environ.get("CONTENT_TYPE", "")
            if "json" in kind:
                body, kind = json.dumps({"__type": "NotImplemented", "message": about}), str(kind)
            else:
                words = f"<Code>NotImplemented</Code><Message>{escape(about)}</Message>"
                body, kind = f"<ErrorResponse><Error>{words}</Error></ErrorResponse>", "text/xml"
            start_response("501 Not Implemented", [("Content-Type", kind)])
            return [body.encode()]

    return answer
