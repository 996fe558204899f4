"""Where questions are asked: one endpoint, names of one's own, and an end that takes everything away."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"
PATIENCE = 30.0
"""Seconds that an execution may take to end."""


class NotLoopback(Exception):
    """The endpoint is not on this machine. The text says what to do."""


class NotThere(Exception):
    """The emulator says that it does not have this."""


class Place:
    """A context manager; inside, `later` keeps what has to be undone. `wait` lets time pass there."""

    def __init__(self, client: Callable[..., Any], wait: Callable[[float], object] = time.sleep) -> None:
        self.client, self.wait = client, wait
        self._undo = ExitStack()

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def later(self, call: Callable[..., object], **arguments: Any) -> None:
        """Undo something at the end. An emulator that cannot is left as it is: it is nobody's account."""

        def undo() -> None:
            with contextlib.suppress(ClientError, BotoCoreError):
                call(**arguments)

        self._undo.callback(undo)


def refusal(call: Callable[..., object], **arguments: Any) -> str:
    """The code with which the call is refused, or "no refusal"."""
    try:
        call(**arguments)
    except ClientError as error:
        raise_if_not_there(error)
        return str(error.response["Error"]["Code"])
    return "no refusal"


def raise_if_not_there(error: ClientError) -> None:
    """Raises NotThere if the answer says that the operation does not exist there."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    words = f"{code} {text}".lower().replace(" ", "")
    if status == 501 or any(each in words for each in ("notimplemented", "unknownoperation", "notyetimpl")):
        raise NotThere(f"{error.operation_name}: {code}") from error


def clients(endpoint: str) -> Callable[..., BaseClient]:
    """A client of a service there, never with the credentials, the proxy or the endpoints of the environment.

    Raises NotLoopback. HTTPS takes the certificates that AWS_CA_BUNDLE names.
    """
    _check(endpoint)
    config = Config(proxies={}, ignore_configured_endpoint_urls=True, retries={"total_max_attempts": 2})
    session = botocore.session.Session()

    def client(service: str, **credentials: str) -> BaseClient:
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"} | credentials
        made: BaseClient = session.create_client(
            service, region_name=REGION, endpoint_url=endpoint, config=config, **keys
        )
        return made

    return client


def _check(endpoint: str) -> None:
    example = "make second-opinion ENDPOINT=http://127.0.0.1:4566. Nothing was asked."
    if not endpoint:
        raise NotLoopback(f"no ENDPOINT is given. Say where an emulator listens: {example}")
    if not endpoint.startswith(("http://", "https://")):
        raise NotLoopback(f"{endpoint} does not begin with http:// or https://. Say {example}")
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here or parts.username is not None:
        raise NotLoopback(f"{endpoint} is not on this machine. Say where an emulator listens, as {example}")
