"""One AWS account, embedded in this process.

Control plane: moto, with what it lacks added by the modules beside this one. Nothing outside the process
changes, and nothing stays behind: leaving the account undoes every patch.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from moto import mock_aws
from moto.moto_api._internal import mock_random
from moto.sts.models import sts_backends

from sandbox.aws import lambda_functions as functions
from sandbox.aws import sqs as polling
from sandbox.aws import stepfunctions
from sandbox.aws.cloudformation import template
from sandbox.aws.cloudwatch import alarms as cloudwatch
from sandbox.aws.ecs import install as ecs
from sandbox.aws.ecs import task_definitions as taskdefinitions
from sandbox.aws.ecs.tasks import Timing
from sandbox.aws.events import rules as events
from sandbox.aws.events import scheduler
from sandbox.engine import gateway, server
from sandbox.engine.clock import START, Clock
from sandbox.engine.faults import Faults
from sandbox.engine.gateway import Call
from sandbox.iam import requests as authorization

_ADMINISTRATOR_KEY = "AKIAADMINISTRATOR000"
_clients: dict[tuple[str, str, int], BaseClient] = {}
"""Kept from one account to the next: the keys are the same each time, and making a client is slow."""


class LocalAccount:
    """A context manager. In it, every AWS client of this process talks to this account.

    `pace` is simulated seconds per real second, None to jump from event to event; its time begins at `start`.
    With `http_port` (0 for any free one) the account also answers HTTP at `http_host`: loopback, unless
    containers are to reach it. `processes` asks the data plane for real processes.
    What is drawn by chance (ids, the jitter of retries) is the same for the same `seed`.
    `timing` says how long ECS takes for what.
    """

    account_id = authorization.ACCOUNT
    region = authorization.REGION

    def __init__(
        self,
        *,
        start: datetime = START,
        pace: float | None = None,
        http_port: int | None = None,
        http_host: str = "127.0.0.1",
        processes: bool = False,
        seed: int = 0,
        timing: Timing | None = None,
    ) -> None:
        self.pace = pace
        self.clock = Clock(start, pace)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.processes = processes
        self.seed = seed
        self.leisure: float = 1
        """How many times longer than they ask the workloads in this process rest between two turns."""
        self.endpoint_url: str | None = None
        self._http_address = None if http_port is None else (http_host, http_port)
        self._timing = timing
        self._undo = ExitStack()

    def __enter__(self) -> LocalAccount:
        with ExitStack() as undo:
            self._undo = undo
            self._leave_real_aws()
            undo.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
            self.gateway = gateway.install(self)
            self.functions = functions.install(self)
            self.events = events.install(self)
            scheduler.install(self)
            stepfunctions.install(self)
            # The data plane, and moto's own random ids, so that runs repeat.
            mock_random.seed(self.seed)
            ecs.install(self, self._timing)
            taskdefinitions.install(self)
            cloudwatch.install(self)
            polling.install(self)
            # Undone first: what still runs ends while the account is whole.
            undo.callback(self.clock.close)
            if self._http_address is not None:
                self.endpoint_url, stop = server.start(*self._http_address, self.clock.now)
                undo.callback(stop)
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def patch(self, target: Any, name: str, replacement: Any) -> None:
        """Replace an attribute for as long as the account is open."""
        self._undo.enter_context(patch.object(target, name, replacement))

    def deploy(self, path: Path, parameters: dict[str, str], stack: str = "regrant") -> dict[str, str]:
        """Create the resources of a CloudFormation or SAM template. Returns the outputs."""
        return template.deploy(self, path, parameters, stack)

    def settled(self) -> AbstractContextManager[None]:
        """Services created inside have been running for a while."""
        return ecs.of(self).settled()

    # Clients and credentials

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
        role_arn = authorization.role_arn(role_name)
        digest = sha256(f"{role_arn} {session_name}".encode()).hexdigest().upper()
        return self.issue_credentials(role_arn, session_name, f"ASIA{digest[:16]}")

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
        }
        self._undo.enter_context(patch.dict(os.environ, others | mine, clear=True))
        quiet = logging.NullHandler()
        logging.getLogger("moto").addHandler(quiet)
        self._undo.callback(logging.getLogger("moto").removeHandler, quiet)
