"""`make deploy-local`: the stack as a user deploys it, to ministack: create, run, undo, update, delete."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import yaml

from runtimes import ministack
from runtimes.inventory import KINDS, called, inventory, unlisted
from runtimes.ministack import Ministack
from runtimes.policies import Policies, of_local_account, policies
from runtimes.steps import BUILT, ROOT, STACK, NotReady, resources, steps
from runtimes.worker import Worker
from sandbox.account import LocalAccount
from sandbox.scenarios.seeds import retainwise as seed
from sandbox.scenarios.seeds import retainwise_account
from sandbox.scenarios.snapshot import difference

SERVICE = f"{seed.CLUSTER}/{seed.WORKER}"
RUN_SECONDS = 120.0
CHANGED = {"AlarmNamePrefix": "watched/", "LogGroupPrefix": "/ecs/,/aws/ecs/"}
"""What the update changes: a rule and environments, and policies."""
SAM_TYPES = {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}
"""They become functions, roles and state machines."""


class Wrong(Exception):
    """The stack, or a run, did not do as expected."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m runtimes.deploy", description=__doc__)
    parser.parse_args(arguments)
    try:
        functions = [step.function for step in steps()]
        allowed = of_local_account(functions), of_local_account(functions, CHANGED)
        with ministack.running() as account:
            try:
                _story(account, functions, allowed)
            except Exception:
                print(account.output.read_text()[-3000:], file=sys.stderr)
                raise
    except NotReady as reason:
        print(f"make deploy-local: {reason}", file=sys.stderr)
        return 1
    except (Wrong, TimeoutError) as wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
        return 1
    print("deployed, ran, updated, deleted: nothing is left")
    return 0


def _story(account: Ministack, functions: list[str], allowed: tuple[Policies, Policies]) -> None:
    """`allowed`: what the roles may do as first deployed, and after the update."""
    unseen = unlisted({resource["Type"] for resource in resources().values()} - SAM_TYPES)
    _demand(not unseen, f"the inventory does not look for {unseen}")
    # Tasks belong to no service there, only to a deployment; so there has to be one of ours to be watched.
    local = cast(LocalAccount, account)
    _step("create the incident's account", lambda: retainwise_account.create(local, redeploy="always"))
    before = inventory(account.client)
    _step("sam deploy", lambda: _deploy(account, seed.PARAMETERS))
    made = inventory(account.client) - before
    absent = set(functions) - {name for kind, name in made if kind == "function"}
    _demand(not absent, f"functions that were not made: {absent}")
    _same_policies(account, functions, allowed[0])
    queue = _url(account, seed.QUEUE)
    with Worker(account.client, queue) as worker:
        _step("contain the incident", lambda: _contain(account, worker, queue))
        _step("undo it", lambda: _undo(account))
        _step("update the stack", lambda: _update(account, functions))
        _same_policies(account, functions, allowed[1])
    _step("delete the stack", lambda: _delete(account, before))


def _same_policies(account: Ministack, functions: list[str], allowed: Policies) -> None:
    other = "; ".join(difference(allowed, policies(account.client, functions)))
    _demand(not other, f"the roles' policies are not those of the local account: {other}")


def _step(what: str, act: Callable[[], str | None]) -> None:
    begun = time.monotonic()
    said = act()
    print(f"{time.monotonic() - begun:5.1f} s  {what}{': ' + said if said else ''}", flush=True)


def _demand(truth: object, otherwise: str) -> None:
    if not truth:
        raise Wrong(otherwise)


def _deploy(account: Ministack, parameters: dict[str, str]) -> None:
    values = [f"{key}={value}" for key, value in parameters.items() if value]
    _sam(
        account,
        *("deploy", "--template-file", str(BUILT / "template.yaml"), "--stack-name", STACK),
        *("--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"),
        *("--no-confirm-changeset", "--no-progressbar", "--parameter-overrides", *values),
    )
    _definition_as_json(account)


def _definition_as_json(account: Ministack) -> None:
    """CloudFormation turns a YAML definition into JSON; ministack keeps the YAML, and then cannot run it."""
    states, arn = account.client("stepfunctions"), _output(account, "RunbookArn")
    definition = yaml.safe_load(states.describe_state_machine(stateMachineArn=arn)["definition"])
    states.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))


