"""A second person of the local account, who may answer questions for approval and nothing else."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.iam.requests import ACCOUNT, REGION, arn

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

ROLE = "approver"
PERSON = "carol"
FUNCTION = "regrant-answer-approval"
NOT_YET = "STARTER_NOT_KNOWN_YET"


class Reply(NamedTuple):
    status: int
    code: str
    message: str


def create(account: LocalAccount, name: str = ROLE) -> None:
    """A role that anybody in the account may take on, with the policy of docs/operations.md, Approval."""
    iam: Any = account.client("iam")
    trusted = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    function = arn("lambda", f"function:{FUNCTION}")
    may: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Action": ["lambda:InvokeFunctionUrl", "lambda:GetFunctionUrlConfig"],
            "Resource": function,
        },
        {
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": function,
            "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        },
    ]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="answer", PolicyDocument=_document(*may))


def answer(
    account: LocalAccount, question: str, word: str, *, role: str = ROLE, person: str = PERSON
) -> Reply:
    """Answer as the question's command for "Yes" or "No" does, with STS's credentials of a role's session."""
    given = command(question, word)
    body = {"run": given["RUN"], "plan": given["PLAN"], "answer": given["ANSWER"]}
    return send(account, body, role=role, person=person)


def command(question: str, word: str) -> dict[str, str]:
    """The variables of the command that the question gives for that word."""
    lines = question.splitlines()
    _make, _target, *variables = shlex.split(lines[lines.index(f"{word}:") + 1])
    return dict(each.split("=", 1) for each in variables)


def send(account: LocalAccount, body: object, *, role: str = ROLE, person: str = PERSON) -> Reply:
    """A signed request to the function's URL, in this process."""
    sts: Any = account.client("sts")
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    keys = sts.assume_role(RoleArn=role_arn, RoleSessionName=person)["Credentials"]
    functions: Any = account.client("lambda")
    url = functions.get_function_url_config(FunctionName=FUNCTION)["FunctionUrl"]
    headers = {"content-type": "application/json"}
    request = AWSRequest("POST", url, data=json.dumps(body), headers=headers)
    credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    SigV4Auth(credentials, "lambda", REGION).add_auth(request)
    sent = request.prepare()
    status, _, text = account.function_urls.request(
        url, "POST", dict(sent.headers), json.dumps(body).encode()
    )
    said = json.loads(text)
    return Reply(status, said.get("code", ""), said.get("message") or said.get("Message", ""))


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
