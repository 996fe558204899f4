"""What the domain needs of AWS, as protocols; regrant.aws has the only implementations. What the journal's
table holds is in regrant.stored.

Every method raises AwsUnavailable (try again) or AwsRefused (AWS said no).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

# Nearly every function imports this module, and few of them what it speaks of.
if TYPE_CHECKING:
    from regrant.iam.permissions import RolePermissions
    from regrant.iam.policy import Policy
    from regrant.model.approval import Starter
    from regrant.model.aws import (
        Attachments,
        Execution,
        FiringAlarm,
        LogLines,
        LogRoute,
        QueueDepth,
        RoleState,
        Sent,
        ServiceState,
        StoppedTask,
        TaskDefinition,
    )
    from regrant.model.catalogue import Service
    from regrant.settings import Allowed, ListName, Settings
    from regrant.stored import Approvals, Holds, Journal, Leases, Notices


class Catalogue(Protocol):
    def entry(self, service: Service) -> str | None:
        """The text of the service's entry; None if it is not enrolled."""

    def entries(self) -> dict[Service, str]:
        """The text of every enrolled service."""


class AllowedLists(Protocol):
    """What the stack's owner allowed. A list may be a minute old; IAM's own conditions hold immediately."""

    def read(self, now: str, *lists: ListName) -> Allowed:
        """Those lists; the others are empty."""

    def read_with_entry(self, service: Service, now: str, *lists: ListName) -> tuple[str | None, Allowed]:
        """The text of the service's catalogue entry, None if it is not enrolled, and in the same call those
        lists."""


class Services(Protocol):
    def describe(self, service: Service) -> ServiceState | None:
        """None if the cluster or the service does not exist."""

    def task_definition(self, arn: str) -> TaskDefinition:
        """The revision's task role and where its containers log."""

    def redeploy(self, service: Service) -> str:
        """Force a new deployment of the revision in use; its id. Sent once: a second is a second rollout."""

    def deploy(self, service: Service, revision: str) -> str:
        """Start a deployment of the revision (ARN) unless it is in use; the primary deployment's id."""

    def task_ids(self, service: Service, deployment: str | None) -> tuple[str, ...]:
        """Running tasks of one deployment, or of the service if None."""

    def stopped_task_ids(self, service: Service) -> tuple[str, ...]:
        """The service's tasks that stopped within about the last hour, of whichever deployment."""

    def stopped_tasks(self, service: Service) -> tuple[StoppedTask, ...]:
        """The same tasks, each with its deployment and why it stopped; a thousand of them at most."""

    def running_in(self, cluster: str) -> dict[Service, tuple[str, ...]]:
        """Every service of the cluster with the revisions (ARNs) that it runs or is to run, sorted; empty if
        there is no such cluster."""

    def own_tasks(self, service: Service, tasks: frozenset[str]) -> frozenset[str]:
        """Those of them (ids) that are the service's: running, or stopped within about the last hour."""

    def task_group(self, cluster: str, task: str) -> str | None:
        """What the task (id) is of, `service:NAME` or `family:NAME`; None if the cluster does not know it."""


class Roles(Protocol):
    def permissions(self, role: str, wanted: tuple[str, ...], *, with_quota: bool = True) -> RolePermissions:
        """The role's policies and the wanted ones (ARNs), with their documents; with_quota: and how many the
        account lets it have."""

    def attached(self, role: str) -> tuple[str, ...]:
        """The managed policies (ARNs) on the role, sorted."""

    def attachments(self, role: str, policies: tuple[str, ...] = ()) -> Attachments | None:
        """What is attached to the role, with the ids of those of the policies (ARNs) that are; None if the
        role does not exist."""

    def read(self, role: str) -> RoleState | None:
        """None if the role does not exist."""

    def read_policies(self, policies: tuple[str, ...]) -> tuple[Policy, ...]:
        """Those policies (ARNs) with their documents, as far as they exist."""

    def attach(self, role: str, policy: str) -> None:
        """A policy that is attached already stays attached."""

    def detach(self, role: str, policy: str) -> bool:
        """Sent once; False if it was not attached (any more)."""


class Logs(Protocol):
    def search(
        self,
        route: LogRoute,
        term: str,
        since: str,
        until: str,
        tasks: Callable[[], tuple[str, ...]],
        among: int = 1,
    ) -> LogLines:
        """Lines with the quoted term in (since, until]; bounded, and it says so where the bound was met.

        `tasks` gives the ids of those whose lines are enough where reading all takes long. `among`: how many
        routes are read at the same time, which share the bound.
        """

    def search_tasks(
        self,
        route: LogRoute,
        tasks: tuple[str, ...],
        term: str,
        since: str,
        until: str,
        among: int = 1,
    ) -> LogLines:
        """As search, of those tasks (ids) alone; one that has not logged yet has no lines."""


