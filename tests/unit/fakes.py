"""The seed's incident as domain objects, and an account in memory that implements the ports.

The account does what AWS does as far as the domain can see it: attaching twice is attaching once, a forced
deployment becomes PRIMARY with counts 0/0/0, the journal's conditional put keeps the first entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from regrant.baseline.drift import digest_of_entry, planned_against
from regrant.errors import AwsRefused, AwsUnavailable, NotOfThisRun
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy
from regrant.model.approval import Answer, Question, Starter
from regrant.model.aws import (
    Attachments,
    Baseline,
    Deployment,
    Execution,
    FiringAlarm,
    LogLine,
    LogLines,
    LogRoute,
    QueueDepth,
    RoleState,
    Sent,
    ServiceState,
    StoppedTask,
    TaskDefinition,
)
from regrant.model.catalogue import CatalogueEntry, HealthPolicy, Service
from regrant.model.journal import Change, Hold, LastOutcome, Lease, Refusals
from regrant.model.run import Depths, Diagnosis, Incident, Plan, Report
from regrant.settings import Allowed, ListName, Settings

ACCOUNT, REGION = "123456789012", "us-east-1"
CLUSTER = "retainwise-cluster"
WORKER = Service(CLUSTER, "retainwise-worker")
OLD_ROLE = f"arn:aws:iam::{ACCOUNT}:role/retainwise-ecs-task-role"
WORKER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/prod-retainwise-worker-task-role"
BACKEND_ROLE = f"arn:aws:iam::{ACCOUNT}:role/prod-retainwise-backend-task-role"
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/retainwise-ecs-execution-role"
RECEIVE = f"arn:aws:iam::{ACCOUNT}:policy/retainwise/prod-retainwise-sqs-worker"
SEND = f"arn:aws:iam::{ACCOUNT}:policy/retainwise/prod-retainwise-sqs-send"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:prod-retainwise-predictions-queue"
DEAD_LETTERS = f"{QUEUE}-dlq"
DEFINITION = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/retainwise-worker:1"
NEWER_DEFINITION = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/retainwise-worker:2"
OLD_DEPLOYMENT = "ecs-svc/4026531840000000041"
THEIRS = "ecs-svc/77"  # somebody else's deployment
APPROVER = f"arn:aws:iam::{ACCOUNT}:role/approver"
ROUTE = LogRoute("/ecs/retainwise-worker", "ecs/worker")
CATALOGUE = "/regrant/services/"
OPENED = "2025-11-11T21:52:14.102Z"
INCIDENT = "5e3b7f0a-4c1d-4a7e-9a54-0d6f2f8f1c11_7c0f64be-8d4b-4f0e-b8d5-1f7f2a9f3f52"

ENTRY = CatalogueEntry(
    task_role=WORKER_ROLE,
    policies=(RECEIVE,),
    health=HealthPolicy(success="Successfully received", queue=QUEUE, dead_letter_queue=DEAD_LETTERS),
    redeploy="always",
)
ALLOWED = Allowed(
    roles=frozenset({OLD_ROLE, WORKER_ROLE, BACKEND_ROLE}),
    policies=frozenset({RECEIVE, SEND}),
    clusters=frozenset({f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"}),
    execution_roles=frozenset({EXECUTION_ROLE}),
)


def text_of(entry: CatalogueEntry) -> str:
    """What the service's parameter has."""
    return msgspec.json.encode(entry).decode()


