"""The seed's account on simulated time with the stack in it, for stories that start runs themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise
from sandbox.scenarios.snapshot import difference, fingerprint, snapshot

DEFINITION = Path(__file__).resolve().parents[2] / "statemachine" / "runbook.asl.yaml"
WORKER = f"{retainwise.CLUSTER}/{retainwise.WORKER}"
OLD_ROLE = f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.OLD_ROLE}"
POLICY = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.RECEIVE}"
ALWAYS = 10_000

Edge = tuple[str, str]


def edges() -> set[Edge]:
    """Every arrow of the graph, whichever field draws it."""
    found = set()
    for name, state in yaml.safe_load(DEFINITION.read_text())["States"].items():
        targets = [state.get("Next"), state.get("Default")]
        targets += [rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, [])]
        found |= {(name, target) for target in targets if target}
    return found


@dataclass
class Ended:
    """An execution that has ended, and the way it went."""

    name: str
    status: str
    error: str | None
    path: list[str]
    report: dict[str, Any]

    @property
    def walked(self) -> set[Edge]:
        return set(pairwise(self.path))

    @property
    def outcome(self) -> Any:
        return self.report.get("outcome")


class World:
    def __init__(self, account: LocalAccount, outputs: dict[str, str]) -> None:
        self.account = account
        self.outputs = outputs
        self.machine = outputs["RunbookArn"]
        self.before = snapshot(account)
        self.contained = ""
        """The run that the story's own run undoes, cures or ends, where there is one."""

    def remember(self) -> None:
        """From here on, changes count."""
        self.before = snapshot(self.account)

    def deny(
        self, function: str, service: str, operation: str, *, occurrence: int = 1, times: int = ALWAYS
    ) -> None:
        """The function's call is denied from its n-th time on."""
        self.account.faults.add(
            Effect.DENIED,
            service,
            operation,
            function=f"regrant-{function}",
            occurrence=occurrence,
            times=times,
        )

    def run(self, execution_input: object = None, meanwhile: Callable[[str], None] | None = None) -> Ended:
        """Start an execution as the console does and wait for its end. `meanwhile` hears each state."""
        sfn = self.account.client("stepfunctions")
        given = {"service": WORKER} if execution_input is None else execution_input
        arn = sfn.start_execution(stateMachineArn=self.machine, input=json.dumps(given))["executionArn"]
        heard, began = 0, self.account.clock.elapsed()
        looked = began - 8

        def ended() -> bool:
            nonlocal heard, looked
            # A look costs more the longer the history is, so a long run is looked at less often.
            if self.account.clock.elapsed() < looked + max(8, (looked - began) / 20):
                return False
            looked = self.account.clock.elapsed()
            if meanwhile:
                path = self._path(arn)
                for state in path[heard:]:
                    meanwhile(state)
                heard = len(path)
            return bool(sfn.describe_execution(executionArn=arn)["status"] != "RUNNING")

        assert self.account.clock.run(until=ended, limit=4 * 3600), "the execution did not end in 4 hours"
        shown = sfn.describe_execution(executionArn=arn)
        told = shown.get("output") or shown.get("cause") or ""
        # Step Functions' own cause, of an end that is none of the definition's, is a sentence.
        report = json.loads(told) if told.startswith("{") else {}
        return Ended(shown["name"], shown["status"], shown.get("error"), self._path(arn), report)

    def after(self, seconds: float) -> None:
        """Let time pass."""
        end = self.account.clock.elapsed() + seconds
        self.account.clock.run(until=lambda: self.account.clock.elapsed() >= end, limit=seconds + 1)

    def changed(self) -> list[str]:
        """What is not as it was when the world was made."""
        return list(difference(self.before, snapshot(self.account)))

    def attached(self) -> list[str]:
        answer = self.account.client("iam").list_attached_role_policies(RoleName=retainwise.OLD_ROLE)
        return sorted(policy["PolicyName"] for policy in answer["AttachedPolicies"])

    def mutations(self) -> list[str]:
        """The changes of IAM and ECS that the runbook's functions made or tried."""
        verbs = ("Attach", "Detach", "Put", "Delete", "Update", "Create", "Register", "Deregister")
        return [
            f"{call.service}:{call.operation}"
            for call in self.account.calls
            if call.function and call.service in ("iam", "ecs") and call.operation.startswith(verbs)
        ]

    def _path(self, arn: str) -> list[str]:
        sfn = self.account.client("stepfunctions")
        pages = sfn.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]


@contextmanager
def incident(variant: str = "broken", redeploy: str = "always") -> Iterator[World]:
    """The seed's incident of the worker. The backend may send, so that there is something to receive."""
    with LocalAccount() as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise.create(account, variant=variant, redeploy=redeploy)
        sending = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
        account.client("iam").attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=sending)
        # The stories start their runs themselves.
        account.client("events").disable_rule(Name=outputs["AlarmRuleName"])
        world = World(account, outputs)
        world.after(60)
        yield world


__all__ = [
    "ALWAYS",
    "OLD_ROLE",
    "POLICY",
    "WORKER",
    "Edge",
    "Ended",
    "World",
    "edges",
    "fingerprint",
    "incident",
]
