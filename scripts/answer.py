"""`make answer RUN=<run> PLAN=<hash> ANSWER=approve`: the answer to a run's question for approval, as the
mail has the command.

It is sent to the stack's own function, signed with the credentials of the AWS environment: these say who
answers (AWS_PROFILE, AWS_ENDPOINT_URL too). With --endpoint it goes to the local account there. Needed are
lambda:InvokeFunctionUrl, lambda:InvokeFunction (by the URL) and lambda:GetFunctionUrlConfig on the function.
Exit code 0 if the answer counts; 1 if it was refused, and nothing was changed; 2 if it could not be sent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, NamedTuple

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.httpsession import URLLib3Session

from regrant.visible import visible
from scripts.asking import LOCAL, Unasked, asking

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
_WORDS = ("approve", "reject")


class Reply(NamedTuple):
    status: int
    code: str
    message: str


def send(run: str, plan: str, answer: str, stack: str) -> Reply:
    """What the function says. Raises Unasked."""
    function = f"{stack}-answer-approval"
    session = botocore.session.Session()
    with asking(lambda error: _advice(error, function)):
        client: Any = session.create_client("lambda", config=_CONFIG)
        url = client.get_function_url_config(FunctionName=function)["FunctionUrl"]
        body = json.dumps({"run": run, "plan": plan, "answer": answer})
        request = AWSRequest("POST", url, data=body, headers={"content-type": "application/json"})
        SigV4Auth(session.get_credentials(), "lambda", client.meta.region_name).add_auth(request)
        try:
            # The function may take 50 seconds. A second try is safe: an answer counts once.
            sent = URLLib3Session(timeout=60).send(request.prepare())
        except HTTPClientError as error:
            raise Unasked(f"{url} could not be reached: {error}") from error
    return _reply(sent.status_code, sent.content, function)


def _reply(status: int, content: bytes, function: str) -> Reply:
    try:
        said = json.loads(content)
        return Reply(status, str(said["code"]), str(said["message"]))
    except (ValueError, KeyError, TypeError) as error:
        if status == 403:
            need = "they need lambda:InvokeFunctionUrl and lambda:InvokeFunction on it"
            text = f"{function} does not let these credentials in: {need}."
        else:
            text = f"{function} answered {status}: {visible(content[:300].decode(errors='replace'))}"
        raise Unasked(text) from error


def _advice(error: ClientError, function: str) -> str:
    code = error.response["Error"]["Code"]
    if code == "ResourceNotFoundException":
        return (
            f"There is no function {function} with a URL in this account and Region. Name the stack with"
            " STACK=, the account by credentials and the Region with AWS_DEFAULT_REGION, or with PORT= the"
            " local account."
        )
    if code.startswith("AccessDenied"):
        return f"{error}. You need lambda:GetFunctionUrlConfig on {function}."
    return str(error)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.answer", description=__doc__)
    # From the environment, where make puts them: what a mail's command has goes through no shell's line.
    parser.add_argument(
        "--run", default=os.environ.get("RUN", ""), metavar="NAME", help="of the execution, or its ARN"
    )
    parser.add_argument("--plan", default=os.environ.get("PLAN", ""), metavar="HASH", help="of the plan")
    parser.add_argument("--answer", default=os.environ.get("ANSWER", ""), metavar="|".join(_WORDS))
    parser.add_argument("--stack", default="regrant", help="the runbook's stack")
    parser.add_argument("--endpoint", default="", metavar="URL", help="of the local account")
    options = parser.parse_args(arguments)
    if options.endpoint:
        os.environ.update({"AWS_ENDPOINT_URL": options.endpoint} | LOCAL | _given())
    try:
        if not options.run or not options.plan or options.answer not in _WORDS:
            raise Unasked(
                "copy the command from the question: make answer RUN=... PLAN=... ANSWER=approve or reject"
            )
        run = _name(options.run, options.stack)
        reply = send(run, options.plan, options.answer, options.stack)
    except Unasked as error:
        print(f"not answered: {error}", file=sys.stderr)
        return 2
    print(f"{reply.code}: {visible(reply.message)}", file=sys.stdout if reply.status == 200 else sys.stderr)
    return 0 if reply.status == 200 else 1


def _name(run: str, stack: str) -> str:
    """Of the execution, which may be named by its ARN (API reference, StartExecution)."""
    if not run.startswith("arn:"):
        return run
    machine, _, name = run.partition(":execution:")[2].partition(":")
    if machine != f"{stack}-runbook":
        raise Unasked(f"{visible(run)} is no run of {stack}-runbook. Name the stack with STACK=.")
    return name


def _given() -> dict[str, str]:
    """Those of the settings for the local account that are there: the key says who answers."""
    return {name: os.environ[name] for name in LOCAL if os.environ.get(name)}


if __name__ == "__main__":
    sys.exit(main())
