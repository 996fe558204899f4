"""What every service of the account stands on: time, faults, calls, credentials, clients and patches.

A service's module is installed with this core alone and knows nothing of the account that composes them all
(sandbox.account).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from moto.sts.models import sts_backends

from sandbox.engine.clock import START, Clock
from sandbox.engine.faults import Faults
from sandbox.engine.rates import Rates
from sandbox.iam.requests import ACCOUNT, REGION, role_arn

_ADMINISTRATOR_KEY = "AKIAADMINISTRATOR000"
_clients: dict[tuple[str, str, int], BaseClient] = {}
"""Kept from one account to the next: the keys are the same each time, and making a client is slow."""


@dataclass(frozen=True)
class Call:
    """One AWS request, as a trail would show it."""

    at: datetime
    service: str
    operation: str
    principal: str
    resource: str
    allowed: bool
    function: str | None = None
    error: str | None = None
    """Error code of the answer."""
    parameters: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


class Core:
    """`pace` is simulated seconds per real second, None to jump from event to event; time begins at `start`.

    `processes` asks the data plane for real processes. What is drawn by chance is the same for one `seed`.
    """

    account_id = ACCOUNT
    region = REGION

    def __init__(
        self, *, start: datetime = START, pace: float | None = None, processes: bool = False, seed: int = 0
    ) -> None:
        self.pace = pace
        self.clock = Clock(start, pace)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.owed_sleep: float = 0
        """Seconds that the SDK wanted to sleep between its tries, in the function that runs: it sleeps in the
        end, because it runs with a lock held."""
        self.rates = Rates(lambda: self.clock.elapsed() + self.owed_sleep, seed)
        self.processes = processes
        self.seed = seed
        self.idle_factor: float = 1
        """How many times longer than they ask the workloads in this process rest between two turns."""
        self.endpoint_url: str | None = None
        self._undo = ExitStack()

    def patch(self, target: Any, name: str, replacement: Any, *, new: bool = False) -> None:
        """Replace an attribute, or with `new` add one, for as long as the account is open."""
        self._undo.enter_context(patch.object(target, name, replacement, create=new))

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call it when the account closes, before what was set up earlier is undone."""
        self._undo.callback(callback)

    def client(self, service: str) -> BaseClient:
        """The administrator's client. IAM does not check it."""
        return self._client(service, (_ADMINISTRATOR_KEY, "administrator", ""), None)

    def role_client(
        self, role_name: str, service: str, session_name: str, config: Config | None = None
    ) -> BaseClient:
        """A client with credentials of the role. IAM checks each of its calls."""
        return self._client(service, tuple(self.role_credentials(role_name, session_name).values()), config)

    def session_client(self, credentials: Mapping[str, str], service: str) -> BaseClient:
        """A client with credentials that STS gave out (its shape Credentials). IAM checks its calls, too."""
        keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
        return self._client(service, keys, None)

    def role_credentials(self, role_name: str, session_name: str) -> dict[str, str]:
        """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN."""
        arn = role_arn(role_name)
        digest = sha256(f"{arn} {session_name}".encode()).hexdigest().upper()
        return self.issue_credentials(arn, session_name, f"ASIA{digest[:16]}")

    def issue_credentials(self, role_arn: str, session_name: str, access_key: str) -> dict[str, str]:
        """Credentials of the role under this key, as a service gets them that runs something in the role."""
        sessions = sts_backends[self.account_id]["aws"]
        secret, token = f"secret-of-{access_key}", f"token-of-{access_key}"
        if sessions.get_assumed_role_from_access_key(access_key) is None:
            session = sessions.assume_role(self.region, session_name, role_arn, "", 3600, "")
            session.access_key_id, session.secret_access_key = access_key, secret
            session.session_token = token
        return {
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    def _client(self, service: str, credentials: tuple[str, ...], config: Config | None) -> BaseClient:
        key = (service, credentials[0], id(config))
        if key not in _clients:
            session = botocore.session.Session()
            access_key, secret, token = credentials
            _clients[key] = session.create_client(
                service,
                region_name=self.region,
                aws_access_key_id=access_key,
                aws_secret_access_key=secret,
                aws_session_token=token or None,
                config=config,
            )
        return _clients[key]

    def _leave_real_aws(self) -> None:
        """No profile, endpoint or credential of the developer's reaches a client; moto does not print."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        mine = {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": self.region,
            "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # hundreds of images, which nothing here reads
        }
        self._undo.enter_context(patch.dict(os.environ, others | mine, clear=True))
        quiet = logging.NullHandler()
        logging.getLogger("moto").addHandler(quiet)
        self._undo.callback(logging.getLogger("moto").removeHandler, quiet)
