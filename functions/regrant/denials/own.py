"""Whose a denial is, and which kind of calls it is one of. Names nothing that costs time to import."""

from __future__ import annotations

from collections.abc import Collection

from regrant.model.aws import name_of
from regrant.model.denial import Denial, StaysDenied


def is_other_principal(denial: Denial, role: str) -> bool:
    """Whether the text says that somebody else than a session of the role (ARN) was denied."""
    if denial.principal_arn is None:
        return denial.role_name is not None and denial.role_name != name_of(role)
    if denial.role_name != name_of(role):
        return True
    return account_of(denial.principal_arn) != account_of(role)


def is_ignored(denial: Denial, ignored: Collection[str]) -> bool:
    """Whether the enrolment ignores the action (IgnoreActions). IAM's actions have no case."""
    action = (denial.action or "").lower()
    return any(action == each.lower() for each in ignored)


def kind_of(denial: Denial) -> StaysDenied | None:
    """The kind that a later call is compared with; None where the text does not say the action."""
    if denial.action is None:
        return None
    return StaysDenied(denial.action, _place(denial.resource) if denial.resource else None)


def _place(resource: str) -> str:
    """The resource, or what holds it: a service names objects and streams as it goes, each but once."""
    service, _, rest = resource.removeprefix("arn:").partition(":")[2].partition(":")
    if service == "s3" and rest.startswith("::") and "/" in rest:
        return f"{resource.partition('/')[0]}/*"
    group, stream, _ = resource.partition(":log-stream:")
    return f"{group}:log-stream:*" if service == "logs" and stream else resource


def account_of(arn: str) -> str:
    return (arn.split(":") + [""] * 5)[4]
