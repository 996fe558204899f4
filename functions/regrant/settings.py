"""What the stack is made of, and what its owner allowed.

The owner's lists are in the template's IAM policies, too, which are the last word; here they make the refusal
readable before AWS would say no.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from regrant.model.aws import name_of
from regrant.model.runs import of_handovers

if TYPE_CHECKING:
    from regrant.expiry_window import ExpiryWindow

ListName = Literal["roles", "policies", "clusters", "execution_roles"]


class Allowed(msgspec.Struct, frozen=True):
    """The owner's lists (ARNs) that a step read. One that it did not read is empty, and so allows nothing."""

    roles: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    clusters: frozenset[str] = frozenset()
    execution_roles: frozenset[str] = frozenset()

    def cluster_is_managed(self, cluster: str) -> bool:
        return any(name_of(arn) == cluster for arn in self.clusters)

    def role_is_managed(self, account: str, name: str) -> bool:
        """By name, because a session's ARN lacks its role's path; names are unique in an account."""
        return any(arn.split(":")[4] == account and name_of(arn) == name for arn in self.roles)


class Settings:
    """Names in the function's environment. Each is read when it is asked for: no function has them all.

    Each property raises KeyError naming the variable.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @property
    def region(self) -> str:
        """Lambda sets it (Lambda developer guide, Defined runtime environment variables)."""
        return self._environment["AWS_REGION"]

    @property
    def journal_table(self) -> str:
        return self._environment["JOURNAL_TABLE"]

    @property
    def state_machine(self) -> str:
        """ARN."""
        return self._environment["STATE_MACHINE_ARN"]

    @property
    def handover_machine(self) -> str:
        """ARN of the other state machine of the stack, which is there if its owner wants handovers."""
        return of_handovers(self.state_machine)

    @property
    def place(self) -> tuple[str, str]:
        """Region and account of the stack."""
        region, account = self.state_machine.split(":")[3:5]
        return region, account

    @property
    def topic(self) -> str:
        """ARN."""
        return self._environment["TOPIC_ARN"]

    @property
    def schedule_group(self) -> str:
        return self._environment["SCHEDULE_GROUP"]

    @property
    def schedule_role(self) -> str:
        """ARN."""
        return self._environment["SCHEDULE_ROLE_ARN"]

    @property
    def alarm_prefix(self) -> str:
        """Alarms of enrolled services are named this, then CLUSTER/SERVICE."""
        return self._environment["ALARM_NAME_PREFIX"]

    @property
    def alarm_rule(self) -> str:
        """The name of the EventBridge rule that starts the runs of alarms."""
        return self._environment["ALARM_RULE"]

    @property
    def catalogue_prefix(self) -> str:
        """The SSM parameters with the catalogue's entries are named this, then CLUSTER/SERVICE."""
        return self._environment["CATALOGUE_PREFIX"]

    @property
    def stack(self) -> str:
        """Its name, which the names of the catalogue's parameters begin with."""
        return self.catalogue_prefix.strip("/").partition("/")[0]

    @property
    def require_approval(self) -> str:
        """Which runs ask a person first, whatever the service's entry says: none, cure or all."""
        return self._environment["REQUIRE_APPROVAL"]

    @property
    def expiry_window(self) -> ExpiryWindow:
        """Raises ValueError for what is none."""
        from regrant.expiry_window import parse_window  # few functions need it at their cold start

        return parse_window(self._environment["EXPIRY_WINDOW"])

    @property
    def approvers(self) -> str:
        """Who may answer a question for approval: ARNs with commas between, `any`, or nothing."""
        return self._environment["APPROVERS"]

    @property
    def state_bucket(self) -> str:
        """The bucket of Terraform's state."""
        return self._environment["STATE_BUCKET"]

    @property
    def state_key(self) -> str:
        return self._environment["STATE_KEY"]

    @property
    def state_lock_table(self) -> str:
        """The table of Terraform's locks; empty where the lock is a file beside the state."""
        return self._environment["STATE_LOCK_TABLE"]

    @property
    def build_project(self) -> str:
        """The name of the CodeBuild project that runs Terraform."""
        return self._environment["BUILD_PROJECT"]

    @property
    def work_bucket(self) -> str:
        """The stack's own bucket for what goes to a build."""
        return self._environment["WORK_BUCKET"]

    @property
    def allowed_prefix(self) -> str:
        """The SSM parameters with the owner's lists are named this, then the list's name."""
        return self._environment["ALLOWED_PREFIX"]
