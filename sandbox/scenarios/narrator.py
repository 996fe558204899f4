"""Says what happens in the account while it happens, with the simulated time; 80 columns wide."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from regrant.report.render import WIDTH, wrap_log
from sandbox.account import LocalAccount
from sandbox.engine.clock import Event
from sandbox.scenarios.results import read_messages
from sandbox.scenarios.seeds import retainwise

EVERY = 2.0
"""Simulated seconds between two looks."""
_INDENT = " " * 10


@dataclass
class Seen:
    """A run that the narrator has seen: the chapter that it came in, and whether an alarm started it."""

    chapter: int
    alarm: bool
    status: str = "RUNNING"
    events: int = 0


class Narrator:
    def __init__(self, account: LocalAccount, machine: str, say: Callable[[str], None]) -> None:
        self.account = account
        self.machine = machine
        self._say = say
        self._chapter = 0
        self._since = 0
        self._said: set[str] = set()
        self._denied: set[str] = set()
        self._firing: set[str] = set()
        self._messages = 0
        self.runs: dict[str, Seen] = {}
        """By ARN, oldest first."""
        self.predictions: Counter[str] = Counter()
        self.histories: dict[str, list[str]] = {}
        """The statuses that each prediction was seen in."""
        self._shown: set[str] = set()
        self._show_at = 0.0
        self._looking: Event | None = None

    def watch(self) -> None:
        self._looking = self.account.clock.every(EVERY, self.look)

    def look_away(self) -> None:
        """See nothing until watch(), which takes no time then."""
        if self._looking:
            self._looking.cancel()

    def begin(self, chapter: int, story: str) -> None:
        """What is seen from here on belongs to that chapter."""
        self._chapter = chapter
        self._since = int(self.account.clock.now().timestamp() * 1000)
        self._said.clear()
        self._denied.clear()
        self._say("")
        self.say("chapter", story)

    def over(self, expected: int) -> bool:
        """Whether the chapter's runs have ended, at least so many without those that an alarm started in a
        later chapter than the first. As of the last look."""
        runs = [run for run in self.runs.values() if run.chapter == self._chapter]
        counted = [run for run in runs if not (run.alarm and run.chapter)]
        return len(counted) >= expected and all(run.status != "RUNNING" for run in self.runs.values())

    @property
    def drained(self) -> bool:
        return self.predictions["COMPLETED"] > self.predictions["QUEUED"]

    def done_since(self, known: set[str]) -> bool:
        """Whether a prediction that is none of these went all the way."""
        return any(
            statuses == ["QUEUED", "PROCESSING", "COMPLETED"]
            for prediction, statuses in self.histories.items()
            if prediction not in known
        )

    def look(self) -> None:
        """One look at everything that changes."""
        for group in self._log_groups():
            self._denials(group)
        self._alarms()
        self._executions()
        self._topic()
        self._predictions()

    def say(self, who: str, what: str, state: str = "") -> None:
        """Once a chapter: what has been said already is not news."""
        head = f"{who:19} {f'{state:16} ' if state else ''}"
        if head + what not in self._said:
            self._said.add(head + what)
            minutes, seconds = divmod(int(self.account.clock.elapsed()), 60)
            hours = f"{minutes // 60}:" if minutes >= 60 else ""
            for line in _lines(f"+{hours}{minutes % 60:02}:{seconds:02}  {head}", what):
                self._say(line)

    def _log_groups(self) -> list[str]:
        groups = self.account.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/")["logGroups"]
        return [group["logGroupName"] for group in groups]

    def _denials(self, group: str) -> None:
        """The first one of each service. After that its log, which may be very long, is left alone."""
        if group in self._denied:
            return
        pages = self.account.client("logs").get_paginator("filter_log_events")
        asked = {"filterPattern": '"is not authorized to perform"', "startTime": self._since, "limit": 1}
        found = pages.paginate(logGroupName=group, **asked)
        if first := next((event for page in found for event in page["events"]), None):
            self._denied.add(group)
            text = first["message"].partition("is not authorized")[2]
            self.say(group.removeprefix("/ecs/"), f"is not authorized{text}")

    def _alarms(self) -> None:
        alarms = self.account.client("cloudwatch").describe_alarms(AlarmNamePrefix="regrant/")["MetricAlarms"]
        firing = {alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"}
        for name in sorted(firing - self._firing):
            self.say(name.rsplit("/", 1)[-1], f"ALARM {name}")
        self._firing = firing

    def _executions(self) -> None:
        sfn = self.account.client("stepfunctions")
        found: list[dict[str, Any]] = sfn.list_executions(stateMachineArn=self.machine)["executions"]
        for execution in sorted(found, key=lambda execution: execution["startDate"]):
            arn = execution["executionArn"]
            if arn not in self.runs:
                given = json.loads(sfn.describe_execution(executionArn=arn)["input"])
                self.runs[arn] = Seen(self._chapter, alarm="detail-type" in given)
            if self.runs[arn].status == "RUNNING":
                self._states(arn, self.runs[arn])
                self.runs[arn].status = execution["status"]

    def _states(self, arn: str, run: Seen) -> None:
        # Not by a request: to make its answer of all that was so far would take longer than all else.
        backend = stepfunctions_parser_backends[self.account.account_id][self.account.region]
        events = backend.get_execution_history(arn)["events"]
        for event in events[run.events :]:
            exited = event.get("stateExitedEventDetails")
            if exited:
                state = json.loads(exited.get("output") or "{}")
                for note in _notes(exited["name"], state, self._short_id(arn)):
                    self.say(_service(state), note, exited["name"])
        run.events = len(events)

    def _short_id(self, arn: str) -> str:
        """Of the run, and of no other that has been seen."""
        return short_id(_run(arn), map(_run, self.runs))

    def _topic(self) -> None:
        messages = read_messages(self.account)
        for message in messages[self._messages :]:
            self.say("notification", message.subject)
        self._messages = len(messages)

    def _predictions(self) -> None:
        # Like the history: a request costs more with each item.
        table = dynamodb_backends[self.account.account_id][self.account.region].tables[retainwise.TABLE]
        statuses = {name: _status(item) for name, item in list(table.items.items())}
        for prediction, status in statuses.items():
            seen = self.histories.setdefault(prediction, [])
            if seen[-1:] != [status]:
                seen.append(status)
        counts = Counter(statuses.values())
        self.predictions = counts
        # New statuses immediately, mere numbers now and then.
        if counts and (not set(counts) <= self._shown or self.account.clock.elapsed() >= self._show_at):
            self._shown |= set(counts)
            self._show_at = self.account.clock.elapsed() + 30
            self.say("predictions", ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))


def short_id(run: str, runs: Iterable[str]) -> str:
    """The shortest end of the run's id that no other of the runs has; at least six characters."""
    others = [other for other in runs if other != run]
    lengths = range(6, len(run))
    unique = (n for n in lengths if not any(other.endswith(run[-n:]) for other in others))
    return f"…{run[-length:]}" if (length := next(unique, None)) else run


