"""AWS Lambda: the real handlers, in this process, with the credentials of each function's own role.

Each function has an execution environment: its own freshly imported copy of the modules in its code folder,
imported with its own variables, kept warm between invocations and thrown away when it dies (Lambda Developer
Guide, "Lambda execution environment"). Error objects are those of awslambdaric: errorMessage, errorType (the
class name), requestId, stackTrace; a time-out is Sandbox.Timedout, a death Runtime.ExitError.

Each environment has a log stream of its own, in the group of its function or in the one that LoggingConfig
names, which functions may share ("Configuring CloudWatch log groups").
"""

from __future__ import annotations

import io
import json
import os
import random
import tempfile
import traceback
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import botocore.endpoint
from botocore.loaders import Loader
from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaFunction

from sandbox.aws.lambda_environment import Environment, inside, output, running
from sandbox.engine.core import Core
from sandbox.engine.faults import Effect, FunctionCrashed, FunctionTimedOut
from sandbox.engine.gateway import Gateway
from sandbox.engine.roles import trusts
from sandbox.iam.requests import ACCOUNT


@dataclass
class Context:
    """The context object that a Python handler gets."""

    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    get_remaining_time_in_millis: Callable[[], int]


_descriptions: dict[object, Any] = {}
"""botocore's, read once for all functions; on AWS each environment reads its own."""


class Functions:
    def __init__(self, core: Core, gateway: Gateway) -> None:
        self._core = core
        self._gateway = gateway
        self._code: dict[str, Path] = {}
        self._warm: dict[tuple[object, ...], Environment] = {}
        self._requests = 0
        self._environments = random.Random(core.seed)
        self.time: Callable[[], float] = lambda: core.clock.now().timestamp()
        """What `time.time()` is in a function."""

    def use_code(self, function_name: str, folder: Path) -> None:
        """Run the function from this folder instead of from its zip, so that traces name the real files."""
        self._code[function_name] = folder

    def invoke(self, function: Any, event: Any) -> tuple[str, bool, str]:
        """(JSON, whether it failed, log)."""
        self._requests += 1
        request_id = str(uuid.UUID(int=self._requests, version=4))
        clock, timeout = self._core.clock, float(function.timeout)
        end = clock.elapsed() + timeout
        context = Context(
            function.function_name,
            "$LATEST",
            function.function_arn,
            str(function.memory_size),
            request_id,
            function.logs_group_name,
            self._log_stream(function),
            lambda: int((end - clock.elapsed()) * 1000),
        )
        result: object
        with running:
            self._core.owed_sleep = 0
            try:
                result, failed = self._run(function, event, context)
                duration = self._core.owed_sleep + self._core.faults.duration(function.function_name)
            except FunctionTimedOut:
                result, failed, duration = None, True, timeout
            self._core.owed_sleep = 0
            log = output.take()
        # Outside the lock: others run while this function takes its time.
        if duration > 0:
            clock.sleep(min(duration, timeout))
        if duration >= timeout:
            text = f"Task timed out after {timeout:.2f} seconds"
            result, failed = _fatal("Sandbox.Timedout", request_id, text), True
        if log:
            self._keep(log, function, context)
        return json.dumps(result), failed, log

    def _log_stream(self, function: Any) -> str:
        """The stream's name for an environment that starts now."""
        shared = function.logs_group_name != _own_group(function)
        identity = f"{self._environments.getrandbits(128):032x}"
        name = function.function_name if shared else ""
        return f"{self._core.clock.now():%Y/%m/%d}/{name}[$LATEST]{identity}"

    def _keep(self, log: str, function: Any, context: Context) -> None:
        group, stream, logs = context.log_group_name, context.log_stream_name, function.logs_backend
        logs.ensure_log_group(group)
        logs.ensure_log_stream(group, stream)
        now = int(self._core.clock.now().timestamp() * 1000)
        logs.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in log.splitlines()])

    def _run(self, function: Any, event: Any, context: Context) -> tuple[object, bool]:
        key: tuple[object, ...] = ()
        try:
            key, environment = self._environment(function, context.log_stream_name)
        except FileNotFoundError as error:
            return _fatal("Runtime.ImportModuleError", context.aws_request_id, str(error)), True
        except ImportError as error:
            text = f"Unable to import module '{function.handler.rpartition('.')[0]}': {error}"
            return _unstarted("Runtime.ImportModuleError", text), True
        except AttributeError as error:
            return _unstarted("Runtime.HandlerNotFound", str(error)), True
        context.log_stream_name = environment.log_stream
        try:
            with environment.active():
                self._strike("start", function.function_name)
                result = environment.handle(event, context)
                self._strike("return", function.function_name)
            return json.loads(json.dumps(result)), False
        except (FunctionCrashed, SystemExit):
            # Its process is gone; the next invocation starts cold.
            self._warm.pop(key, None)
            text = "Runtime exited with error: exit status 1"
            return _fatal("Runtime.ExitError", context.aws_request_id, text), True
        except Exception as error:  # whatever the handler raises is its answer, as in Lambda
            return _failure(error, context.aws_request_id), True

    def _strike(self, moment: str, function: str) -> None:
        """A fault of the function itself, not of one of its calls."""
        effect = self._core.faults.match("function", moment, function)
        if effect in (Effect.CRASH_BEFORE, Effect.CRASH_AFTER):
            raise FunctionCrashed
        if effect is Effect.TIMEOUT_AFTER:
            raise FunctionTimedOut

    def variables(self, function: Any) -> dict[str, str]:
        """What a function finds in its environment: its own variables and its role's credentials."""
        return {
            **(function.environment_vars or {}),
            **self._credentials(function),
            "AWS_REGION": self._core.region,
            "AWS_DEFAULT_REGION": self._core.region,
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            # Nothing of the developer's own AWS settings reaches a function.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def _environment(self, function: Any, log_stream: str) -> tuple[tuple[object, ...], Environment]:
        variables = self.variables(function)
        code = self._code.get(function.function_name) or _unzipped(function.code_bytes)
        key = (function.function_name, code, function.handler, *sorted(variables.items()))
        if key not in self._warm:
            self._warm[key] = Environment(code, function.handler, variables, log_stream, self.time)
        return key, self._warm[key]

    def _credentials(self, function: Any) -> dict[str, str]:
        digest = sha256(f"{function.function_name} {function.role}".encode()).hexdigest().upper()
        access_key = f"ASIA{digest[:16]}"
        self._gateway.belongs_to(access_key, function.function_name)
        return self._core.issue_credentials(function.role, function.function_name, access_key)


def _fatal(kind: str, request_id: str, text: str) -> dict[str, Any]:
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}


