"""AWS Lambda's function URLs with AuthType AWS_IAM: a signed request becomes an event, and the handler's
result a response.

Lambda developer guide, "Invoking Lambda function URLs" (payload format 2.0) and "Control access to Lambda
function URLs": the caller needs lambda:InvokeFunctionUrl and lambda:InvokeFunction, with the condition keys
lambda:FunctionUrlAuthType and lambda:InvokedViaFunctionUrl. Resource policies are not evaluated, and the
signature is not checked, as nowhere in this account: the access key that it names says who calls.

Over HTTP the URLs are paths of the served account; in process they are AWS's, and `request` answers them.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.awslambda.models import FunctionUrlConfig, lambda_backends

from sandbox.engine.core import Core
from sandbox.engine.errors import AwsError
from sandbox.engine.gateway import Gateway, Principal
from sandbox.iam.requests import ACCOUNT, REGION, Ask

Answer = tuple[int, dict[str, str], bytes]
Invoke = Callable[[Any, Any], tuple[str, bool, str]]

PATH = "/lambda-url/"
_ACCESS_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]+)/")
_FORBIDDEN = {
    "Message": "Forbidden. For troubleshooting Function URL authorization issues, see the user guide."
}
_FAILED = {"Message": "Internal Server Error"}


class FunctionUrls:
    def __init__(self, core: Core, gateway: Gateway, invoke: Invoke) -> None:
        """invoke: a function with an event; (JSON, whether it failed, log)."""
        self._core, self._gateway, self._invoke = core, gateway, invoke

    def request(self, url: str, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What AWS answers."""
        given = {name.lower(): value for name, value in headers.items()}
        functions = lambda_backends[ACCOUNT][REGION].list_functions()
        found = [f for f in functions if f.url_config and f.url_config.url.rstrip("/") == url.rstrip("/")]
        signed = _ACCESS_KEY.match(given.get("authorization", ""))
        if not found or signed is None:
            return _json(403, _FORBIDDEN)
        asks = [
            Ask("lambda:InvokeFunctionUrl", found[0].function_arn, {"lambda:functionurlauthtype": "AWS_IAM"}),
            Ask("lambda:InvokeFunction", found[0].function_arn, {"lambda:invokedviafunctionurl": "true"}),
        ]
        called = {"FunctionName": found[0].function_name}
        try:
            principal = self._gateway.admit(signed[1], "lambda", "InvokeFunctionUrl", called, asks)
        except AwsError:
            return _json(403, _FORBIDDEN)
        event = self._event(url, method, given, body, principal, signed[1])
        result, failed, _ = self._invoke(found[0], event)
        return _json(502, _FAILED) if failed else _response(json.loads(result))

    def serve(self, application: Any) -> Any:
        """The WSGI application, with the URLs in it."""

        def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if not path.startswith(PATH):
                return application(environ, start_response)  # type: ignore[no-any-return]
            named = {"content-type": environ.get("CONTENT_TYPE", "")} | {
                key[5:].replace("_", "-").lower(): value
                for key, value in environ.items()
                if key.startswith("HTTP_")
            }
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            url = f"{self._core.endpoint_url}{path}"
            status, headers, text = self.request(url, environ["REQUEST_METHOD"], named, body)
            start_response(f"{status} {'OK' if status < 300 else 'Refused'}", list(headers.items()))
            return [text]

        return answer

    def _event(
        self, url: str, method: str, headers: dict[str, str], body: bytes, caller: Principal, key: str
    ) -> dict[str, Any]:
        now, unique = self._core.clock.now(), self._gateway.unique_id(key)
        who = {
            "accessKey": key,
            "accountId": ACCOUNT,
            "callerId": unique,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": caller.arn,
            "userId": unique,
        }
        text = headers.get("content-type", "").startswith(("application/json", "text/"))
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/",
            "rawQueryString": "",
            "headers": {name: value for name, value in headers.items() if name != "authorization"},
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": url.rstrip("/").rpartition("/")[2],
                "authentication": None,
                "authorizer": {"iam": who},
                "http": {"method": method, "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
                "stage": "$default",
                "timeEpoch": int(now.timestamp() * 1000),
            },
            "body": body.decode() if text else base64.b64encode(body).decode(),
            "isBase64Encoded": not text,
        }


def _json(status: int, body: object) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


def _response(result: Any) -> Answer:
    if not isinstance(result, dict) or "statusCode" not in result:
        return _json(200, result)
    headers = {name: str(value) for name, value in result.get("headers", {}).items()}
    return int(result["statusCode"]), headers, str(result.get("body", "")).encode()


def install(core: Core, gateway: Gateway, invoke: Invoke) -> FunctionUrls:
    init, ids = FunctionUrlConfig.__init__, random.Random(core.seed)

    def made(self: Any, function: Any, config: dict[str, Any]) -> None:
        init(self, function, config)
        name = f"{ids.getrandbits(160):040x}"
        aws = f"https://{name}.lambda-url.{REGION}.on.aws/"
        self.url = f"{core.endpoint_url}{PATH}{name}/" if core.endpoint_url else aws

    core.patch(FunctionUrlConfig, "__init__", made)
    return FunctionUrls(core, gateway, invoke)
