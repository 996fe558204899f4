"""`make serve`: the local account with the runbook deployed, for any AWS client, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from sandbox.account import LocalAccount
from sandbox.aws.cloudformation.samconfig import as_here, parameters_in, stack_name_in
from sandbox.aws.cloudformation.template import TemplateError, defaults
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import empty, retainwise, retainwise_account

SEEDS = {"retainwise": retainwise, "empty": empty}
PACE = 10.0
"""Simulated seconds a real second. A person types here; the demo, at which nobody does, is faster."""
STACK = "regrant"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine, such as a bridge's")
    parser.add_argument("--port", type=int, default=4599, help="0 takes a free one")
    parser.add_argument("--seed", choices=sorted(SEEDS), help="retainwise; with --parameters, empty")
    parser.add_argument(
        "--parameters", type=Path, metavar="FILE", help="a samconfig.toml with the owner's lists"
    )
    parser.add_argument("--alarms", choices=["on", "off"], default="off", help="on: alarms start runs")
    options = parser.parse_args(arguments)
    seed = options.seed or ("empty" if options.parameters else "retainwise")
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    try:
        given = parameters_in(options.parameters) if options.parameters else None
        account = LocalAccount(pace=PACE, http_host=options.host, http_port=options.port, processes=True)
        with account:
            if options.parameters and (name := stack_name_in(options.parameters)):
                print(f"stack_name {name} is not used: the stack here is called {STACK}", flush=True)
            for line in _deploy(account, seed, given, alarms=options.alarms == "on"):
                print(line, flush=True)
            print(f"ready {account.endpoint_url}", flush=True)
            account.clock.run(until=stop.is_set, limit=float("inf"))
    except TemplateError as error:
        print(f"cannot deploy the runbook: {error}", file=sys.stderr)
        return 1
    except (OSError, OverflowError) as error:
        where = f"{options.host}:{options.port}"
        print(f"cannot serve on {where}: {error}. Choose another with PORT= or HOST=.", file=sys.stderr)
        return 1
    print("stopped", flush=True)
    return 0


def _deploy(
    account: LocalAccount, seed: str, given: Mapping[str, str] | None, *, alarms: bool
) -> Iterator[str]:
    """What is there then, line by line."""
    parameters, places = as_here(given or SEEDS[seed].PARAMETERS)
    outputs = account.deploy(TEMPLATE, parameters, STACK)
    if seed == "empty":
        empty.create(account, parameters["ManagedClusterArns"])
    else:
        retainwise_account.create(account)
    rule = f"{STACK}-alarm"
    if not alarms:
        # A person who has just arrived would meet a run of an alarm's wherever they go.
        account.client("events").disable_rule(Name=rule)
    yield f"account {account.account_id}, region {account.region}"
    yield f"seed {seed}: {SEEDS[seed].ABOUT}"
    if places:
        yield f"the lists are of {', '.join(places)}; here they stand for this account and Region"
    yield "the runbook may change no more than what is listed:"
    for name in ("ManagedRoleArns", "GrantablePolicyArns", "ManagedClusterArns", "ExecutionRoleArns"):
        for number, arn in enumerate((parameters.get(name) or "(none)").split(",")):
            yield f"  {'' if number else name:24} {arn.strip()}"
    yield "it reads these logs and Terraform states, and tries services without their grants in these hours:"
    for name in ("LogGroupPrefix", "TerraformStateObjectArns", "ExpiryWindow"):
        yield f"  {name:24} {(defaults(TEMPLATE) | parameters)[name] or '(none)'}"
    yield "who may approve where an enrolment asks for it (docs/local-account.md, A second person):"
    yield f"  {'ApproverArns':24} {parameters.get('ApproverArns') or '(nobody)'}"
    demand = (defaults(TEMPLATE) | parameters)["RequireApproval"]
    yield f"  {'RequireApproval':24} {demand}"
    if demand != "none" and not parameters.get("ApproverArns"):
        yield f"  nobody can say yes to what RequireApproval={demand} asks about: set ApproverArns"
    yield "the stack's outputs:"
    for key, value in outputs.items():
        yield f"  {key:24} {value}"
    if alarms:
        yield f"alarms start runs (rule {rule})"
    else:
        yield f"no alarm starts a run: rule {rule} is off (make serve ALARMS=on)"
    yield "to try, in a second terminal:"
    for line in _to_try(account, seed, outputs["RunbookArn"], parameters):
        yield f"  {line}"


def _to_try(account: LocalAccount, seed: str, machine: str, parameters: Mapping[str, str]) -> Iterator[str]:
    yield f"export AWS_ENDPOINT_URL={account.endpoint_url} AWS_DEFAULT_REGION={account.region}"
    yield "export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any"
    execution = machine.replace(":stateMachine:", ":execution:")
    if seed == "empty":
        cluster = parameters["ManagedClusterArns"].split(",")[0].rpartition("/")[2]
        yield f"aws ecs list-services --cluster {cluster}"
        yield f"aws stepfunctions list-executions --state-machine-arn {machine}"
        yield "make enrol    # needs a service: docs/local-account.md, Your own service"
        return
    for name in (retainwise.BACKEND, retainwise.WORKER):
        yield (
            f"aws stepfunctions start-execution --state-machine-arn {machine} --name {name}-1"
            f""" --input '{{"service": "{retainwise.CLUSTER}/{name}"}}'"""
        )
    yield (
        "aws stepfunctions describe-execution --query '[status, output, cause]'"
        f" --execution-arn {execution}:{retainwise.BACKEND}-1"
    )


if __name__ == "__main__":
    sys.exit(main())