SETTINGS = Settings(
    {
        "AWS_REGION": REGION,
        "ALARM_NAME_PREFIX": "regrant/",
        "ALARM_RULE": "regrant-alarm",
        "APPROVERS": APPROVER,
        "CATALOGUE_PREFIX": CATALOGUE,
        "JOURNAL_TABLE": "regrant-journal",
        "STATE_MACHINE_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:regrant-runbook",
        "TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:regrant-incidents",
        "SCHEDULE_GROUP": "regrant-grants",
        "EXPIRY_WINDOW": "always",
        "REQUIRE_APPROVAL": "none",
        "SCHEDULE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/regrant-schedules",
    }
)
DOCUMENTS = {
    policy: {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [f"sqs:{a}" for a in actions], "Resource": QUEUE}],
    }
    for policy, actions in {
        RECEIVE: ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"],
        SEND: ["SendMessage", "GetQueueAttributes"],
    }.items()
}
POLICY_IDS = {RECEIVE: "ANPARZPUZDIKRECEIVEID", SEND: "ANPARZPUZDIKXXSENDXID"}
DENIAL = (
    "ERROR failed to receive messages from SQS: An error occurred (AccessDenied) when calling the"
    " ReceiveMessage operation: User: arn:aws:sts::123456789012:assumed-role/retainwise-ecs-task-role/"
    "0f9c2f1d7f3f4c5e8a6b is not authorized to perform: sqs:receivemessage on resource:"
    f" {QUEUE} because no identity-based policy allows the sqs:receivemessage action"
)
SUCCESS = "Successfully received 3 messages from SQS"

INCIDENT_OF_WORKER = Incident(
    id=INCIDENT,
    subject=INCIDENT,
    mode="contain",
    trigger=f"alarm regrant/{WORKER} at 2025-11-11T21:52:11.438+0000",
    opened_at=OPENED,
    service=WORKER,
    entry=ENTRY,
)
UNDO = Incident(
    id="undo-1",
    subject=INCIDENT,
    mode="rollback",
    trigger="a person",
    opened_at=OPENED,
    service=WORKER,
)
PLAN = Plan(role=OLD_ROLE, attach=(RECEIVE,), redeploy=True)


def at(seconds: float) -> str:
    """A moment of the run, as Step Functions writes it: seconds after the incident was opened."""
    moment = datetime.fromisoformat(OPENED) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


OLD = Deployment(
    id=OLD_DEPLOYMENT,
    status="PRIMARY",
    rollout_state="COMPLETED",
    reason=f"ECS deployment {OLD_DEPLOYMENT} completed.",
    task_definition=DEFINITION,
    desired=2,
    running=2,
    failed_tasks=0,
)
RUNNING = ServiceState(
    arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{WORKER}",
    status="ACTIVE",
    controller="ECS",
    task_definition=DEFINITION,
    desired_count=2,
    deployment_configuration={"maximumPercent": 200, "minimumHealthyPercent": 100},
    deployments=(OLD,),
)
TASK_DEFINITION = TaskDefinition(arn=DEFINITION, task_role=OLD_ROLE, logs=(ROUTE,))
ROLE = RoleState(  # as sandbox/scenarios/seeds/retainwise.py makes it, so that the events fit both
    arn=OLD_ROLE,
    attached=(),
    inline={
        "retainwise-data": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject"],
                    "Resource": "arn:aws:s3:::prod-retainwise-uploads/*",
                },
                {
                    "Effect": "Allow",
                    "Action": [f"dynamodb:{a}" for a in ("GetItem", "PutItem", "UpdateItem", "Scan")],
                    "Resource": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/prod-retainwise-predictions",
                },
            ],
        }
    },
    boundary=None,
    trust={
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    },
    tags={},
    id="AROARZPUZDIKEXAMPLEID",
)


class Crash(Exception):
    """The function's process is gone: nothing after this point happened."""


@dataclass
class Fuse:
    """Counts the moments before and after every change, and blows at the chosen one (from 1)."""

    blows_at: int = 0
    passed: int = 0

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed == self.blows_at:
            raise Crash(f"at moment {self.passed}")