def _sam(account: Ministack, *arguments: str) -> None:
    command = [str(ROOT / ".venv-sam" / "bin" / "sam"), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= account.environment | {"SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    _demand(done.returncode == 0, f"sam {arguments[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def _run(
    account: Ministack, name: str, request: dict[str, str], worker: Worker | None = None
) -> dict[str, Any]:
    """Start an execution as the console does, and wait for its end. Returns what DescribeExecution shows."""
    states = account.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=_output(account, "RunbookArn"), name=name, input=json.dumps(request)
    )
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        shown: dict[str, Any] = states.describe_execution(executionArn=started["executionArn"])
        if shown["status"] != "RUNNING":
            return shown
        if worker is not None and worker.failure is not None:
            raise worker.failure
        time.sleep(0.1)
    raise Wrong(f"{name} still ran after {RUN_SECONDS:.0f} s")


def _contain(account: Ministack, worker: Worker, queue: str) -> str:
    for number in range(5):
        account.client("sqs").send_message(QueueUrl=queue, MessageBody=f"prediction {number}")
    worker.wait_for_denials()
    shown = _run(account, "try-1", {"service": SERVICE, "mode": "contain"}, worker)
    _demand(shown["status"] == "SUCCEEDED", f"try-1 ended {_end_of(shown)}")
    report = json.loads(shown["output"])
    _demand(report["outcome"] == "CONTAINED", f"try-1 ended {report['outcome']}")
    _demand(seed.RECEIVE in _attached(account), f"the role has {_attached(account)}")
    _demand(worker.received >= 5, f"{worker.received} of 5 messages were received")
    return f"{report['outcome']}, {report['health']['samples']} samples"


def _undo(account: Ministack) -> str:
    shown = _run(account, "undo-1", {"mode": "rollback", "incident": "try-1"})
    _demand(shown.get("error") == "RolledBack", f"undo-1 ended {_end_of(shown)}")
    report = json.loads(shown["cause"])
    _demand(report["receipt"]["equal"], f"the receipt is {report['receipt']}")
    _demand(seed.RECEIVE not in _attached(account), f"the role has {_attached(account)}")
    return f"{report['outcome']}, hashes equal"


def _update(account: Ministack, functions: list[str]) -> str:
    table = _variables(account, functions, "JOURNAL_TABLE")
    _deploy(account, seed.PARAMETERS | CHANGED)
    prefix = _variables(account, functions, "ALARM_NAME_PREFIX")
    _demand(prefix == {"watched/"}, f"the functions have the prefix {prefix}")
    rule = account.client("events").describe_rule(Name=_output(account, "AlarmRuleName"))
    _demand('"watched/"' in rule["EventPattern"], f"the rule has {rule['EventPattern']}")
    kept = _variables(account, functions, "JOURNAL_TABLE")
    _demand(kept == table, f"the journal was replaced: {table}, {kept}")
    shown = _run(account, "plan-1", {"service": SERVICE, "mode": "plan"})
    _demand(shown["status"] == "SUCCEEDED", f"plan-1 ended {_end_of(shown)}")
    outcome = json.loads(shown["output"])["outcome"]
    _demand(outcome == "PLANNED", f"plan-1 ended {outcome}")
    return f"the prefixes changed, the journal stayed; a run then ends {outcome}"


def _delete(account: Ministack, before: set[tuple[str, str]]) -> str:
    retained = _retained(account)
    account.client("cloudformation").delete_stack(StackName=STACK)
    account.client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    left = inventory(account.client) - before - _of_sam(account)
    _demand(left == retained, f"left are {sorted(left)}, retained should be {sorted(retained)}")
    for kind, name in retained:
        REMOVE[kind](account, name)
    left = inventory(account.client) - before - _of_sam(account)
    _demand(not left, f"left are {sorted(left)}")
    gone = before - inventory(account.client)
    _demand(not gone, f"the account lost {sorted(gone)}")
    return f"retained {', '.join(sorted(kind for kind, _ in retained))}, then nothing"


def _delete_table(dynamodb: Any, name: str) -> None:
    """As docs/operations.md says: the stack's parameter ProtectJournal has kept it."""
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)


REMOVE: dict[str, Callable[[Ministack, str], object]] = {
    "table": lambda account, name: _delete_table(account.client("dynamodb"), name),
    "queue": lambda account, name: account.client("sqs").delete_queue(QueueUrl=_url(account, name)),
}


def _retained(account: Ministack) -> set[tuple[str, str]]:
    """What the template keeps when the stack goes, by the names that it has."""
    kept = {
        logical_id
        for logical_id, resource in resources().items()
        if resource.get("DeletionPolicy", "").startswith("Retain")
    }
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    return {
        called(KINDS[each["ResourceType"]], each["PhysicalResourceId"])
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["LogicalResourceId"] in kept
    }


def _of_sam(account: Ministack) -> set[tuple[str, str]]:
    """The bucket that `sam deploy --resolve-s3` makes for all stacks of an account."""
    names = [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]
    return {("bucket", name) for name in names if name.startswith("aws-sam-cli-managed-default")}


def _output(account: Ministack, key: str) -> str:
    outputs = account.stack(STACK)["Outputs"]
    return next(str(output["OutputValue"]) for output in outputs if output["OutputKey"] == key)


def _variables(account: Ministack, functions: list[str], variable: str) -> set[str]:
    client = account.client("lambda")
    shown = [client.get_function_configuration(FunctionName=name) for name in functions]
    environments = [each["Environment"]["Variables"] for each in shown]
    return {each[variable] for each in environments if variable in each}


def _url(account: Ministack, queue: str) -> str:
    return str(account.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"])


def _attached(account: Ministack) -> list[str]:
    listed = account.client("iam").list_attached_role_policies(RoleName=seed.OLD_ROLE)
    return [policy["PolicyName"] for policy in listed["AttachedPolicies"]]


def _end_of(shown: dict[str, Any]) -> str:
    return f"{shown['status']} {shown.get('error', '')}: {shown.get('cause') or shown.get('output')}"


if __name__ == "__main__":
    sys.exit(main())
