"""AWS's own things as the domain sees them; regrant.aws translates to these once, at the edge."""

from __future__ import annotations

import re
from typing import Any

import msgspec

# Whatever Step Functions takes for an execution's name (API reference, StartExecution).
_EXECUTION = re.compile(
    r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]{1,80}"""
)


def execution_name(text: object) -> str | None:
    """The text if it may be an execution's name."""
    return text if isinstance(text, str) and _EXECUTION.fullmatch(text) else None


def name_of(arn: str) -> str:
    """What people call a role, policy, cluster or task: the last part of its ARN, without path and type."""
    return arn.rsplit("/", 1)[-1]


class LogRoute(msgspec.Struct, frozen=True):
    """Where a container's output goes: stream `<stream_prefix>/<task id>` of the log group."""

    group: str
    stream_prefix: str


class Deployment(msgspec.Struct, frozen=True):
    """One element of an ECS service's `deployments` (API reference, Deployment)."""

    id: str
    status: str
    rollout_state: str
    reason: str
    task_definition: str
    desired: int
    running: int
    failed_tasks: int
    created_at: str = ""

    @property
    def named(self) -> str:
        """With its revision, for a person."""
        return f"{self.id} ({name_of(self.task_definition)})"

    @property
    def completed(self) -> bool:
        return self.rollout_state == "COMPLETED"

    @property
    def failing(self) -> bool:
        # failedTasks counts consecutive failures and goes back to 0 when a task runs.
        return self.rollout_state == "FAILED" or self.failed_tasks > 0


class StoppedTask(msgspec.Struct, frozen=True):
    """A task that stopped within about the last hour: the deployment (id) that started it, ECS's reason, when
    it had stopped, empty while it is on its way, ECS's code (API reference, Task: stopCode), and its revision
    (ARN)."""

    id: str
    deployment: str
    reason: str = ""
    at: str = ""
    code: str = ""
    revision: str = ""

    @property
    def failed(self) -> bool:
        """It ended itself, or was ended as unhealthy: not by a person, with what it ran on, or by a scaling
        (developer guide, Stopped tasks error messages)."""
        away = ("UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth")
        return self.code not in away and not self.reason.startswith("Scaling activity")


class ServiceState(msgspec.Struct, frozen=True):
    """An ECS service as DescribeServices shows it. One of an EXTERNAL controller may name no task definition
    (empty); task_sets are the revisions (ARNs) of its task sets. express: ECS manages its resources."""

    arn: str
    status: str
    controller: str
    task_definition: str
    desired_count: int
    deployment_configuration: dict[str, Any]
    deployments: tuple[Deployment, ...]
    last_events: tuple[str, ...] = ()
    express: bool = False
    task_sets: tuple[str, ...] = ()

    @property
    def strategy(self) -> str:
        """Absent means a rolling update (DeploymentConfiguration)."""
        return str(self.deployment_configuration.get("strategy") or "ROLLING")

    @property
    def primary(self) -> Deployment | None:
        return next((d for d in self.deployments if d.status == "PRIMARY"), None)

    @property
    def steady_state(self) -> bool:
        """One deployment, and it is completed."""
        return len(self.deployments) == 1 and self.deployments[0].completed

    @property
    def revisions(self) -> tuple[str, ...]:
        """Those (ARNs) that its tasks may be of, each once."""
        found = (self.task_definition, *(d.task_definition for d in self.deployments), *self.task_sets)
        return tuple(dict.fromkeys(filter(None, found)))

    def deployment(self, deployment_id: str) -> Deployment | None:
        return next((d for d in self.deployments if d.id == deployment_id), None)


class TaskDefinition(msgspec.Struct, frozen=True):
    """The parts of a task definition that matter here. Roles are ARNs. logs are the routes of this Region;
    elsewhere says where else containers log to."""

    arn: str
    task_role: str | None
    logs: tuple[LogRoute, ...]
    execution_role: str | None = None
    elsewhere: tuple[str, ...] = ()


class RoleState(msgspec.Struct, frozen=True):
    """A role, whole: what a baseline must bring back.

    id: its RoleId, of this one role only: one that is deleted and made again under its name has another (IAM
    user guide, "IAM identifiers"). Empty in what was written before ids were read.
    """

    arn: str
    attached: tuple[str, ...]
    inline: dict[str, Any]
    boundary: str | None
    trust: Any
    tags: dict[str, str]
    id: str = ""


class Attachments(msgspec.Struct, frozen=True):
    """What is attached to a role: its RoleId, the managed policies (ARNs) with the PolicyId of each that was
    asked for, else None, the role's tags, and its trust policy, where it was read."""

    role_id: str
    policies: dict[str, str | None]
    tags: dict[str, str] = {}
    trust: Any = None


class PolicyMark(msgspec.Struct, frozen=True):
    """Which text of a managed policy it is: the policy's PolicyId, its default version, and the SHA-256 of
    the document as canonical JSON."""

    id: str
    version: str
    sha256: str


class LogLine(msgspec.Struct, frozen=True):
    """One log event; `at` is the producer's own time, ISO 8601 UTC."""

    at: str
    stream: str
    message: str

    @property
    def task(self) -> str:
        """The task's id: awslogs names a stream `prefix/container/task id`."""
        return name_of(self.stream)

    @property
    def container(self) -> str:
        """The container's name, which has no slash; the prefix may have some."""
        return self.stream.rsplit("/", 2)[-2] if self.stream.count("/") > 1 else ""


class LogLines(msgspec.Struct, frozen=True):
    """What a search of a log found, oldest first. Where not `complete`, there is more that was not read;
    where not `exists`, there is no such log group."""

    lines: tuple[LogLine, ...]
    complete: bool = True
    exists: bool = True


class QueueDepth(msgspec.Struct, frozen=True):
    """Messages visible (not those in flight). SQS counts are approximate for a minute.

    seconds_to_dead_letter: in which a message that always fails goes to the dead-letter queue; None without
    one.
    """

    visible: int
    in_flight: int
    seconds_to_dead_letter: float | None = None


class Baseline(msgspec.Struct, frozen=True):
    """Role and service before the first change, with the incident they belong to.

    granted are the policies (ARNs) that were on the role as other incidents' temporary grants. grant_ends_at
    is when what this incident attaches will end: known before the schedule is made, so that an undo finds it.
    A service that is gone already can only be an expiry's.
    """

    service_key: str
    role: RoleState
    service: ServiceState | None
    captured_at: str
    granted: tuple[str, ...] = ()
    grant_ends_at: str | None = None


class FiringAlarm(msgspec.Struct, frozen=True):
    """A CloudWatch alarm in ALARM, since when, and what suppresses its actions (WaitPeriod, ExtensionPeriod,
    Alarm; of composite alarms only)."""

    name: str
    since: str
    suppressed_by: str | None = None
    composite: bool = False


class Sent(msgspec.Struct, frozen=True):
    """What a run has sent to a function (its name) and has no answer to yet. The name is empty where it waits
    for none."""

    function: str = ""
    payload: Any = None


class Execution(msgspec.Struct, frozen=True):
    """A run of the state machine: Step Functions' status, when it ended, and its input as text."""

    status: str
    input: str
    ended_at: str | None = None