@dataclass
class FakeServices:
    state: ServiceState | None = RUNNING
    definition: TaskDefinition = TASK_DEFINITION
    definitions: dict[str, TaskDefinition] = field(default_factory=dict)  # other revisions, by ARN
    others: dict[Service, ServiceState] = field(default_factory=dict)
    tasks: dict[str | None, tuple[str, ...]] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    died: tuple[StoppedTask, ...] = ()  # of them, those that a deployment started
    strangers: frozenset[str] = frozenset()  # what streams are named after that is no task of the service
    groups: dict[tuple[str, str], str] = field(default_factory=dict)  # of (cluster, task)
    fuse: Fuse = field(default_factory=Fuse)
    response_lost: bool = False
    redeployed: list[str] = field(default_factory=list)

    def describe(self, service: Service) -> ServiceState | None:
        return self.state if service == WORKER else self.others.get(service)

    def running_in(self, cluster: str) -> dict[Service, tuple[str, ...]]:
        known = {**self.others, **({WORKER: self.state} if self.state else {})}
        return {
            service: (state.task_definition, *(d.task_definition for d in state.deployments))
            for service, state in known.items()
            if service.cluster == cluster
        }

    def task_definition(self, arn: str) -> TaskDefinition:
        return self.definitions.get(arn, self.definition)

    def redeploy(self, service: Service) -> str:
        self.fuse.pass_by()
        assert self.state is not None
        new = f"ecs-svc/40265318400000001{len(self.redeployed):02}"
        self.redeployed.append(new)
        self._start(new, self.state.task_definition)
        self.fuse.pass_by()
        if self.response_lost:
            raise AwsUnavailable("Connection was closed before we received a valid response")
        return new

    def deploy(self, service: Service, revision: str) -> str:
        self.fuse.pass_by()
        assert self.state is not None and self.state.primary is not None
        if self.state.primary.task_definition != revision:
            self._start(f"ecs-svc/50265318400000001{len(self.redeployed):02}", revision)
            self.redeployed.append(self.state.primary.id)
        self.fuse.pass_by()
        if self.response_lost:
            raise AwsUnavailable("Connection was closed before we received a valid response")
        return self.state.primary.id

    def somebody_deploys(self, revision: str) -> None:
        self._start(THEIRS, revision)

    def _start(self, new: str, revision: str) -> None:
        assert self.state is not None
        fresh = replace(
            OLD, id=new, rollout_state="IN_PROGRESS", task_definition=revision, desired=0, running=0
        )
        older = tuple(replace(d, status="ACTIVE") for d in self.state.deployments)
        self.state = replace(self.state, task_definition=revision, deployments=(fresh, *older))

    def task_ids(self, service: Service, deployment: str | None) -> tuple[str, ...]:
        return self.tasks.get(deployment, ())

    def stopped_task_ids(self, service: Service) -> tuple[str, ...]:
        return (*self.stopped, *(task.id for task in self.died))

    def stopped_tasks(self, service: Service) -> tuple[StoppedTask, ...]:
        return (*(StoppedTask(task, OLD_DEPLOYMENT) for task in self.stopped), *self.died)

    def own_tasks(self, service: Service, tasks: frozenset[str]) -> frozenset[str]:
        return tasks - self.strangers

    def task_group(self, cluster: str, task: str) -> str | None:
        return self.groups.get((cluster, task))

    def finish(self, **changed: Any) -> None:
        """The primary deployment completes (or ends as given), and the ones it replaced are gone."""
        assert self.state is not None and self.state.primary is not None
        desired = self.state.desired_count
        done = {"rollout_state": "COMPLETED", "desired": desired, "running": desired} | changed
        self.state = replace(self.state, deployments=(replace(self.state.primary, **done),))

    def stall(self) -> None:
        """The primary deployment's tasks do not start."""
        assert self.state is not None
        primary, *older = self.state.deployments
        self.state = replace(self.state, deployments=(replace(primary, failed_tasks=2), *older))


