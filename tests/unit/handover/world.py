"""The seed's worker, which is to be handed over, and an account in memory with builds, a bucket and a table.

A build does what the test says that Terraform does; its result is whatever the test lets it send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.approval import Answer
from regrant.model.aws import Execution, TaskDefinition
from regrant.model.catalogue import Service
from regrant.model.handover import (
    Action,
    BuildState,
    HandoverReport,
    HandoverState,
    Kept,
    Opened,
    Plan,
    PlannedChange,
    Reading,
    Source,
    Spec,
    Target,
)
from regrant.model.journal import Outcome
from regrant.model.run import Report
from regrant.model.runs import run_of
from tests.unit import fakes
from tests.unit.fakes import APPROVER, DEFINITION, NEWER_DEFINITION, OPENED, ROUTE, WORKER, WORKER_ROLE, Fuse

NAME = "handover-of-the-worker"
RUN = run_of(NAME)
SHA = "acc6fb35ba01806f03802388d6e339c3eca1df8c7967a52d7e90a2b997572774"
SERVICE, TASKS = "aws_ecs_service.worker", "aws_ecs_task_definition.worker"
INPUT: dict[str, Any] = {
    "source": {"before": "4f1c0de", "after": "9a7e11a"},
    "directory": "infra",
    "imports": {SERVICE: str(WORKER), TASKS: DEFINITION, "aws_ecs_cluster.main": WORKER.cluster},
    "services": {SERVICE: TASKS},
    "roles": {TASKS: WORKER_ROLE},
}
TARGET = Target(SERVICE, TASKS, WORKER, DEFINITION, WORKER_ROLE)
SPEC = Spec(Source("4f1c0de", "9a7e11a"), "infra", INPUT["imports"], (TARGET,))
OPENED_STATE = HandoverState(Opened(NAME, NAME, "handover", "a person", OPENED, "CREATE", SPEC))
CHANGES = (
    PlannedChange(TASKS, ("create", "delete"), ("task_role_arn",)),
    PlannedChange(SERVICE, ("update",), ("task_definition",)),
)
ASKED = replace(OPENED_STATE, reading=Reading("ASK", fakes.at(60), "plan", plan=Plan(SHA, CHANGES)))
PLANNED = {
    "action": "plan",
    "status": "DONE",
    "sha256": SHA,
    "empty": False,
    "changes": [
        {"address": TASKS, "actions": ["create", "delete"], "attributes": ["task_role_arn"]},
        {"address": SERVICE, "actions": ["update"], "attributes": ["task_definition"]},
    ],
}


def done(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "status": "DONE", "commands": [], **more}


def failed(action: str, error: str, reason: str = "it says so") -> dict[str, Any]:
    return {"action": action, "status": "FAILED", "error": error, "reason": reason}


@dataclass
class FakeKept:
    written: dict[str, Kept] = field(default_factory=dict)
    reports: dict[str, HandoverReport] = field(default_factory=dict)
    journal: Any = None
    fuse: Fuse = field(default_factory=Fuse)

    def keep(self, run: str, kept: Kept) -> Kept:
        self.fuse.pass_by()
        return self.written.setdefault(run, kept)

    def replace(self, run: str, kept: Kept) -> None:
        self.fuse.pass_by()
        self.written[run] = kept

    def load(self, run: str) -> Kept | None:
        return self.written.get(run)

    def close(self, run: str, report: HandoverReport) -> None:
        self.fuse.pass_by()
        self.reports[run] = report
        self.journal.closed[run] = report


@dataclass
class FakeBucket:
    """there: the settings of it; None where nobody has it."""

    name: str = "retainwise-terraform-state"
    there: set[str] | None = None
    objects: list[str] = field(default_factory=list)
    others: bool = False
    fuse: Fuse = field(default_factory=Fuse)

    def exists(self) -> bool:
        if self.others:
            raise AwsRefused("The bucket is another account's", "403")
        return self.there is not None

    def create(self) -> None:
        self.fuse.pass_by()
        self.there = set()
        self.fuse.pass_by()

    def secure(self) -> None:
        self.fuse.pass_by()
        self.there = {"versions", "encryption", "private"}

    def faults(self) -> tuple[str, ...]:
        return () if self.there and len(self.there) == 3 else ("it keeps no versions",)

    def delete_if_empty(self) -> bool:
        self.fuse.pass_by()
        if not self.objects:
            self.there = None
        return self.there is None


@dataclass
class FakeTable:
    """there: its key. creating: how often it is still being made when it is looked at."""

    name: str | None = "retainwise-terraform-locks"
    there: str | None = None
    creating: int = 0
    rows: list[str] = field(default_factory=list)
    fuse: Fuse = field(default_factory=Fuse)

    def exists(self) -> bool:
        if self.there and self.creating:
            self.creating -= 1
            raise AwsUnavailable("The table is CREATING")
        return self.there is not None

    def create(self) -> None:
        self.fuse.pass_by()
        self.there = "LockID"
        self.fuse.pass_by()

    def faults(self) -> tuple[str, ...]:
        self.exists()
        return () if self.there == "LockID" else ("its key is not the one string LockID",)

    def delete_if_empty(self) -> bool:
        self.fuse.pass_by()
        if not self.rows:
            self.there = None
        return self.there is None


@dataclass
class FakeBuilds:
    """known: every build by its id, with the variables that it was started with. stops: how many looks a
    stopped one goes on for."""

    known: dict[str, BuildState] = field(default_factory=dict)
    variables: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    stops: int = 1
    stopping: dict[str, int] = field(default_factory=dict)
    response_lost: bool = False
    ended_at: str = OPENED
    fuse: Fuse = field(default_factory=Fuse)

    def start(self, run: str, action: Action, source: str, once: str, job: Mapping[str, str]) -> str:
        self.fuse.pass_by()
        same = next((id_ for id_, given in self.variables.items() if given == (run, action, once)), None)
        new = same or f"regrant-handover:{len(self.known) + 1:04}"
        self.known.setdefault(new, BuildState(new, "IN_PROGRESS", OPENED))
        self.variables[new], self.sources[new], self.jobs[new] = (run, action, once), source, job
        self.fuse.pass_by()
        if self.response_lost:
            raise AwsUnavailable("Connection was closed before we received a valid response")
        return new

    def find(self, run: str, action: Action, once: str) -> BuildState | None:
        found = [id_ for id_, given in self.variables.items() if given == (run, action, once)]
        return self.known[found[-1]] if found else None

    def look(self, build: str) -> BuildState | None:
        if build in self.stopping:
            self.stopping[build] -= 1
            if self.stopping[build] < 0:
                self.end(build, "STOPPED")
                del self.stopping[build]
        return self.known.get(build)

    def stop(self, build: str) -> None:
        self.stopping.setdefault(build, self.stops)

    def end(self, build: str, status: str = "SUCCEEDED") -> None:
        self.known[build] = replace(self.known[build], status=status, ended=self.ended_at)

    def actions(self) -> list[str]:
        return [action for _, action, _ in self.variables.values()]


@dataclass
class FakeWork:
    written: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, text: str) -> None:
        self.written[key] = text

    def read(self, key: str) -> str | None:
        return self.written.get(key)


class Handing(fakes.World):
    """The account of the fakes, with what a handover needs beside it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kept = FakeKept(journal=self.journal, fuse=self.fuse)
        self.state_bucket, self.lock_table = FakeBucket(fuse=self.fuse), FakeTable(fuse=self.fuse)
        self.builds, self.work = FakeBuilds(fuse=self.fuse), FakeWork()
        right = TaskDefinition(NEWER_DEFINITION, WORKER_ROLE, (ROUTE,))
        self.services.definitions[NEWER_DEFINITION] = right

    @property
    def state_place(self) -> Mapping[str, object]:
        table = self.lock_table.name
        place = {"bucket": self.state_bucket.name, "key": "prod/terraform.tfstate"}
        return {**place, "table": table, "lockfile": table is None}

    # What Terraform and ECS do

    def applies(self) -> None:
        """Terraform registers the revision, and ECS moves the worker to it."""
        self.registers()
        self.services.deploy(WORKER, NEWER_DEFINITION)
        self.services.finish()
        self.runs_tasks()

    def rolls_back(self) -> None:
        """Terraform registers the revision, ECS tries it and goes back: the old deployment is PRIMARY."""
        self.registers()

    def registers(self) -> None:
        """Terraform registers the revision now."""
        builds = [c for c in self.journal.load(RUN).changes if c.target.startswith("apply/")]
        self.revisions.registered[NEWER_DEFINITION] = (DEFINITION, WORKER_ROLE)
        self.revisions.times[NEWER_DEFINITION] = builds[-1].intended_at

    def runs_tasks(self) -> None:
        """Every task is of the primary deployment."""
        state = self.services.state
        assert state is not None and state.primary is not None
        tasks = tuple(f"task-{number}" for number in range(state.desired_count))
        self.services.tasks = {state.primary.id: tasks, None: tasks}

    # What people and the runbook do

    def says(self, approved: bool = True) -> None:
        """The stack's function for answers takes it from a person."""
        question = self.approvals.last(RUN)
        assert question is not None
        given = Answer(approved, APPROVER, "AROAAPPROVER", fakes.at(90), "SENT")
        self.approvals.ask(replace(question, answer=given))

    def cures_end(self, outcome: str = "CURED") -> None:
        for name in list(self.executions.started):
            if name not in self.executions.running:
                self.executions.running[name] = Execution("SUCCEEDED", "", OPENED)
                given = self.executions.started[name]
                self.journal.closed[name] = _report(name, given, outcome)

    def stopped(self, name: str = NAME) -> None:
        """Somebody stopped that handover."""
        self.executions.running[run_of(name)] = Execution("ABORTED", "", OPENED)

    def runs(self, service: Service = WORKER) -> str:
        state = self.services.describe(service)
        assert state is not None
        return state.task_definition


def _report(name: str, given: Mapping[str, Any], outcome: str) -> Any:
    ended = "ROLLED_BACK" if given.get("mode") == "rollback" and outcome == "CURED" else outcome
    return Report(name, str(WORKER), "cure", cast(Outcome, ended), (), (), None, None, (), "")
