"""Says what happens in the account while it happens, one line each, with the simulated time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sandbox.seeds import retainwise

if TYPE_CHECKING:
    from sandbox.account import LocalAccount

EVERY = 2.0
"""Simulated seconds between two looks."""


class Narrator:
    def __init__(self, account: LocalAccount, machine: str, say: Callable[[str], None]) -> None:
        self.account = account
        self.machine = machine
        self._say = say
        self._said: set[str] = set()
        self._denied: set[str] = set()
        self._seen_events: Counter[str] = Counter()
        self.predictions: Counter[str] = Counter()
        self.statuses_seen: set[str] = set()
        self._told: set[str] = set()
        self._tell_at = 0.0

    def watch(self) -> None:
        self.account.clock.every(EVERY, self.look)

    def look(self) -> None:
        """One look at everything that changes."""
        for name in (retainwise.BACKEND, retainwise.WORKER):
            self._denials(name)
        self._alarms()
        for execution in self.executions():
            self._states(execution)
        self._predictions()

    def executions(self) -> list[dict[str, Any]]:
        """Oldest first."""
        sfn = self.account.client("stepfunctions")
        found: list[dict[str, Any]] = sfn.list_executions(stateMachineArn=self.machine)["executions"]
        return sorted(found, key=lambda execution: execution["startDate"])

    def say(self, who: str, what: str) -> None:
        """Once only: what has been said already is not news."""
        line = f"{who:19} {what}"
        if line not in self._said:
            self._said.add(line)
            minutes, seconds = divmod(int(self.account.clock.elapsed()), 60)
            self._say(f"+{minutes:02}:{seconds:02}  {line}"[:160])

    def _denials(self, service: str) -> None:
        """The first one of each service. After that its log, which may be very long, is left alone."""
        if service in self._denied:
            return
        events = self.account.client("logs").filter_log_events(
            logGroupName=f"/ecs/{service}", filterPattern='"is not authorized to perform"', limit=1
        )["events"]
        if events:
            self._denied.add(service)
            self.say(service, "is not authorized" + events[0]["message"].partition("is not authorized")[2])

    def _alarms(self) -> None:
        alarms = self.account.client("cloudwatch").describe_alarms(AlarmNamePrefix="regrant/")
        for alarm in alarms["MetricAlarms"]:
            if alarm["StateValue"] == "ALARM":
                self.say(alarm["AlarmName"].rsplit("/", 1)[-1], f"alarm {alarm['AlarmName']} fires")

    def _states(self, execution: dict[str, Any]) -> None:
        arn = execution["executionArn"]
        sfn = self.account.client("stepfunctions")
        events = sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        for event in events[self._seen_events[arn] :]:
            exited = event.get("stateExitedEventDetails")
            if exited:
                state = json.loads(exited.get("output") or "{}")
                for note in _notes(exited["name"], state):
                    self.say(_service(state), f"{exited['name']:16} {note}")
        self._seen_events[arn] = len(events)

    def _predictions(self) -> None:
        items = self.account.client("dynamodb").scan(TableName=retainwise.TABLE)["Items"]
        counts = Counter(item["status"]["S"] for item in items)
        self.statuses_seen |= set(counts)
        self.predictions = counts
        # New statuses at once, mere numbers now and then.
        if not set(counts) <= self._told or self.account.clock.elapsed() >= self._tell_at:
            self._told |= set(counts)
            self._tell_at = self.account.clock.elapsed() + 30
            self.say("predictions", ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))


def _service(state: dict[str, Any]) -> str:
    incident = state.get("incident") or {}
    service = incident.get("service") or {}
    return str(service.get("name", "runbook"))


_KEYS = {
    "Diagnose": "diagnosis",
    "CaptureBaseline": "baseline",
    "AttachPolicies": "grant",
    "ConfirmAccess": "access",
    "RedeployService": "rollout",
    "CheckRollout": "rollout",
    "VerifyHealth": "health",
    "RestoreService": "restore",
    "CheckRestore": "restore",
    "DetachPolicies": "detach",
    "ConfirmBaseline": "receipt",
    "CloseIncident": "report",
    "PageOperator": "report",
}


def _notes(name: str, state: dict[str, Any]) -> Iterator[str]:
    """What is worth saying when a state has been left."""
    if name == "OpenIncident":
        yield f"run {state['incident']['id'][:13]}: {state['incident']['trigger']}"
    result: Any = state.get(_KEYS.get(name, ""))
    if result is None:
        if name in _KEYS:
            yield f"failed with {state['error']['Error']}"
    elif name == "Diagnose":
        yield from (f["text"] for f in result["findings"])
    elif name in ("CaptureBaseline", "ConfirmBaseline"):
        yield f"sha256 {result.get('sha256', result.get('after'))[:16]}…"
    elif name == "AttachPolicies":
        yield from (
            f"{p.rsplit('/', 1)[-1]} → {result['role'].rsplit('/', 1)[-1]}" for p in result["attached"]
        )
    elif name == "ConfirmAccess":
        yield "IAM shows the attachment"
    elif name == "RedeployService":
        yield f"started {result['deployment']}"
    elif name in ("CheckRollout", "VerifyHealth", "RestoreService", "CheckRestore"):
        yield f"{result['verdict']}: {result['evidence'][0]}"
    elif name == "DetachPolicies":
        yield from (f"took off {p.rsplit('/', 1)[-1]}" for p in result["detached"])
    elif name in ("CloseIncident", "PageOperator"):
        yield result.get("outcome", "failed")