@dataclass
class FakeRoles:
    role: RoleState = ROLE
    others: dict[str, RoleState] = field(default_factory=dict)  # roles beside the one in use, by ARN
    gone: bool = False
    quota: int = 10
    version: str = "v1"
    ids: dict[str, str] = field(default_factory=lambda: dict(POLICY_IDS))
    nonexistent: tuple[str, ...] = ()
    documents: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(DOCUMENTS))
    fuse: Fuse = field(default_factory=Fuse)
    detached: list[str] = field(default_factory=list)

    def permissions(self, role: str, wanted: tuple[str, ...], *, with_quota: bool = True) -> RolePermissions:
        def read(*policies: str) -> tuple[Policy, ...]:
            return self.read_policies(policies)

        self.attached(role)
        state = self._of(role)
        return RolePermissions(
            role=role,
            attached=state.attached,
            quota=self.quota,
            identity=(*read(*state.attached), *(Policy(n, d) for n, d in state.inline.items())),
            boundary=read(state.boundary)[0] if state.boundary else None,
            declared=read(*wanted),
            nonexistent=self.nonexistent,
            state=state,
        )

    def read_policies(self, policies: tuple[str, ...]) -> tuple[Policy, ...]:
        existing = [p for p in policies if p in self.documents and p not in self.nonexistent]
        return tuple(Policy(p, self.documents[p], self.version, self.ids.get(p, "")) for p in existing)

    def attached(self, role: str) -> tuple[str, ...]:
        if self.gone and role == self.role.arn:
            raise AwsRefused(f"{role} cannot be found.", "NoSuchEntity")
        return self._of(role).attached

    def attachments(self, role: str, policies: tuple[str, ...] = ()) -> Attachments | None:
        state = self.read(role)
        if state is None:
            return None
        ids = {policy: self.ids.get(policy, "ANPAEXAMPLE") for policy in policies}
        found = {policy: ids.get(policy) for policy in state.attached}
        return Attachments(state.id, found, state.tags, state.trust)

    def read(self, role: str) -> RoleState | None:
        if role in self.others:
            return self.others[role]
        return None if self.gone or role != self.role.arn else self.role

    def attach(self, role: str, policy: str) -> None:
        self.fuse.pass_by()
        self._set(role, tuple(sorted({*self._of(role).attached, policy})))
        self.fuse.pass_by()

    def detach(self, role: str, policy: str) -> bool:
        self.fuse.pass_by()
        self.detached.append(policy)
        there = policy in self._of(role).attached
        self._set(role, tuple(p for p in self._of(role).attached if p != policy))
        self.fuse.pass_by()
        return there

    def _of(self, role: str) -> RoleState:
        return self.others.get(role, self.role)

    def _set(self, role: str, attached: tuple[str, ...]) -> None:
        changed = replace(self._of(role), attached=attached)
        if role in self.others:
            self.others[role] = changed
        else:
            self.role = changed


@dataclass(frozen=True)
class FakeRecord:
    baseline: Baseline | None
    changes: tuple[Change, ...]
    closed: bool = False
    plans: frozenset[str] = frozenset()
    not_begun: tuple[str, ...] = ()


