"""`make audit`: what the deployed runbook has attached for a time, and what it has not done yet, asked of the
stack's own function.

A look: it starts nothing and notifies nobody. The AWS environment is the usual one, AWS_ENDPOINT_URL too;
with --endpoint it is the local account there, with credentials of any kind.
Exit code 0; 1 if a grant is in any state but held, or an alarm, an ended run or a page is neglected; 2 if the
stack could not be asked.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError

from regrant.audit.found import Audit, AuditedGrant, Neglected
from regrant.model.aws import name_of
from regrant.report.render import wrap
from scripts.asking import LOCAL, Unasked, asking

# The function may take 50 seconds.
_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 2})
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")


def ask(stack: str) -> Audit:
    """What the function of that stack found. Raises Unasked."""
    function = f"{stack}-list-grants"
    with asking(lambda error: _advice(error, function)):
        account, now = _here_and_now()
        client = boto3.client("lambda", config=_CONFIG)
        event = json.dumps({"time": now})
        answer = client.invoke(FunctionName=function, Payload=event)
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raised = f"{payload.get('errorType')}: {payload.get('errorMessage')}"
        raise Unasked(f"{function} in account {account} failed. {raised}\nIts log is in /aws/lambda/{stack}.")
    return msgspec.convert(payload, Audit)


def _here_and_now() -> tuple[str, str]:
    """The account, and AWS's own time in ISO 8601: a clock that is wrong would give wrong ages."""
    caller: Any = boto3.client("sts", config=_CONFIG).get_caller_identity()
    date = parsedate_to_datetime(caller["ResponseMetadata"]["HTTPHeaders"]["date"])
    return caller["Account"], date.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _advice(error: ClientError, function: str) -> str:
    code = error.response["Error"]["Code"]
    if code == "ResourceNotFoundException":
        return (
            f"There is no function {function} in this account and Region. Name the stack with STACK=, and see"
            " that the credentials and the Region are those that it was deployed with."
        )
    if code in _EXPIRED:
        return f"The credentials are not valid (any more): {error}. Log in again."
    if code.startswith("AccessDenied"):
        return f"{error}. You need lambda:InvokeFunction on {function}."
    return str(error)


def listed(grants: Iterable[AuditedGrant]) -> str:
    """Each grant with its state as docs/operations.md names it, in lines for a terminal of 80 columns."""
    return "\n".join(line for grant in grants for line in _lines(grant))


def _lines(grant: AuditedGrant) -> list[str]:
    age = "" if grant.age_hours is None else f" for {grant.age_hours:.1f} h"
    return _entry(
        f"{grant.state}: {name_of(grant.policy)} on {name_of(grant.role)}",
        f"{grant.service},{age} until {_minute(grant.expires_at)}",
        f"run {grant.incident}: {grant.why}",
    )


def listed_neglected(neglected: Iterable[Neglected]) -> str:
    """The same of what no event has started, or not to its end."""
    return "\n".join(
        line
        for found in neglected
        for line in _entry(
            f"{found.state}: {found.service}", f"{found.subject}, since {_minute(found.since)}", found.why
        )
    )


def _entry(head: str, *details: str) -> list[str]:
    """What others wrote must not move the terminal's cursor: `wrap` prints it as blanks."""
    return [*wrap(head, "", "  "), *(line for text in details for line in wrap(text, "  ", "    "))]


def _minute(moment: str | None) -> str:
    return f"{moment[:16]}Z" if moment else "never"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("--stack", default="regrant")
    parser.add_argument("--json", type=Path, help="write the audit to this file")
    parser.add_argument("--endpoint", default="", metavar="URL", help="of the local account")
    options = parser.parse_args(arguments)
    if options.endpoint:
        os.environ.update(LOCAL | {"AWS_ENDPOINT_URL": options.endpoint})
    try:
        audit = ask(options.stack)
    except Unasked as error:
        print(error, file=sys.stderr)
        return 2
    print(listed(audit.grants) if audit.grants else "Nothing of this tool is attached.")
    if audit.neglected:
        print(f"\n{listed_neglected(audit.neglected)}")
    for role, count in audit.not_by_us.items():
        text = "grantable, attached and held by no run (they may be there for good)"
        print(f"{name_of(role)}: {count} {text}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(msgspec.to_builtins(audit), indent=2) + "\n", encoding="utf-8")
    return int(bool(audit.neglected) or any(grant.state != "held" for grant in audit.grants))


if __name__ == "__main__":
    sys.exit(main())