class Queues(Protocol):
    def find(self, queue: str) -> QueueDepth | None:
        """Approximate counts of the queue (ARN), or None if there is none."""

    def depth(self, queue: str) -> QueueDepth:
        """Approximate counts of the queue (ARN); nothing is received."""


class TerraformStates(Protocol):
    def read(self, arn: str, most: int) -> bytes | None:
        """The text of the state (ARN of an S3 object); None, without reading it, if that is longer than so
        many bytes."""


class Executions(Protocol):
    def ended_at(self, execution: str) -> str | None:
        """When the run (its name) ended; None while it goes on, and of one that is not known (yet)."""

    def look(self, execution: str) -> Execution | None:
        """The run (its name) as it stands; None if it is not known (yet, or any more)."""

    def waits_for(self, execution: str) -> Sent | None:
        """The call of a function that the run (its name) waits for; an empty one while no history shows that,
        and None if it has ended or there can be no such run."""

    def start(self, name: str, given: Mapping[str, Any]) -> None:
        """Start a run of that name with that input; if there is one of that name, it was started."""


class Alarms(Protocol):
    def firing(self, prefix: str) -> tuple[FiringAlarm, ...]:
        """The metric and composite alarms in ALARM whose names begin like that."""

    def start_runs(self, rule: str) -> bool:
        """Whether the rule (its name) that starts the runs of alarms is enabled."""


class Trail(Protocol):
    def starters(self, execution: str, started: str) -> tuple[Starter, ...] | None:
        """Everybody who has started a run of that name around then; empty while that is not known yet, None
        if there are too many starts to look through."""


class Waiting(Protocol):
    def answer(self, token: str, approved: bool) -> bool:
        """Let the run go on with that answer; False if it does not wait for it (any more)."""


class Topic(Protocol):
    def publish(self, subject: str, message: str) -> None:
        """Notify whoever subscribed."""


class Schedules(Protocol):
    def put(self, incident: str, at: str) -> bool:
        """Let the incident's grant expire then; False where that is scheduled already."""

    def cancel(self, incident: str, at: str) -> None:
        """It need not expire then any more; one that has fired or is not there counts as cancelled."""


class Revisions(Protocol):
    """Task definitions. A revision is named by its ARN."""

    def latest(self, arn: str) -> str:
        """The latest ACTIVE revision of that revision's family."""

    def register(self, arn: str, role: str) -> str:
        """A copy with that task role (ARN), else identical. Sent once: a second is a second revision."""

    def copies(self, arn: str, role: str, after: str) -> tuple[str, ...]:
        """The ACTIVE revisions newer than `after` that are exactly such a copy, oldest first."""

    def differences(self, arn: str, copy: str) -> tuple[str, ...]:
        """Field by field what was registered differently, sorted; empty for equal."""

    def newest(self, arn: str, role: str, but: tuple[str, ...]) -> str | None:
        """The newest ACTIVE revision of that revision's family with that task role (ARN) that is none of
        `but`; only the newest twenty are looked at."""

    def status(self, arn: str) -> str:
        """ACTIVE, INACTIVE (deregistered), DELETE_IN_PROGRESS, or DELETED for one that is not known."""

    def registered_at(self, arn: str) -> str:
        """When it was registered; empty if AWS does not say."""

    def deregister(self, arn: str) -> None:
        """What runs on it goes on. One that is not ACTIVE (any more) counts as deregistered."""

    def execution_role(self, arn: str) -> str | None:
        """The role (ARN) that ECS itself uses to start the tasks; None if there is none."""


class Account(Protocol):
    """Everything that a step may need from outside; regrant.aws.account is the one that deploys."""

    @property
    def settings(self) -> Settings: ...
    @property
    def allowed(self) -> AllowedLists: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def services(self) -> Services: ...
    @property
    def revisions(self) -> Revisions: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def logs(self) -> Logs: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def terraform_states(self) -> TerraformStates: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def holds(self) -> Holds: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def executions(self) -> Executions: ...
    @property
    def alarms(self) -> Alarms: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def trail(self) -> Trail: ...
    @property
    def waiting(self) -> Waiting: ...
    @property
    def topic(self) -> Topic: ...
    @property
    def schedules(self) -> Schedules: ...