@dataclass
class FakeJournal:
    baselines: dict[str, Baseline] = field(default_factory=dict)
    entries: dict[tuple[str, str, str], Change] = field(default_factory=dict)
    closed: dict[str, Report] = field(default_factory=dict)
    last: dict[str, LastOutcome] = field(default_factory=dict)
    refused: dict[Service | None, Refusals] = field(default_factory=dict)
    planned: dict[tuple[str, str, str], str] = field(default_factory=dict)
    meets_another: list[Callable[[FakeJournal], object]] = field(default_factory=list)
    fuse: Fuse = field(default_factory=Fuse)
    failure: AwsRefused | None = None
    holds: FakeHolds = field(default_factory=lambda: FakeHolds())  # in the same table
    leases: FakeLeases = field(default_factory=lambda: FakeLeases())  # here, too

    def keep_baseline(self, incident: str, baseline: Baseline) -> Baseline:
        return self.baselines.setdefault(incident, baseline)

    def replace_baseline(self, incident: str, baseline: Baseline) -> None:
        self.baselines[incident] = baseline

    def keep_baseline_with_lease(
        self,
        incident: str,
        baseline: Baseline,
        lease: Lease,
        untouched_since: str,
        planned: tuple[Change, ...] = (),
        plan: str = "",
    ) -> bool:
        standing = self.leases.held.get(lease.resource)
        free = standing is None or (
            standing.ends_at <= lease.taken_at and standing.taken_at < untouched_since
        )
        if not free or incident in self.baselines:
            return False
        self.baselines[incident], self.leases.held[lease.resource] = baseline, lease
        self.plan(incident, planned, plan)
        return True

    def plan(self, incident: str, planned: tuple[Change, ...], plan: str) -> None:
        for change in planned:
            if _key(incident, change) not in self.entries:
                self.planned[_key(incident, change)] = plan

    def intend(self, incident: str, change: Change, plan: str | None = None) -> bool:
        return self._write_new(incident, change, plan)

    def intend_grant(self, incident: str, change: Change, hold: Hold, plan: str) -> bool:
        return self._write_new(incident, change, plan, hold)

    def _write_new(self, incident: str, change: Change, plan: str | None, hold: Hold | None = None) -> bool:
        if plan is not None and self.planned.get(_key(incident, change)) != plan:
            raise NotOfThisRun(incident)
        self.fuse.pass_by()
        new = _key(incident, change) not in self.entries
        self.entries.setdefault(_key(incident, change), change)
        if new and hold:
            self.holds.written[change.target, hold.policy, hold.incident] = hold
        self.fuse.pass_by()
        return new

    def record(self, incident: str, change: Change, plan: str | None = None) -> None:
        self.fuse.pass_by()
        self.entries[_key(incident, change)] = change
        self.fuse.pass_by()

    def record_and_release(
        self,
        incident: str,
        changes: tuple[Change, ...],
        holds: tuple[Hold, ...],
        lease: Lease,
        now: str,
        plan: str | None = None,
    ) -> None:
        self.fuse.pass_by()
        for change in changes:
            self.entries[_key(incident, change)] = change
        for hold in holds:
            key = lease.resource.removeprefix("role/"), hold.policy, hold.incident
            if self.holds.written.get(key) == hold:
                self.holds.written[key] = replace(hold, attached_at=now)
        self.leases.release(lease.resource, lease.owner, now)
        self.fuse.pass_by()

    def load(self, incident: str) -> FakeRecord:
        if self.failure:
            raise self.failure
        changes = tuple(change for (owner, *_), change in self.entries.items() if owner == incident)
        plans = frozenset(plan for (owner, *_), plan in self.planned.items() if owner == incident)
        left = [key for key in self.planned if key[0] == incident and key not in self.entries]
        not_begun = tuple(map(_entry, left))
        return FakeRecord(self.baselines.get(incident), changes, incident in self.closed, plans, not_begun)

    def close(
        self,
        incident: str,
        report: Report,
        at: str,
        lease: str | None = None,
        subject: str | None = None,
        drop: tuple[str, ...] = (),
    ) -> None:
        if self.failure:
            raise self.failure
        self.closed[incident] = report
        for key in [key for key in self.planned if key[0] == (subject or incident) and _entry(key) in drop]:
            del self.planned[key]
        if lease:
            self.leases.release(lease, incident, at)

    def reopen(self, incident: str) -> None:
        del self.closed[incident]

    def last_outcome(self, service: Service) -> LastOutcome | None:
        return self.last.get(str(service))

    def report(self, incident: str) -> Report | None:
        return self.closed.get(incident)

    def refusals(self, service: Service | None) -> Refusals:
        if self.failure:
            raise self.failure
        return self.refused.get(service, Refusals())

    def keep_refusals(self, service: Service | None, refusals: Refusals) -> bool:
        if self.meets_another:
            self.meets_another.pop()(self)
        if self.refusals(service).version != refusals.version:
            return False
        self.refused[service] = replace(refusals, version=refusals.version + 1)
        return True


def _entry(key: tuple[str, str, str]) -> str:
    return "#".join(("change", *key[1:]))


def _key(incident: str, change: Change) -> tuple[str, str, str]:
    # As in the table: an incident has one redeploy and one restore of a service.
    return (
        incident,
        change.kind,
        change.value if change.kind in ("attach", "withdraw", "reattach") else change.target,
    )


