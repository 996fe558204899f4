"""One AWS account, embedded in this process.

Control plane: moto, with what it lacks added by sandbox.engine and sandbox.aws. Nothing outside the process
changes, and nothing stays behind: leaving the account undoes every patch.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType

from moto import mock_aws
from moto.moto_api._internal import mock_random

from sandbox.aws import cloudtrail, function_urls, lambda_functions, lambda_layers, sqs, stepfunctions
from sandbox.aws.cloudformation import template
from sandbox.aws.cloudwatch import alarms, composite, logs
from sandbox.aws.codebuild import install as codebuild
from sandbox.aws.ecs import install as ecs
from sandbox.aws.ecs import task_definitions
from sandbox.aws.ecs.tasks import Timing
from sandbox.aws.events import rules, scheduler
from sandbox.engine import gateway, moto_memory, moto_time, server
from sandbox.engine.clock import START
from sandbox.engine.core import Core


class LocalAccount(Core):
    """A context manager. In it, every AWS client of this process talks to this account.

    With `http_port` (0 for any free one) the account also answers HTTP at `http_host`: loopback, unless
    containers are to reach it. `timing` says how long ECS takes for what. The others are Core's.
    """

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
        super().__init__(start=start, pace=pace, processes=processes, seed=seed)
        self._http_address = None if http_port is None else (http_host, http_port)
        self._timing = timing or Timing()

    def __enter__(self) -> LocalAccount:
        with ExitStack() as undo:
            self._undo = undo
            self._leave_real_aws()
            undo.enter_context(mock_aws(config={"stepfunctions": {"execute_state_machine": True}}))
            moto_memory.install(self)
            self.gateway = gateway.install(self)
            self.functions = lambda_functions.install(self, self.gateway)
            self.function_urls = function_urls.install(self, self.gateway, self.functions.invoke)
            self.layers = lambda_layers.install(self)
            self.events = rules.install(self)
            scheduler.install(self, self.events.undelivered)
            stepfunctions.install(self, self.events.execution_changed)
            self.trail = cloudtrail.install(self, self.gateway)
            moto_time.install(self)
            # The data plane, and moto's own random ids, so that runs repeat.
            mock_random.seed(self.seed)
            self.ecs = ecs.install(self, self._timing)
            task_definitions.install(self, self.ecs, self.gateway)
            self.logs = logs.install(self)
            alarms.install(self)
            composite.install(self, self.events.alarm_changed, rules.alarm_state)
            sqs.install(self)
            self.builds = codebuild.install(self, self.gateway, self.events.emit)
            # Undone first: what still runs ends while the account is whole.
            undo.callback(self.clock.close)
            if self._http_address is not None:
                self.endpoint_url, stop = server.start(
                    *self._http_address,
                    self.clock.now,
                    lambda application: self.layers.serve(self.function_urls.serve(application)),
                )
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

    def deploy(self, path: Path, parameters: dict[str, str], stack: str = "regrant") -> dict[str, str]:
        """Create the resources of a CloudFormation or SAM template. Returns the outputs."""
        return template.deploy(self, path, parameters, stack, self.functions.use_code)

    def settled(self) -> AbstractContextManager[None]:
        """Services created inside have been running for a while."""
        return self.ecs.settled()
