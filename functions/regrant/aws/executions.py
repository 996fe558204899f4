"""The state machine's executions, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.clock import iso
from regrant.errors import AwsRefused
from regrant.model.aws import Execution, Sent
from regrant.model.runs import PREFIX, is_handover, of_handovers

_LATEST = 5
"""Events: two are of the call that is under way. Each may have the run's whole state."""
_NO_NAME = ("InvalidArn", "ValidationException")
"""What is no name of an execution is none of a run, either."""
_ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")


def name_of_function(arn: str) -> str:
    """Of a function's ARN, with or without a version."""
    return arn.partition(":function:")[2].partition(":")[0]


def execution_arn(machine: str, execution: str) -> str:
    """machine: the runbook's ARN. A handover is named with its prefix, and is of the stack's other one."""
    if is_handover(execution):
        machine, execution = of_handovers(machine), execution.removeprefix(PREFIX)
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{execution}"


class StateMachineExecutions:
    """Implements ports.Executions and ports.Runs. `machine` is the runbook's ARN."""

    def __init__(self, stepfunctions: Any, machine: str) -> None:
        self._stepfunctions = stepfunctions
        self._machine = machine

    def ended_at(self, execution: str) -> str | None:
        """Of a run that goes on, or is not known, None. Raises AwsUnavailable, AwsRefused (denied)."""
        found = self.look(execution)
        return found.ended_at if found else None

    def look(self, execution: str) -> Execution | None:
        """DescribeExecution: status, input, stopDate. None if there is none of that name: it is eventually
        consistent, so it may have begun just now; and one is known for 90 days after its end. Nor is there
        one of what is no name.

        Raises AwsUnavailable, AwsRefused (denied).
        """
        try:
            with aws_errors():
                shape = self._stepfunctions.describe_execution(executionArn=self._arn(execution))
        except AwsRefused as refused:
            if refused.code in ("ExecutionDoesNotExist", *_NO_NAME):
                return None
            raise
        status, given, stopped = shape["status"], shape.get("input", ""), shape.get("stopDate")
        if status == "RUNNING" or stopped is None:
            return Execution(status, given)
        ended = iso(stopped)
        return Execution(status, given, str(ended))

    def waits_for(self, execution: str) -> Sent | None:
        """GetExecutionHistory, the latest events first: of a call that is under way they are
        LambdaFunctionStarted and LambdaFunctionScheduled, which has its input; of one with a task token
        TaskStarted and TaskScheduled, whose parameters have it. Data is never shortened there (API reference,
        HistoryEventExecutionDataDetails). None of a run that has ended. Of one that is not known, nothing: a
        run that has begun just now might not be. Raises AwsUnavailable, AwsRefused (denied).
        """
        try:
            with aws_errors():
                shape = self._stepfunctions.get_execution_history(
                    executionArn=self._arn(execution), reverseOrder=True, maxResults=_LATEST
                )
        except AwsRefused as refused:
            if refused.code == "ExecutionDoesNotExist":
                return Sent()
            if refused.code in _NO_NAME:
                return None
            raise
        # Two events of one millisecond are in the order of their ids.
        for event in sorted(shape["events"], key=lambda each: -each["id"]):
            if event["type"] in _ENDS:
                return None
            if event["type"] == "LambdaFunctionScheduled":
                details = event["lambdaFunctionScheduledEventDetails"]
                return Sent(name_of_function(details["resource"]), json.loads(details["input"]))
            if event["type"] == "TaskScheduled":
                given = json.loads(event["taskScheduledEventDetails"]["parameters"])
                return Sent(name_of_function(given.get("FunctionName", "")), given.get("Payload"))
            if event["type"] not in ("LambdaFunctionStarted", "TaskStarted"):
                break
        return Sent()

    def _arn(self, execution: str) -> str:
        return execution_arn(self._machine, execution)

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