@dataclass
class FakeLogs:
    written: list[LogLine] = field(default_factory=list)
    lag: float = 0  # seconds until a line is shown
    endless: tuple[str, ...] = ()  # terms of which there is more than is read
    most: int = 10_000  # lines that one search reads, the oldest first
    unread: dict[str, str] = field(default_factory=dict)  # AWS's code, by log group

    def write(self, seconds: float, message: str, task: str = "new-1", *, container: str = "worker") -> None:
        self.written.append(LogLine(at(seconds), f"ecs/{container}/{task}", message))

    def search(
        self,
        route: LogRoute,
        term: str,
        since: str,
        until: str,
        tasks: Callable[[], tuple[str, ...]],
        among: int = 1,
    ) -> LogLines:
        return self._read(route, term, since, until, self.written)

    def search_tasks(
        self,
        route: LogRoute,
        tasks: tuple[str, ...],
        term: str,
        since: str,
        until: str,
        among: int = 1,
    ) -> LogLines:
        return self._read(route, term, since, until, [x for x in self.written if x.task in tasks])

    def _read(self, route: LogRoute, term: str, since: str, until: str, written: list[LogLine]) -> LogLines:
        if code := self.unread.get(route.group):
            if code == "ResourceNotFoundException":
                return LogLines((), exists=False)
            raise AwsRefused(f"FilterLogEvents of {route.group}", code)
        start, end = datetime.fromisoformat(since), datetime.fromisoformat(until)
        found = [x for x in written if term in x.message and x.stream.startswith(f"{route.stream_prefix}/")]
        shown = end - timedelta(seconds=self.lag)
        within = tuple(x for x in found if start < datetime.fromisoformat(x.at) <= shown)
        return LogLines(within[: self.most], complete=term not in self.endless and len(within) <= self.most)


@dataclass
class FakeQueues:
    visible: int = 0
    dead: int = 0
    nonexistent: tuple[str, ...] = ()

    def find(self, queue: str) -> QueueDepth | None:
        return None if queue in self.nonexistent else self.depth(queue)

    def depth(self, queue: str) -> QueueDepth:
        if queue in self.nonexistent:
            raise AwsRefused(f"There is no queue {queue}", "QueueDoesNotExist")
        return QueueDepth(self.dead if queue == DEAD_LETTERS else self.visible, 0)


@dataclass
class FakeStates:
    texts: dict[str, bytes] = field(default_factory=dict)
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def read(self, arn: str, most: int) -> bytes | None:
        self.asked.append(arn)
        if self.failure:
            raise self.failure
        if arn not in self.texts:
            raise AwsRefused("Access Denied", "AccessDenied")
        return self.texts[arn] if len(self.texts[arn]) <= most else None


@dataclass
class FakeLeases:
    held: dict[str, Lease] = field(default_factory=dict)
    failure: AwsRefused | AwsUnavailable | None = None

    def take(self, lease: Lease, now: str, instead_of: str | None = None) -> Lease:
        standing = self.held.get(lease.resource)
        given_back = standing is not None and standing.ends_at <= min(standing.taken_at, now)
        if standing is None or standing.owner in (lease.owner, instead_of) or given_back:
            self.held[lease.resource] = standing = lease
        return standing

    def release(self, resource: str, owner: str, now: str) -> None:
        if self.failure:
            raise self.failure
        standing = self.held.get(resource)
        if standing and standing.owner == owner:
            self.held[resource] = replace(standing, taken_at=now, ends_at=now)

    def standing(self, resource: str) -> Lease | None:
        return self.held.get(resource)


@dataclass
class FakeHolds:
    written: dict[tuple[str, str, str], Hold] = field(default_factory=dict)
    fuse: Fuse = field(default_factory=Fuse)

    def write(self, role: str, hold: Hold) -> None:
        self.fuse.pass_by()
        self.written[role, hold.policy, hold.incident] = hold
        self.fuse.pass_by()

    def mark(self, role: str, hold: Hold, was: Hold) -> bool:
        unchanged = self.written.get((role, hold.policy, hold.incident)) == was
        if unchanged:
            self.write(role, hold)
        return unchanged

    def of(self, role: str) -> tuple[Hold, ...]:
        return tuple(h for (on, *_), h in self.written.items() if on == role and h.dropped_at is None)

    def dropped(self, role: str) -> tuple[Hold, ...]:
        return tuple(h for (on, *_), h in self.written.items() if on == role and h.dropped_at is not None)


@dataclass
class FakeSchedules:
    at: dict[tuple[str, str], str] = field(default_factory=dict)  # by (incident, time)
    fuse: Fuse = field(default_factory=Fuse)

    def put(self, incident: str, at: str) -> bool:
        self.fuse.pass_by()
        new = (incident, at) not in self.at
        self.at[incident, at] = "put"
        self.fuse.pass_by()
        return new

    def cancel(self, incident: str, at: str) -> None:
        self.fuse.pass_by()
        self.at.pop((incident, at), None)
        self.fuse.pass_by()