def _lines(head: str, what: str) -> list[str]:
    """One line if it fits, else the head and what it is about below it."""
    one = f"{head}{what}"
    if len(one) <= WIDTH and one.isprintable():
        return [one]
    return [head.rstrip(), *wrap_log(what, _INDENT, _INDENT)]


def _run(arn: str) -> str:
    return arn.rpartition(":")[2]


def _status(item: Any) -> str:
    return str(item.attrs["status"].value)


def _service(state: dict[str, Any]) -> str:
    incident = state.get("incident") or {}
    service = incident.get("service") or {}
    return str(service.get("name", "runbook"))


# Under which key of the state a step's result is.
_KEYS = {
    "Diagnose": "diagnosis",
    "CaptureBaseline": "baseline",
    "AttachPolicies": "grant",
    "RedeployService": "rollout",
    "VerifyHealth": "health",
    "WithdrawGrants": "withdrawal",
    "UndoRole": "undo",
    "UndoService": "undo",
    "ConfirmBaseline": "receipt",
    "CloseIncident": "report",
    "PageOperator": "report",
}


def _notes(name: str, state: dict[str, Any], run: str) -> Iterator[str]:
    """What is worth saying when a state has been left. `run` is a short id."""
    if name == "OpenIncident" and "incident" in state:
        yield f"run {run}: {state['incident']['trigger']}"
    result: Any = state.get(_KEYS.get(name, ""))
    if result is None:
        if name in _KEYS and "error" in state:
            yield f"failed with {state['error']['Error']}"
    elif name == "Diagnose":
        # Counts change with each look at a deployment in flight; the last look has them all.
        news = result["findings"][: 1 if result["next"] == "WAIT" else None]
        yield from (finding["text"] for finding in news)
    elif name == "CaptureBaseline":
        waits = f"waits for run {result.get('holder')}"
        yield f"sha256 {result['sha256'][:16]}…" if "sha256" in result else waits
    elif name == "ConfirmBaseline":
        yield f"sha256 {result['after'][:16]}…"
    elif name == "AttachPolicies":
        yield from (f"{_name(policy)} → {_name(result['role'])}" for policy in result["attached"])
    elif name == "RedeployService":
        yield from (f"registered {_name(revision)}" for revision in [result["revision"]] if revision)
        yield f"started {result['deployment']}"
    elif name == "VerifyHealth":
        yield f"{result['verdict']}: {' '.join(result['evidence'])}"
    elif name == "WithdrawGrants":
        yield from (f"withdrew {_name(policy)}" for policy in result["removed"])
        yield from (f"{_name(kept['policy'])} stays: {kept['why']}" for kept in result["kept"])
    elif name == "UndoRole" and result["next"] == "WAIT":
        yield f"waits for run {result['waits_for']}"
    elif name == "UndoRole":
        yield from (f"attached {_name(policy)} again" for policy in result["put_back"] or ())
        yield from (f"detached {_name(policy)}" for policy in result["detached"] or ())
    elif name == "UndoService":
        yield f"{result['service']}: {' '.join(result['evidence'])}"
        yield from (f"deregistered {_name(revision)}" for revision in result["deregistered"] or ())
    elif name in ("CloseIncident", "PageOperator"):
        yield result.get("outcome", "failed")


def _name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
