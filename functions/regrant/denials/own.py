"""Whose a denial is, of what, and of which kind of calls. Names nothing that costs time to import."""

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


def asked_resource(denial: Denial) -> str | None:
    """The resource as policies name it; None where the denial has it in another form, or not at all.

    API Gateway hides an account but for its last four digits. Where they are those of the caller's account,
    it is taken for that: a policy for another one that ends alike would have to be declared as well.
    """
    resource = denial.resource
    if resource is None or (resource != "*" and not resource.startswith("arn:")):
        return None
    parts = resource.split(":", 5)
    hidden, shown = (parts[4][:-4], parts[4][-4:]) if len(parts) == 6 else ("", "")
    own = account_of(denial.principal_arn or "")
    masked = hidden == "*" * 8 and shown.isascii() and shown.isdigit() and own.endswith(shown)
    return ":".join((*parts[:4], own, parts[5])) if masked else resource


def account_of(arn: str) -> str:
    return (arn.split(":") + [""] * 5)[4]