@dataclass
class FakeRevisions:
    """registered: (ARN of what was copied, role) by ARN, of ACTIVE revisions newer than the seed's."""

    registered: dict[str, tuple[str, str]] = field(default_factory=dict)
    inactive: list[str] = field(default_factory=list)
    times: dict[str, str] = field(default_factory=dict)  # when they were registered, where a test needs it
    wrong: tuple[str, ...] = ()
    execution: str | None = None
    fuse: Fuse = field(default_factory=Fuse)

    def latest(self, arn: str) -> str:
        return list(self.registered)[-1] if self.registered else DEFINITION

    def register(self, arn: str, role: str) -> str:
        self.fuse.pass_by()
        new = f"{DEFINITION.rpartition(':')[0]}:{2 + len(self.registered) + len(self.inactive)}"
        self.registered[new] = (arn, role)
        self.fuse.pass_by()
        return new

    def copies(self, arn: str, role: str, after: str) -> tuple[str, ...]:
        number = int(after.rpartition(":")[2])
        return tuple(
            new
            for new, made in self.registered.items()
            if made == (arn, role) and int(new.rpartition(":")[2]) > number
        )

    def differences(self, arn: str, copy: str) -> tuple[str, ...]:
        return (f'taskRoleArn: "{OLD_ROLE}" -> "{WORKER_ROLE}"', *self.wrong)

    def newest(self, arn: str, role: str, but: tuple[str, ...]) -> str | None:
        roles = {DEFINITION: OLD_ROLE} | {new: made_with for new, (_, made_with) in self.registered.items()}
        found = [n for n in roles if roles[n] == role and n not in (*but, *self.inactive)]
        return found[-1] if found else None

    def status(self, arn: str) -> str:
        return "INACTIVE" if arn in self.inactive else "ACTIVE"

    def registered_at(self, arn: str) -> str:
        return self.times.get(arn, "")

    def deregister(self, arn: str) -> None:
        self.fuse.pass_by()
        self.registered.pop(arn, None)
        self.inactive.append(arn)
        self.fuse.pass_by()

    def execution_role(self, arn: str) -> str | None:
        return self.execution


@dataclass
class FakeExecutions:
    ended: dict[str, str] = field(default_factory=dict)
    running: dict[str, Execution] = field(default_factory=dict)  # or ended, with its input
    started: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    failure: AwsRefused | AwsUnavailable | None = None

    def ended_at(self, execution: str) -> str | None:
        return self.ended.get(execution)

    def look(self, execution: str) -> Execution | None:
        if execution in self.ended:
            return Execution("ABORTED", "", self.ended[execution])
        return self.running.get(execution)

    def waits_for(self, execution: str) -> Sent | None:
        return self.sent.get(execution)

    def start(self, name: str, given: Mapping[str, Any]) -> None:
        if self.failure:
            raise self.failure
        self.started.setdefault(name, given)


@dataclass
class FakeAlarms:
    in_alarm: tuple[FiringAlarm, ...] = ()
    switched_on: bool = True

    def firing(self, prefix: str) -> tuple[FiringAlarm, ...]:
        return tuple(alarm for alarm in self.in_alarm if alarm.name.startswith(prefix))

    def start_runs(self, rule: str) -> bool:
        return self.switched_on


@dataclass
class FakeNotices:
    noted: dict[str, str] = field(default_factory=dict)

    def last(self, about: str) -> str | None:
        return self.noted.get(about)

    def note(self, about: str, text: str) -> None:
        self.noted[about] = text


@dataclass
class FakeApprovals:
    """questions: each run's, the newest last."""

    questions: dict[str, list[Question]] = field(default_factory=dict)

    def ask(self, question: Question) -> None:
        others = [q for q in self.questions.get(question.run, []) if q.asked_at != question.asked_at]
        self.questions[question.run] = [*others, question]

    def last(self, run: str) -> Question | None:
        return self.questions[run][-1] if run in self.questions else None

    def answer(self, question: Question, answer: Answer) -> bool:
        unanswered = self.last(question.run) == question and question.answer is None
        if unanswered:
            self.ask(replace(question, answer=answer))
        return unanswered

    def settle(self, question: Question, delivered: Literal["SENT", "LATE"]) -> None:
        assert question.answer is not None
        if self.last(question.run) == question:
            self.ask(replace(question, token="", answer=replace(question.answer, delivered=delivered)))


