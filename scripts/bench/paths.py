"""Figures (iii), (iv) and (v): what one run of each kind enters, calls, logs and holds in memory.

The seed's account on simulated time, and each function in a process of its own that reaches it over HTTP. So
calls that the handlers' threads send at the same time are seen so, and memory is that of one function.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.account import LocalAccount
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account

ROOT = Path(__file__).resolve().parents[2]
WORKER = f"{retainwise.CLUSTER}/{retainwise.WORKER}"
GRANT = ("iam", "AttachRolePolicy")
STATES_OF_A_LOOK = {"PauseForUndo": 4}
"""After which Wait more than two states belong to the round: an undo looks at the role and at the service."""
LIMIT = 4 * 3600.0


@dataclass(frozen=True)
class ApiCall:
    """One AWS call. begin, end: seconds. sent: bytes of its body. items: how many a transaction puts."""

    service: str
    operation: str
    begin: float
    end: float
    sent: int
    items: int = 0

    @property
    def name(self) -> tuple[str, str]:
        return self.service, self.operation


@dataclass(frozen=True)
class Invocation:
    """One function's run. rss: the most memory of its process, KiB, if the system says. logged: bytes."""

    function: str
    calls: tuple[ApiCall, ...]
    rss: int | None
    logged: int


@dataclass
class Run:
    """One execution, as recorded. kinds: of the states. history: bytes of its events with their data."""

    name: str
    outcome: str
    states: list[str]
    kinds: dict[str, str]
    history: int
    invocations: list[Invocation] = field(default_factory=list)


def in_rounds(states: Sequence[str], kinds: Mapping[str, str]) -> list[bool]:
    """Of each state that was entered, whether it belongs to a round of polling.

    A round is a Wait, the Task that looks, and the Choice that decides; in an undo, two of each.
    """
    polling: list[bool] = []
    left = 0
    for state in states:
        if kinds[state] == "Wait":
            left = 1 + STATES_OF_A_LOOK.get(state, 2)
        polling.append(left > 0)
        left = max(left - 1, 0)
    return polling


def straight_and_rounds(states: Sequence[str], kinds: Mapping[str, str]) -> tuple[list[str], Counter[str]]:
    """The states entered without polling, and how often each Wait state began a round."""
    polling = zip(states, in_rounds(states, kinds), strict=True)
    straight = [state for state, in_round in polling if not in_round]
    return straight, Counter(state for state in states if kinds[state] == "Wait")


def looks(run: Run) -> list[bool]:
    """Of each invocation, whether it was made in a round of polling.

    Raises ValueError if a Task was tried again: then it has more invocations than states.
    """
    polling = zip(run.states, in_rounds(run.states, run.kinds), strict=True)
    tasks = [in_round for state, in_round in polling if run.kinds[state] == "Task"]
    if len(tasks) != len(run.invocations):
        raise ValueError(f"{run.name}: {len(run.invocations)} invocations of {len(tasks)} Tasks")
    return tasks


def depth(calls: Iterable[ApiCall]) -> int:
    """How many calls one waits for the other: the most that can be picked so that none overlap."""
    count, free_at = 0, float("-inf")
    for call in sorted(calls, key=lambda call: call.end):
        if call.begin >= free_at:
            count, free_at = count + 1, call.end
    return count


def until_grant(invocations: Sequence[Invocation]) -> list[Invocation]:
    """What was called up to the first AttachRolePolicy, and that."""
    kept: list[Invocation] = []
    for invocation in invocations:
        grant = next((call for call in invocation.calls if call.name == GRANT), None)
        calls = tuple(call for call in invocation.calls if grant is None or call.begin <= grant.begin)
        kept.append(Invocation(invocation.function, calls, invocation.rss, invocation.logged))
        if grant:
            return kept
    return []


