"""The seed's account on simulated time with the stack in it, for stories that start runs themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.sns.models import sns_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from sandbox.account import LocalAccount
from sandbox.engine.faults import Effect
from sandbox.scenarios.play import AWAKE, LEISURE, TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account
from sandbox.scenarios.snapshot import difference, snapshot

WORKER = f"{retainwise.CLUSTER}/{retainwise.WORKER}"
OLD_ROLE = f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.OLD_ROLE}"
POLICY = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.RECEIVE}"
ALWAYS = 10_000
UNHURRIED = 6
"""How many times longer than it is set to a workload rests: most calls of a story are the workloads'."""
WAITS_FOR_OTHERS = ("PauseForService", "PauseForRole", "PauseForUndo", "AskApproval")


@dataclass
class Ended:
    """An execution that has ended, and the way it went."""

    name: str
    status: str
    error: str | None
    path: list[str]
    report: dict[str, Any]
    """Empty where there is none."""
    seconds: float

    @property
    def outcome(self) -> Any:
        return self.report.get("outcome")

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.report.get("findings", ())]


class World:
    def __init__(self, account: LocalAccount, outputs: dict[str, str]) -> None:
        self.account = account
        self.outputs = outputs
        self.machine = outputs["RunbookArn"]
        self.before = snapshot(account)
        self.contained = ""
        """The run that the story's own run undoes, cures or expires, where there is one."""

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

    def throttle(self, seconds: float, *calls: tuple[str, str, str]) -> None:
        """From now on, for so long, those calls (function, service, operation) are throttled."""
        rules = [
            self.account.faults.add(
                Effect.THROTTLE, service, operation, function=f"regrant-{function}", times=ALWAYS
            )
            for function, service, operation in calls
        ]

        def end() -> None:
            for rule in rules:
                self.account.faults.rules.remove(rule)

        self.account.clock.call_later(seconds, end)

    def run(
        self, execution_input: object = None, on_state: Callable[[World, str], None] | None = None
    ) -> Ended:
        """Start an execution as the console does and wait for its end. `on_state` hears each state."""
        sfn = self.account.client("stepfunctions")
        given = {"service": WORKER} if execution_input is None else execution_input
        arn = sfn.start_execution(stateMachineArn=self.machine, input=json.dumps(given))["executionArn"]
        heard, began, busy = 0, self.account.clock.elapsed(), self.account.idle_factor
        looked = began - 8

        def ended() -> bool:
            nonlocal heard, looked
            # A look costs more the longer the history is, so a long run is looked at less often.
            if self.account.clock.elapsed() < looked + max(8, (looked - began) / 20):
                return False
            looked = self.account.clock.elapsed()
            path = self._path(arn)
            if on_state:
                for state in path[heard:]:
                    on_state(self, state)
                heard = len(path)
            # Nobody looks at the workloads while the run waits for others.
            waits = bool(path) and path[-1] in WAITS_FOR_OTHERS
            self.account.idle_factor = max(busy, UNHURRIED) if waits else busy
            return bool(sfn.describe_execution(executionArn=arn)["status"] != "RUNNING")

        assert self.account.clock.run(until=ended, limit=4 * 3600), "the execution did not end in 4 hours"
        shown = sfn.describe_execution(executionArn=arn)
        took = (shown["stopDate"] - shown["startDate"]).total_seconds()
        path = self._path(arn)
        return Ended(shown["name"], shown["status"], shown.get("error"), path, report_of(shown), took)

    def after(self, seconds: float) -> None:
        """Let time pass: for most of an hour, the workloads hardly turn."""
        end = self.account.clock.elapsed() + seconds
        if seconds > 2 * AWAKE:
            self.account.idle_factor = LEISURE
            self._until(end - AWAKE)
            self.account.idle_factor = 1
        self._until(end)

    def _until(self, end: float) -> None:
        clock = self.account.clock
        clock.run(until=lambda: clock.elapsed() >= end, limit=end - clock.elapsed() + 1)

    def changed(self) -> list[str]:
        """What is not as it was when the world was made."""
        return list(difference(self.before, snapshot(self.account)))

    def attached(self) -> list[str]:
        answer = self.account.client("iam").list_attached_role_policies(RoleName=retainwise.OLD_ROLE)
        return sorted(policy["PolicyName"] for policy in answer["AttachedPolicies"])

    def granted(self) -> bool:
        """Whether the role in use has the policy that the worker lacks."""
        return POLICY.rpartition("/")[2] in self.attached()

    def messages(self) -> list[tuple[str, str]]:
        """(subject, text) of what the topic was notified of, in that order."""
        (topic,) = sns_backends[retainwise.ACCOUNT][self.account.region].topics.values()
        return [(str(subject), str(text)) for _, text, subject, *_ in topic.sent_notifications]

    def executions(self) -> list[dict[str, Any]]:
        """All that have ended or not, the oldest first, with their inputs and what they ended with."""
        sfn = self.account.client("stepfunctions")
        listed = sfn.list_executions(stateMachineArn=self.machine)["executions"]
        shown = [sfn.describe_execution(executionArn=each["executionArn"]) for each in listed]
        return sorted(shown, key=lambda each: each["startDate"])

    def looks(self) -> list[dict[str, Any]]:
        """What VerifyHealth has returned in the last run so far."""
        events = self._events(self.executions()[-1]["executionArn"])
        exits = [event.get("stateExitedEventDetails", {}) for event in events]
        return [json.loads(each["output"])["health"] for each in exits if each.get("name") == "VerifyHealth"]

    def change_entry(self, **changes: Any) -> None:
        """Of the worker's catalogue entry."""
        ssm, name = self.account.client("ssm"), f"/regrant/services/{WORKER}"
        entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        ssm.put_parameter(Name=name, Value=json.dumps(entry | changes), Overwrite=True)

    def mutations(self) -> list[str]:
        """The changes of IAM and ECS that the runbook's functions made or tried."""
        verbs = ("Attach", "Detach", "Put", "Delete", "Update", "Create", "Register", "Deregister")
        return [
            f"{call.service}:{call.operation}"
            for call in self.account.calls
            if call.function and call.service in ("iam", "ecs") and call.operation.startswith(verbs)
        ]

    def _path(self, arn: str) -> list[str]:
        entered = [event.get("stateEnteredEventDetails") for event in self._events(arn)]
        return [each["name"] for each in entered if each]

    def _events(self, arn: str) -> list[dict[str, Any]]:
        # Not through GetExecutionHistory: a run that is watched for an hour would be shown whole each time.
        backend = stepfunctions_parser_backends[retainwise.ACCOUNT][self.account.region]
        events: list[Any] = backend.get_execution_history(arn)["events"]
        return events


def report_of(execution: dict[str, Any]) -> dict[str, Any]:
    """The report that the execution ended with; empty where there is none."""
    text = execution.get("output") or execution.get("cause") or ""
    # Step Functions' own cause, where the definition has none, is a sentence.
    report: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
    return report if "outcome" in report else {}


@contextmanager
def incident(variant: str = "broken", redeploy: str = "always", **parameters: str) -> Iterator[World]:
    """The seed's incident of the worker. The backend may send, so that there is something to receive.

    parameters: of the stack, beside the seed's.
    """
    with LocalAccount() as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS | parameters)
        retainwise_account.create(account, variant=variant, redeploy=redeploy)
        sending = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
        account.client("iam").attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=sending)
        # The stories start their runs themselves.
        account.client("events").disable_rule(Name=outputs["AlarmRuleName"])
        # Who answers has waited for CloudTrail; the tests of approval do.
        account.trail.delay = 0
        world = World(account, outputs)
        world.after(60)
        yield world