@dataclass
class FakeTrail:
    """known: who started which run; None for too many to look through."""

    known: dict[str, tuple[Starter, ...] | None] = field(default_factory=dict)

    def starters(self, execution: str, started: str) -> tuple[Starter, ...] | None:
        return self.known.get(execution, ())


@dataclass
class FakeWaiting:
    """tokens: those that Step Functions waits for; answered what it was sent."""

    tokens: set[str] = field(default_factory=set)
    answered: list[tuple[str, bool]] = field(default_factory=list)
    failure: AwsRefused | AwsUnavailable | None = None

    def answer(self, token: str, approved: bool) -> bool:
        if self.failure:
            raise self.failure
        if token not in self.tokens:
            return False
        self.tokens.remove(token)
        self.answered.append((token, approved))
        return True


@dataclass
class FakeTopic:
    failure: AwsRefused | AwsUnavailable | None = None
    sent: list[tuple[str, str]] = field(default_factory=list)

    def publish(self, subject: str, message: str) -> None:
        if self.failure:
            raise self.failure
        self.sent.append((subject, message))


@dataclass
class FakeCatalogue:
    """The worker is enrolled, unless a test says otherwise."""

    parameters: dict[Service, str] = field(default_factory=lambda: {WORKER: text_of(ENTRY)})

    def entry(self, service: Service) -> str | None:
        return self.parameters.get(service)

    def entries(self) -> dict[Service, str]:
        return self.parameters


@dataclass
class FakeLists:
    """The owner's lists; what a step does not ask for is empty."""

    catalogue: FakeCatalogue
    allowed: Allowed = ALLOWED

    def read(self, now: str, *lists: ListName) -> Allowed:
        return Allowed(**{name: getattr(self.allowed, name) for name in lists})

    def read_with_entry(self, service: Service, now: str, *lists: ListName) -> tuple[str | None, Allowed]:
        return self.catalogue.parameters.get(service), self.read(now, *lists)


@dataclass
class World:
    """The seed's account in memory, as ports.Account; one fuse for every change made in it."""

    fuse: Fuse = field(default_factory=Fuse)
    settings: Settings = SETTINGS

    def __post_init__(self) -> None:
        self.services = FakeServices(fuse=self.fuse)
        self.roles = FakeRoles(fuse=self.fuse)
        self.holds = FakeHolds(fuse=self.fuse)
        self.leases, self.executions = FakeLeases(), FakeExecutions()
        self.journal = FakeJournal(fuse=self.fuse, holds=self.holds, leases=self.leases)
        self.logs, self.queues, self.topic = FakeLogs(), FakeQueues(), FakeTopic()
        self.schedules, self.revisions = FakeSchedules(fuse=self.fuse), FakeRevisions(fuse=self.fuse)
        self.alarms, self.notices = FakeAlarms(), FakeNotices()
        self.approvals, self.trail, self.waiting = FakeApprovals(), FakeTrail(), FakeWaiting()
        self.catalogue, self.terraform_states = FakeCatalogue(), FakeStates()
        self.allowed = FakeLists(self.catalogue)

    def changes(self, kind: str = "") -> list[Change]:
        return [c for c in self.journal.load(INCIDENT).changes if kind in ("", c.kind)]


def diagnosed(role: RoleState = ROLE, **changed: Any) -> Diagnosis:
    """What Diagnose wrote of the plan, made when the role was like that."""
    attach = tuple(Policy(arn, DOCUMENTS[arn], "v1", POLICY_IDS[arn]) for arn in PLAN.attach)
    against = replace(planned_against(role, attach), entry=digest_of_entry(text_of(ENTRY)))
    return Diagnosis(
        "CHANGE",
        at(1),
        plan=replace(PLAN, **changed),
        logs=(ROUTE,),
        planned_against=against,
        depths=Depths(0, 0),
    )


CONTAIN = diagnosed()
