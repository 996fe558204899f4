"""The front door: every AWS request, in process or over HTTP, passes here before and after moto answers it.

Identify the caller, apply faults and rates, ask IAM, record the call. Requests signed with credentials of a
role are enforced, as AWS evaluates each request; all others are the administrator's and unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import moto.core.errors
import moto.core.responses
from botocore.exceptions import ConnectionClosedError
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import BaseResponse
from moto.core.utils import method_names_from_class
from moto.sts.models import sts_backends

from sandbox.engine import s3
from sandbox.engine.core import Call, Core
from sandbox.engine.errors import DENIAL_CODES, AwsError, Response, denial, error_code, serialize
from sandbox.engine.faults import Effect, FunctionCrashed, FunctionTimedOut, server_error, throttled
from sandbox.engine.passed_roles import passed_roles
from sandbox.engine.recording import Recorder
from sandbox.engine.roles import Roles, let_in, provide_aws_policy, within_quota
from sandbox.iam import requests
from sandbox.iam.evaluate import Decision, Layer, Request, Verdict, evaluate
from sandbox.iam.requests import ACCOUNT, REGION, Ask

ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:user/administrator"
ADMINISTRATOR_ID = "AIDAADMINISTRATOR0000"
_PREFIXES = {"awslambda": "lambda", "stepfunctions": "states"}
_DENIED = {"AccessDeniedException", *DENIAL_CODES.values()}


@dataclass(frozen=True)
class Principal:
    arn: str
    role: str | None = None
    """Name of the role; None for the administrator."""
    function: str | None = None

    @property
    def of_a_stack(self) -> bool:
        """A function, or a service that starts something in a role; not a task."""
        return self.function is not None or self.arn.endswith(("/states", "/events", "/scheduler"))


@dataclass(frozen=True)
class _Incoming:
    service: str
    operation: str
    parameters: dict[str, Any]
    principal: Principal
    asks: list[Ask]

    @property
    def key(self) -> str:
        return f"{self.service}:{self.operation}:{json.dumps(self.parameters, sort_keys=True, default=str)}"


class Gateway:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._recorder = Recorder.from_environment()
        self._functions: dict[str, str] = {}
        self._remembered: dict[str, Response] = {}
        self._roles = Roles(core.clock.now)

    def belongs_to(self, access_key: str, function: str) -> None:
        """Requests signed with this key are made by this Lambda function."""
        self._functions[access_key] = function

    def principal(self, access_key: str) -> Principal:
        session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
        if session is None:
            return Principal(ADMINISTRATOR)
        return Principal(session.arn, session.role_arn.rpartition("/")[2], self._functions.get(access_key))

    @staticmethod
    def unique_id(access_key: str) -> str:
        """Of whoever has the key: a user's id, or a role's, a colon and the session's name."""
        session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
        return session.user_id if session else ADMINISTRATOR_ID

    def admit(
        self, access_key: str, service: str, operation: str, parameters: dict[str, Any], asks: list[Ask]
    ) -> Principal:
        """Who calls what moto has no operation for. Raises AwsError unless IAM allows all that is asked."""
        incoming = _Incoming(service, operation, parameters, self.principal(access_key), asks)
        try:
            self._demand(incoming)
        except AwsError as error:
            self._record(incoming, error.code)
            raise
        self._record(incoming, None)
        return incoming.principal

    def answer(self, response: BaseResponse, proceed: Callable[[], Response]) -> Response:
        """Everything that happens to one request. `proceed` lets moto answer it."""
        incoming = self._read(response, response.service_name or "")
        if incoming is None:
            return proceed()
        effect = self._fault(incoming)
        try:
            self._before(incoming, effect)
        except AwsError as error:
            self._record(incoming, error.code)
            return serialize(response, error)
        if effect is Effect.STALE_READ and incoming.key in self._remembered:
            self._record(incoming, None)
            return self._remembered[incoming.key]
        answer = proceed()
        self._record(incoming, error_code(answer))
        if incoming.operation.startswith(("Get", "List", "Describe", "Filter", "Query")) and answer[0] < 300:
            self._remembered[incoming.key] = answer
        self._after(effect)
        return answer

    def authorize_s3(self, response: BaseResponse, bucket: str | None, key: str | None) -> None:
        """S3 has its own way through moto, which asks here before each operation. Effects after it do not
        work.
        """
        incoming = self._read(response, "s3", s3.parameters(response, bucket, key))
        if incoming is None:
            return
        try:
            self._before(incoming, self._fault(incoming))
            listing = s3.asked_if_missing(incoming.operation, incoming.parameters)
            if listing and not self._verdict(incoming.principal, listing).allowed:
                raise s3.denied()
        except AwsError as error:
            self._record(incoming, error.code)
            raise s3.refused(error) from error
        self._record(incoming, None)

    def _demand(self, incoming: _Incoming) -> None:
        """Raise AwsError, as the service words it, unless IAM allows all that is asked."""
        principal, service = incoming.principal, incoming.service
        if self._recorder and principal.role and principal.of_a_stack:
            self._recorder.record(principal.role, f"{service}:{incoming.operation}", incoming.asks)
        for ask in incoming.asks:
            verdict = self._verdict(principal, ask)
            if not verdict.allowed:
                raise denial(service, principal.arn, ask, verdict)

    def _read(
        self, response: BaseResponse, moto_name: str, known: dict[str, Any] | None = None
    ) -> _Incoming | None:
        service = _PREFIXES.get(moto_name, moto_name)
        operation = s3.operation(response) or response._get_action()
        if not operation:
            return None
        parameters = _parameters(response) if known is None else known
        asked = requests.asks(service, operation, parameters)
        asked += passed_roles(service, operation, parameters)
        return _Incoming(service, operation, parameters, self.principal(response.get_access_key()), asked)

    def _fault(self, incoming: _Incoming) -> Effect | None:
        function = incoming.principal.function
        if (incoming.service, incoming.operation) == ("lambda", "Invoke"):
            function = str(incoming.parameters.get("FunctionName")).rpartition(":")[2]
        return self._core.faults.match(
            incoming.service,
            incoming.operation,
            function,
            parameters=incoming.parameters,
            repeated=incoming.key in self._remembered,
        )

    def _before(self, incoming: _Incoming, effect: Effect | None) -> None:
        service, operation, parameters = incoming.service, incoming.operation, incoming.parameters
        if effect is Effect.CRASH_BEFORE:
            self._record(incoming, None)
            raise FunctionCrashed
        within_rate = incoming.principal.role is None or self._core.rates.take(service, operation)
        if effect is Effect.THROTTLE or not within_rate:
            raise AwsError(*throttled(service))
        if effect is Effect.SERVER_ERROR:
            raise AwsError(*server_error(service))
        if effect is Effect.DENIED:
            refused = Verdict(Decision.IMPLICIT_DENY, Layer.IDENTITY)
            raise denial(service, incoming.principal.arn, incoming.asks[0], refused)
        if (service, operation) != ("sts", "GetCallerIdentity"):  # needs no permission
            self._demand(incoming)
        if service == "iam" and "PolicyArn" in parameters:
            provide_aws_policy(parameters["PolicyArn"])
        if (service, operation) == ("iam", "AttachRolePolicy"):
            within_quota(parameters["RoleName"], parameters["PolicyArn"])
        if service == "iam" and "RoleName" in parameters and not operation.startswith(("Get", "List")):
            faults = self._core.faults
            self._roles.about_to_change(parameters["RoleName"], faults.iam_lag, faults.iam_flapping)

    @staticmethod
    def _after(effect: Effect | None) -> None:
        if effect is Effect.CRASH_AFTER:
            raise FunctionCrashed
        if effect is Effect.TIMEOUT_AFTER:
            raise FunctionTimedOut
        if effect is Effect.RESPONSE_LOST:
            # What botocore raises itself, and tries again.
            raise ConnectionClosedError(endpoint_url="https://amazonaws.com/")

    def _verdict(self, principal: Principal, ask: Ask) -> Verdict:
        if ask.action == "sts:AssumeRole":
            own = requests.role_arn(principal.role) if principal.role else None
            return let_in(ask, principal.arn, own, lambda: self._allowed(principal, ask))
        return self._allowed(principal, ask)

    def _allowed(self, principal: Principal, ask: Ask) -> Verdict:
        """By what is attached to the principal itself."""
        if principal.role is None:
            return Verdict(Decision.ALLOWED)
        permissions = self._roles.permissions(principal.role)
        context = {
            "aws:currenttime": self._core.clock.now().isoformat(),
            "aws:principalarn": requests.role_arn(principal.role),
            "aws:principalaccount": ACCOUNT,
            "aws:requestedregion": REGION,
            "aws:securetransport": "true",
            **ask.context,
        }
        return evaluate(
            Request(ask.action, ask.resource, context), permissions.policies, permissions.boundary
        )

    def _record(self, incoming: _Incoming, error: str | None) -> None:
        self._core.calls.append(
            Call(
                self._core.clock.now(),
                incoming.service,
                incoming.operation,
                incoming.principal.arn,
                incoming.asks[0].resource if incoming.asks else "*",
                error not in _DENIED,
                incoming.principal.function,
                error,
                incoming.parameters,
            )
        )


_methods = cache(method_names_from_class)


def install(core: Core) -> Gateway:
    gateway = Gateway(core)
    call_action = BaseResponse.call_action

    def answered(response: BaseResponse) -> Response:
        return gateway.answer(response, lambda: call_action(response))

    core.patch(BaseResponse, "call_action", answered)
    # moto looks through the class for its methods at each request.
    core.patch(moto.core.responses, "method_names_from_class", _methods)

    def authorized_s3(
        response: BaseResponse, bucket_name: str | None = None, key_name: str | None = None
    ) -> None:
        gateway.authorize_s3(response, bucket_name, key_name)

    core.patch(ActionAuthenticatorMixin, "_authenticate_and_authorize_s3_action", authorized_s3)
    # moto warns of codes that botocore's models leave out, AccessDenied among them.
    core.patch(moto.core.errors, "warn", lambda *_args, **_kwargs: None)
    return gateway


def _parameters(response: BaseResponse) -> dict[str, Any]:
    """As botocore's model of the operation names them, whatever the protocol."""
    if not response.automated_parameter_parsing:
        response.parse_parameters(response.normalized_request)
    return dict(response.params)