class Stage:
    """An account whose functions are processes."""

    def __init__(self, account: LocalAccount, machine: str) -> None:
        self.account, self.machine = account, machine
        self.invocations: list[Invocation] = []
        self.died = ""
        """What a process wrote that did not come to its end."""
        account.patch(account.functions, "_run", self._run)

    def _run(self, function: Any, event: Any, context: Any) -> tuple[object, bool]:
        assert self.account.endpoint_url
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "functions"),
            "AWS_ENDPOINT_URL": self.account.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.account.functions.variables(function),
        }
        script = Path(__file__).with_name("one_invocation.py")
        ended = subprocess.run(
            [sys.executable, str(script), function.handler],
            input=json.dumps(event),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            self.died = f"{function.function_name} exited with {ended.returncode}: {ended.stderr[-2000:]}"
            raise RuntimeError(self.died)
        seen = json.loads(ended.stdout)
        calls = tuple(ApiCall(*call) for call in seen["calls"])
        self.invocations.append(Invocation(function.function_name, calls, seen["rss"], seen["logged"]))
        return seen.get("error", seen.get("result")), "error" in seen

    def run(self, name: str, given: dict[str, str] | None = None) -> Run:
        """The worker's next run: started with that input, or by its alarm. Raises RuntimeError if a process
        of it did not come to its end."""
        sfn: Any = self.account.client("stepfunctions")
        known = {each["executionArn"] for each in self._executions()}
        del self.invocations[:]
        if given:
            sfn.start_execution(stateMachineArn=self.machine, input=json.dumps(given))
        found: list[str] = []

        def ended() -> bool:
            new = [each for each in self._executions() if each["executionArn"] not in known]
            found[:] = [each["executionArn"] for each in new]
            return bool(new) and all(each["status"] != "RUNNING" for each in new)

        assert self.account.clock.run(until=ended, limit=LIMIT), "the execution did not end"
        if self.died:
            raise RuntimeError(self.died)
        assert len(found) == 1, "another run came between"
        shown = sfn.describe_execution(executionArn=found[0])
        report = json.loads(shown.get("output") or shown.get("cause") or "{}")
        pages = sfn.get_paginator("get_execution_history").paginate(executionArn=found[0])
        events = [event for page in pages for event in page["events"]]
        entered = [
            event["stateEnteredEventDetails"]["name"]
            for event in events
            if "stateEnteredEventDetails" in event
        ]
        kinds = {
            event["stateEnteredEventDetails"]["name"]: event["type"].removesuffix("StateEntered")
            for event in events
            if "stateEnteredEventDetails" in event
        }
        size = len(json.dumps(events, default=str).encode())
        return Run(name, str(report.get("outcome")), entered, kinds, size, list(self.invocations))

    def _executions(self) -> list[dict[str, Any]]:
        sfn: Any = self.account.client("stepfunctions")
        found: list[dict[str, Any]] = sfn.list_executions(stateMachineArn=self.machine)["executions"]
        return found


@contextmanager
def stage(variant: str, redeploy: str, sending: bool = True) -> Iterator[Stage]:
    """The seed's account; only the worker's alarm may start runs."""
    with LocalAccount(http_port=0) as account:
        outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise_account.create(account, variant=variant, redeploy=redeploy)
        if sending:
            policy = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
            iam: Any = account.client("iam")
            iam.attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=policy)
        cloudwatch: Any = account.client("cloudwatch")
        cloudwatch.delete_alarms(AlarmNames=[f"regrant/{retainwise.CLUSTER}/{retainwise.BACKEND}"])
        yield Stage(account, outputs["RunbookArn"])


def measure() -> list[Run]:
    """One run of each kind."""
    with stage("broken", "always") as there:
        paths = [there.run("contain, redeploy always")]
        paths.append(there.run("cure", {"service": WORKER, "mode": "cure"}))
    with stage("broken", "if-needed") as there:
        paths.append(there.run("contain, redeploy if-needed"))
    with stage("boundary", "always", sending=False) as there:
        paths.append(there.run("refuse"))
    with stage("model-missing", "always", sending=False) as there:
        paths.append(there.run("rollback"))
    return paths


def summarize(runs: Sequence[Run]) -> dict[str, Any]:
    """For each run: states, calls, what they are priced by; and of the contain runs the way to the grant."""
    return {
        "runs": {run.name: _row(run) for run in runs},
        "toGrant": _to_grant(runs[0]),
        "memory": {
            function: round(max(sizes) / 1024)
            for function in sorted({each.function for run in runs for each in run.invocations})
            if (sizes := [e.rss for run in runs for e in run.invocations if e.function == function and e.rss])
        },
    }


def _row(run: Run) -> dict[str, Any]:
    straight, rounds = straight_and_rounds(run.states, run.kinds)
    without_polling = _calls_without_polling(run)
    calls = [call for each in run.invocations for call in each.calls]
    dynamodb = [call for call in calls if call.service == "dynamodb"]
    writes = [call for call in dynamodb if call.operation not in ("GetItem", "Query")]
    return {
        "outcome": run.outcome,
        "states": len(straight),
        "rounds": dict(rounds),
        "entered": len(run.states),
        "invocations": len(run.invocations),
        "calls": sum(without_polling.values()),
        "callsPolling": len(calls) - sum(without_polling.values()),
        "callsOf": without_polling,
        "writeUnits": sum(map(_write_units, writes)),
        "readUnits": len(dynamodb) - len(writes),
        "publishes": sum(call.name == ("sns", "Publish") for call in calls),
        "logBytes": run.history + sum(each.logged for each in run.invocations),
    }


def _calls_without_polling(run: Run) -> dict[str, int]:
    """By function."""
    calls: Counter[str] = Counter()
    for look, each in zip(looks(run), run.invocations, strict=True):
        if not look:
            calls[each.function] += len(each.calls)
    return dict(calls)


def _write_units(call: ApiCall) -> int:
    """A unit for each KB of an item, rounded up, and twice that in a transaction. Of its items only the sum
    is known, so each but one may be rounded up once more; what is sent is a little more than an item."""
    units = -(-call.sent // 1024)
    return 2 * (units + call.items - 1) if call.operation == "TransactWriteItems" else units


def _to_grant(run: Run) -> dict[str, Any]:
    way = until_grant(run.invocations)
    functions = {each.function: {"sequence": depth(each.calls), "total": len(each.calls)} for each in way}
    return {
        "sequence": sum(each["sequence"] for each in functions.values()),
        "total": sum(each["total"] for each in functions.values()),
        "functions": functions,
    }