def _unstarted(kind: str, text: str) -> dict[str, Any]:
    return {"errorMessage": text, "errorType": kind, "requestId": "", "stackTrace": []}


def _failure(error: Exception, request_id: str) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(own),
    }


def _unzipped(code: bytes) -> Path:
    folder = Path(tempfile.gettempdir()) / f"regrant-code-{os.getuid()}" / sha256(code).hexdigest()
    if not folder.exists():
        folder.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(folder)
    return folder


def install(core: Core, gateway: Gateway) -> Functions:
    functions = Functions(core, gateway)
    invoke = LambdaFunction.invoke

    def invoke_lambda(function: Any, event: Any = None) -> tuple[str, bool, str]:
        parsed = json.loads(event) if isinstance(event, str) else event
        return functions.invoke(function, parsed)

    def invoked(function: Any, body: str, request_headers: Any, response_headers: Any) -> Any:
        if request_headers.get("x-amz-invocation-type") == "Event":
            core.clock.spawn(partial(invoke, function, body, {}, {}), function.function_name)
            return ""
        answer = invoke(function, body, request_headers, response_headers)
        if "x-amz-function-error" in response_headers:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer

    class Sleepless:
        """For botocore between two tries. A function sleeps later, because it runs with the lock held."""

        @staticmethod
        def sleep(seconds: float) -> None:
            if inside() or not core.clock.can_sleep():
                core.owed_sleep += seconds
            else:
                core.clock.sleep(seconds)

    _configure_logs(core)
    _ask_roles(core)
    core.patch(LambdaFunction, "_invoke_lambda", invoke_lambda)
    core.patch(LambdaFunction, "invoke", invoked)
    core.patch(botocore.endpoint, "time", Sleepless)
    core.patch(Loader, "__init__", _share_descriptions)
    return functions


def _configure_logs(core: Core) -> None:
    """moto keeps no LoggingConfig."""
    init, configuration = LambdaFunction.__init__, LambdaFunction.get_configuration
    update = LambdaFunction.update_configuration

    def configured(function: Any, given: dict[str, Any]) -> None:
        config = {"LogFormat": "Text", "LogGroup": _own_group(function)} | given
        function.logging_config, function.logs_group_name = config, config["LogGroup"]

    def made(function: Any, account_id: str, spec: dict[str, Any], *rest: Any, **more: Any) -> None:
        init(function, account_id, spec, *rest, **more)
        configured(function, spec.get("LoggingConfig", {}))

    def updated(function: Any, updates: dict[str, Any]) -> dict[str, Any]:
        configured(function, updates.get("LoggingConfig", function.logging_config))
        return update(function, updates)

    def shown(function: Any, on_create: bool = False) -> dict[str, Any]:
        return configuration(function, on_create) | {"LoggingConfig": function.logging_config}

    core.patch(LambdaFunction, "__init__", made)
    core.patch(LambdaFunction, "update_configuration", updated)
    core.patch(LambdaFunction, "get_configuration", shown)


def _ask_roles(core: Core) -> None:
    """A function's role has to let Lambda assume it for that function (developer guide, "Defining Lambda
    function permissions with an execution role"). It is asked where the role is given, and not again."""
    init, update = LambdaFunction.__init__, LambdaFunction.update_configuration

    def ask(function: Any, role: str) -> None:
        context = {"aws:sourcearn": function.function_arn, "aws:sourceaccount": ACCOUNT}
        if not trusts(role.rpartition("/")[2], "lambda.amazonaws.com", context):
            raise InvalidParameterValueException(
                "The role defined for the function cannot be assumed by Lambda."
            )

    def made(function: Any, account_id: str, spec: dict[str, Any], *rest: Any, **more: Any) -> None:
        init(function, account_id, spec, *rest, **more)
        ask(function, function.role)

    def updated(function: Any, updates: dict[str, Any]) -> dict[str, Any]:
        if "Role" in updates:
            ask(function, updates["Role"])
        return update(function, updates)

    core.patch(LambdaFunction, "__init__", made)
    core.patch(LambdaFunction, "update_configuration", updated)


_make_loader = Loader.__init__


def _share_descriptions(loader: Any, *args: Any, **more: Any) -> None:
    _make_loader(loader, *args, **more)
    loader._cache = _descriptions


def _own_group(function: Any) -> str:
    return f"/aws/lambda/{function.function_name}"
