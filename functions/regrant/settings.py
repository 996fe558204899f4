"""What the stack's owner allowed, read from the function's environment.

The same lists are in the template's IAM conditions, which are the last word; here they make the refusal
readable before AWS would say no.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from regrant.model.aws import name_of


class Settings(msgspec.Struct, frozen=True):
    """Allowed ARNs, the alarm prefix, and the names of the stack's own table and topic."""

    roles: frozenset[str]
    policies: frozenset[str]
    clusters: frozenset[str]
    alarm_prefix: str
    journal_table: str
    state_machine: str
    topic: str
    execution_roles: frozenset[str] = frozenset()
    schedule_group: str = ""
    schedule_role: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises KeyError naming the missing variable."""
        return cls(
            roles=_arns(environment["MANAGED_ROLE_ARNS"]),
            policies=_arns(environment["GRANTABLE_POLICY_ARNS"]),
            clusters=_arns(environment["MANAGED_CLUSTER_ARNS"]),
            alarm_prefix=environment["ALARM_NAME_PREFIX"],
            journal_table=environment["JOURNAL_TABLE"],
            state_machine=environment["STATE_MACHINE_ARN"],
            topic=environment["TOPIC_ARN"],
            execution_roles=_arns(environment["EXECUTION_ROLE_ARNS"]),
            schedule_group=environment["SCHEDULE_GROUP"],
            schedule_role=environment["SCHEDULE_ROLE_ARN"],
        )

    def cluster_is_managed(self, cluster: str) -> bool:
        return any(name_of(arn) == cluster for arn in self.clusters)

    def role_is_managed(self, account: str, name: str) -> bool:
        """By name, because a session's ARN lacks its role's path; names are unique in an account."""
        return any(arn.split(":")[4] == account and name_of(arn) == name for arn in self.roles)


def _arns(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())
