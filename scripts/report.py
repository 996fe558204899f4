"""`make report RUN=<execution name>`: the page of one run, as the topic's mail has it.

Of a run that waits for a person, it is the question, as the mail has it.

A look: states:DescribeExecution and, of a run that goes on, lambda:GetFunctionConfiguration on the stack's
function for answers and dynamodb:Query on the journal. The AWS environment is the usual one, AWS_ENDPOINT_URL
too; with --endpoint it is the local account there, with credentials of any kind. Exit code 0; 1 if the run
has no report (yet); 2 if it could not be asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from regrant.aws.table.approvals import DynamoApprovals
from regrant.errors import RegrantError
from regrant.model.run import Report
from regrant.report.render import render
from regrant.visible import visible
from scripts.asking import LOCAL, Unasked, asking

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__)
    parser.add_argument("--run", default="", metavar="NAME", help="the execution's name, or its ARN")
    parser.add_argument("--stack", default="regrant", help="the runbook's stack")
    parser.add_argument("--endpoint", default="", metavar="URL", help="of the local account")
    options = parser.parse_args(arguments)
    if options.endpoint:
        os.environ.update(LOCAL | {"AWS_ENDPOINT_URL": options.endpoint})
    try:
        if not options.run:
            raise Unasked("name the run: make report RUN=<execution name>")
        execution = describe(options.run, options.stack)
    except Unasked as error:
        print(f"no report: {error}", file=sys.stderr)
        return 2
    asked = question_of(execution) if execution["status"] == "RUNNING" else ""
    page, found = page_of(execution, asked)
    print(page)
    return 0 if found else 1


def describe(run: str, stack: str) -> dict[str, Any]:
    """The execution, as DescribeExecution has it. Raises Unasked."""
    with asking(lambda error: _advice(error, run, stack)):
        client: Any = boto3.client("stepfunctions", config=_CONFIG)
        arn = run if run.startswith("arn:") else _arn(run, stack, client.meta.region_name)
        return dict(client.describe_execution(executionArn=arn))


def _advice(error: ClientError, run: str, stack: str) -> str:
    if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "StateMachineDoesNotExist"):
        return str(error)
    return (
        f"{stack}-runbook has no execution {run} in this account and Region. Name the stack with STACK=, and"
        " the account by credentials, or with PORT= the local one."
    )


def question_of(execution: dict[str, Any]) -> str:
    """What the run asks a person, from the journal; or why that is not known: the page needs it not."""
    stack = execution["stateMachineArn"].rpartition(":")[2].removesuffix("-runbook")
    try:
        functions: Any = boto3.client("lambda", config=_CONFIG)
        settings = functions.get_function_configuration(FunctionName=f"{stack}-answer-approval")
        dynamodb = boto3.client("dynamodb", config=_CONFIG)
        table = settings["Environment"]["Variables"]["JOURNAL_TABLE"]
        question = DynamoApprovals(dynamodb, table).last(execution["name"])
    except (BotoCoreError, ClientError, RegrantError, KeyError, msgspec.MsgspecError) as error:
        return f"If it waits for an approval, its question cannot be read here: {visible(str(error))}"
    # Step Functions gives a name again 90 days after its run has ended (API reference, StartExecution).
    if question is None or datetime.fromisoformat(question.asked_at) < execution["startDate"]:
        return "It does not wait for an approval."
    if question.answer:
        word = "yes" if question.answer.approved else "no"
        return f"{visible(question.answer.by)} said {word} at {question.answer.at}."
    return "\n".join(map(visible, question.text.splitlines()))


def page_of(execution: dict[str, Any], asked: str = "") -> tuple[str, bool]:
    """The page, and whether it is a report's: a succeeded run has that as output, a failed one as cause.
    asked: what is known of its question."""
    status = execution["status"]
    text = execution.get("output") if status == "SUCCEEDED" else execution.get("cause")
    try:
        return render(msgspec.json.decode(text or "", type=Report)), True
    except msgspec.MsgspecError:
        pass
    if status == "RUNNING":
        return f"The run has not ended. {asked}".strip(), False
    error = " ".join(visible(str(execution.get(key) or "")) for key in ("error", "cause")).strip()
    return f"The run ended {status} without a report{f': {error}' if error else ''}.", False


def _arn(run: str, stack: str, region: str) -> str:
    """An execution's ARN (service authorization reference, AWS Step Functions)."""
    sts: Any = boto3.client("sts", config=_CONFIG)
    caller = sts.get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    return f"arn:{partition}:states:{region}:{caller['Account']}:execution:{stack}-runbook:{run}"


if __name__ == "__main__":
    sys.exit(main())
