"""The state machine's executions, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.aws import Execution


class StateMachineExecutions:
    """Implements ports.Executions and ports.Runs. `machine` is the state machine's ARN."""

    def __init__(self, stepfunctions: Any, machine: str) -> None:
        self._stepfunctions = stepfunctions
        self._machine = machine

    def ended_at(self, execution: str) -> str | None:
        """Of a run that goes on, or is not known, None. Raises AwsUnavailable, AwsRefused (denied)."""
        found = self.look(execution)
        return found.ended_at if found else None

    def look(self, execution: str) -> Execution | None:
        """DescribeExecution: status, input, stopDate. None if there is none of that name: it is eventually
        consistent, so it may have begun just now; and one is known for 90 days after its end.

        Raises AwsUnavailable, AwsRefused (denied).
        """
        arn = f"{self._machine.replace(':stateMachine:', ':execution:', 1)}:{execution}"
        try:
            with aws_errors():
                shape = self._stepfunctions.describe_execution(executionArn=arn)
        except AwsRefused as refused:
            if refused.code == "ExecutionDoesNotExist":
                return None
            raise
        status, given, stopped = shape["status"], shape.get("input", ""), shape.get("stopDate")
        if status == "RUNNING" or stopped is None:
            return Execution(status, given)
        ended = stopped.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Execution(status, given, str(ended))

    def start(self, name: str, given: Mapping[str, Any]) -> None:
        """StartExecution. While a run of that name and input goes on, AWS answers a second start like the
        first; once it has ended, AWS refuses the name for 90 days, which counts as started too.

        Raises AwsUnavailable (also for too many starts at the same time), AwsRefused (denied, no such state
        machine, the quota of open executions).
        """
        try:
            with aws_errors():
                # One and the same text each time: another input would be another run.
                self._stepfunctions.start_execution(
                    stateMachineArn=self._machine, name=name, input=json.dumps(given, sort_keys=True)
                )
        except AwsRefused as refused:
            if refused.code != "ExecutionAlreadyExists":
                raise
