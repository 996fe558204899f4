"""AWS Step Functions: moto's interpreter of state machines, on simulated time, with the state machine's own
role.

Differences from moto that AWS's documentation or recordings ask for: a name is made up for an unnamed
execution (StartExecution); times in the context object are ISO text with Z (Context object); a client error
of Lambda is named Lambda.<code>, and a refused invocation Lambda.AWSLambdaException ("Handling errors in
Step Functions workflows"); SendTaskFailure's cause is handed on (API reference); names and inputs have
limits, and a history can be asked for backwards (Service quotas; GetExecutionHistory); a change of status
goes to EventBridge ("Step Functions Execution Status Change"); a Choice that compares what is not there
fails the execution with States.Runtime (IsPresent may ask for it).
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from collections.abc import Callable
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import moto.stepfunctions.parser.asl.component.common.retry.jitter_strategy_decl as jitter
import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.exceptions import ValidationException
from moto.stepfunctions.parser import utils
from moto.stepfunctions.parser.api import (
    ExecutionAbortedEventDetails,
    ExecutionFailedEventDetails,
    ExecutionStatus,
    HistoryEventType,
    LambdaFunctionFailedEventDetails,
)
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison_operator_type import (
    ComparisonOperatorType,
)
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison_variable import (
    ComparisonVariable,
)
from moto.stepfunctions.parser.asl.component.state.choice.comparison.variable import NoSuchVariable
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import StateTaskLambda
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from sandbox.engine.core import Core
from sandbox.engine.moto_standins import StandIns, moment
from sandbox.engine.roles import trusts
from sandbox.iam.requests import ACCOUNT, REGION

_parse = lru_cache(maxsize=64)(AmazonStateLanguageParser.parse)
"""Parsing takes most of the time of a short run. Parsed programs hold no state: it is in the environment's
heap.
"""

_paths = {module: lru_cache(maxsize=256)(module.parse) for module in (json_path, result_path)}
"""The interpreter makes a parser for each JSON path, each time it meets it. Parsed paths hold no state."""

_STATES = "states.amazonaws.com"
_INPUT_BYTES = 262_144
# The interpreter's own validation would cost a second, and the clients talk to this process only.
_CONFIG = Config(parameter_validation=False, retries={"total_max_attempts": 1, "mode": "standard"})


def install(core: Core, status_changed: Callable[[Execution], None]) -> None:
    """`status_changed` is called with each execution that starts or ends."""
    standins = StandIns(core.clock)
    _use_clock(core, standins)
    _name_executions(core)
    _use_role(core)
    _name_errors(core)
    _compare_only_what_is_there(core)
    _report_status(core, status_changed)
    _describe(core)
    core.patch(AmazonStateLanguageParser, "parse", staticmethod(_parse))
    for module, parse in _paths.items():
        core.patch(module, "parse", parse)


def _use_clock(core: Core, standins: StandIns) -> None:
    # moto keeps every thread for good, and with it the account.
    core.on_close(utils.TMP_THREADS.clear)
    for module, name, standin in standins.replacements("moto.stepfunctions.parser"):
        core.patch(module, name, standin)
    # Full jitter, drawn from the same row of numbers in each run.
    core.patch(jitter, "random", random.Random(core.seed))
    eval_body = retrier.RetrierDecl._eval_body
    time = SimpleNamespace()
    core.patch(retrier, "time", time)

    def retried(self: Any, env: Any) -> None:
        # Stopping the execution ends the wait between two tries.
        time.sleep = lambda seconds: env.program_state_event.wait(seconds)
        eval_body(self, env)

    core.patch(retrier.RetrierDecl, "_eval_body", retried)
    environment = ExecutionWorker._get_evaluation_environment

    def with_text(self: Any) -> Any:
        env = environment(self)
        execution = env.states.context_object.context_object_data["Execution"]
        execution["StartTime"] = moment(core.clock.now()).isoformat()
        return env

    core.patch(ExecutionWorker, "_get_evaluation_environment", with_text)


def _name_executions(core: Core) -> None:
    start_execution = StepFunctionsParserBackend.start_execution
    names = random.Random(core.seed)

    def named(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: Any = None,
        *rest: Any,
    ) -> Any:
        if name is not None:
            self._validate_name(name)
        if execution_input is not None and len(execution_input.encode()) > _INPUT_BYTES:
            # A sensitive value is not repeated; the rest is as for every other length.
            raise ValidationException(
                "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have"
                f" length less than or equal to {_INPUT_BYTES}"
            )
        made_up = str(uuid.UUID(int=names.getrandbits(128), version=4))
        return start_execution(self, state_machine_arn, name or made_up, execution_input, *rest)

    core.patch(StepFunctionsParserBackend, "start_execution", named)


def _use_role(core: Core) -> None:
    def client_for(region: str, service: str, state_credentials: Any = None) -> BaseClient:
        arn = state_credentials.role_arn
        role = arn.rpartition("/")[2]
        machines = stepfunctions_parser_backends[ACCOUNT][REGION].state_machines
        if not any(_trusted(role, machine.arn) for machine in machines if machine.roleArn == arn):
            refusal = {"Code": "AccessDeniedException", "Message": f"{_STATES} may not assume {arn}"}
            answer = {"HTTPStatusCode": 403, "RequestId": ""}
            raise ClientError({"Error": refusal, "ResponseMetadata": answer}, "AssumeRole")
        return core.role_client(role, service, "states", _CONFIG)

    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.parser") and hasattr(module, "boto_client_for"):
            core.patch(module, "boto_client_for", client_for)


def _trusted(role: str, machine_arn: str) -> bool:
    """Developer guide, "Creating an IAM role for your state machine"."""
    return trusts(role, _STATES, {"aws:sourcearn": machine_arn, "aws:sourceaccount": ACCOUNT})


def _name_errors(core: Core) -> None:
    from_error = StateTaskLambda._from_error
    error_and_cause = StateTaskServiceLambda._error_cause_from_client_error

    def named(error: ClientError) -> tuple[str, str]:
        name, cause = error_and_cause(error)
        refused = error.response["Error"]["Code"] == "AccessDeniedException"
        return ("Lambda.AWSLambdaException" if refused else name), cause

    def with_client_errors(self: Any, env: Any, ex: Exception) -> Any:
        failure = from_error(self, env, ex)
        if isinstance(ex, ClientError):
            error, cause = named(ex)
        elif isinstance(ex, BotoCoreError):
            error, cause = "Lambda.SdkClientException", str(ex)
        else:
            return failure
        details = LambdaFunctionFailedEventDetails(error=error, cause=cause)
        return FailureEvent(
            env,
            CustomErrorName(error),
            HistoryEventType.LambdaFunctionFailed,
            EventDetails(lambdaFunctionFailedEventDetails=details),  # type: ignore[typeddict-item]  # one of many
        )

    def with_cause(self: Any) -> ActionResult:
        given = (self._get_param(name) for name in ("taskToken", "error", "cause"))
        self.stepfunction_backend.send_task_failure(*given)
        return EmptyResult()

    core.patch(StepFunctionResponse, "send_task_failure", with_cause)
    core.patch(StateTaskServiceLambda, "_error_cause_from_client_error", staticmethod(named))
    core.patch(StateTaskLambda, "_from_error", with_client_errors)


def _compare_only_what_is_there(core: Core) -> None:
    def compared(self: Any, env: Any) -> None:
        self.variable.eval(env)
        function, value = self.comparison_function, env.stack[-1]
        if (
            isinstance(value, NoSuchVariable)
            and function.operator_type is not ComparisonOperatorType.IsPresent
        ):
            raise FailureEventException(_runtime_error(env, f"Invalid path {value.path}"))
        function.eval(env)

    core.patch(ComparisonVariable, "_eval_body", compared)


def _runtime_error(env: Any, cause: str) -> FailureEvent:
    name = StatesErrorNameType.StatesRuntime
    details = ExecutionFailedEventDetails(error=name.to_name(), cause=cause)
    return FailureEvent(
        env,
        StatesErrorName(name),
        HistoryEventType.ExecutionFailed,
        EventDetails(executionFailedEventDetails=details),  # type: ignore[typeddict-item]  # one of many
    )


def _report_status(core: Core, status_changed: Callable[[Execution], None]) -> None:
    start, stop = Execution.start, Execution.stop
    terminated = BaseExecutionWorkerCommunication.terminated

    def started(self: Any) -> None:
        start(self)
        status_changed(self)

    def ended(self: Any) -> None:
        if self.execution.exec_status == "RUNNING":
            terminated(self)
            status_changed(self.execution)

    def stopped(self: Any, stop_date: Any, error: str | None, cause: str | None) -> None:
        # Immediately; a function that it invoked goes on.
        worker = self.exec_worker
        if worker.env is not None:
            stop(self, stop_date, error, cause)
            worker._execution_communication.terminated()
        elif self.exec_status == "RUNNING":
            # Its first state has not been entered; all that it will still do is to write its history.
            never_runs = SimpleNamespace(eval=partial(_abort, error, cause))
            worker._get_evaluation_entrypoint = lambda: never_runs
            self.exec_status, self.stop_date = ExecutionStatus.ABORTED, stop_date
            status_changed(self)

    core.patch(Execution, "start", started)
    core.patch(Execution, "stop", stopped)
    core.patch(BaseExecutionWorkerCommunication, "terminated", ended)


def _abort(error: str | None, cause: str | None, env: Any) -> None:
    details = ExecutionAbortedEventDetails(error=error or "", cause=cause or "")
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=HistoryEventType.ExecutionAborted,
        event_details=EventDetails(executionAbortedEventDetails=details),  # type: ignore[typeddict-item]  # one of many
    )


def _describe(core: Core) -> None:
    """Output is JSON text, every end has a date, what StopExecution was given is kept, and a history can be
    had latest first."""
    describe, stop = StepFunctionResponse.describe_execution, StepFunctionResponse.stop_execution
    history = StepFunctionResponse.get_execution_history

    def described(self: Any) -> Any:
        answer: Any = describe(self)
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if execution.status != "RUNNING":
            answer.result["stopDate"] = execution.stop_date
        if execution.status == "SUCCEEDED":
            answer.result["output"] = json.dumps(execution.output)
        return answer

    def stopped(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if execution.status == "RUNNING":
            execution.error, execution.cause = self._get_param("error"), self._get_param("cause")
        answer: Any = stop(self)
        answer.result["stopDate"] = core.clock.now()
        return answer

    def backwards(self: Any) -> Any:
        answer: Any = history(self)
        if self._get_param("reverseOrder"):
            most = int(self._get_param("maxResults") or 0) or None
            answer.result["events"] = list(reversed(answer.result["events"]))[:most]
        return answer

    core.patch(StepFunctionResponse, "describe_execution", described)
    core.patch(StepFunctionResponse, "get_execution_history", backwards)
    core.patch(StepFunctionResponse, "stop_execution", stopped)
