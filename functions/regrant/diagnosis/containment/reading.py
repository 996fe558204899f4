"""What every diagnosis of a containment reads, and what it ends with if that cannot be read."""

from __future__ import annotations

from regrant.clock import earlier, seconds_between
from regrant.denials.search import DENIAL_TERM, Found, find_lines, joined, of_its_tasks, tasks_of
from regrant.errors import AwsRefused
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import LogLines, LogRoute, name_of
from regrant.model.catalogue import Service
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis
from regrant.ports import Account

# CloudWatch Logs answers oldest first and reads are bounded, so what is denied now is read on its own.
_RECENT = 120.0


def denials(aws: Account, service: Service, routes: tuple[LogRoute, ...], since: str, now: str) -> Found:
    """The lines of the service's tasks with the words of a denial in (since, now]; of more than are read, the
    last ones as well."""
    return of_its_tasks(_of_any_stream(aws, service, routes, since, now), aws.services, service)


def _of_any_stream(
    aws: Account, service: Service, routes: tuple[LogRoute, ...], since: str, now: str
) -> Found:
    tasks = tasks_of(aws.services, service)
    found = find_lines(aws.logs, routes, tasks, DENIAL_TERM, since, now)
    recent = earlier(now, _RECENT)
    if found.log.complete or seconds_between(since, recent) <= 0:
        return found
    older = tuple(line for line in found.log.lines if seconds_between(line.at, recent) >= 0)
    lately = find_lines(aws.logs, found.routes, tasks, DENIAL_TERM, recent, now)
    return found._replace(log=joined(LogLines(older, complete=False), lately.log))


def permissions_of(role: str, policies: tuple[str, ...], aws: Account) -> RolePermissions | Refusal:
    """What the role in use (ARN) has, and the policies with their documents; or that there is no such role.

    IAM deletes a role that tasks run with, and ECS shows it as theirs all the same. Raises AwsUnavailable,
    AwsRefused.
    """
    try:
        return aws.roles.permissions(role, tuple(dict.fromkeys(policies)))
    except AwsRefused as refused:
        if refused.code != "NoSuchEntity" or aws.roles.attachments(role):
            raise
    return Refusal(
        "ROLE_MISSING",
        f"The role in use, {name_of(role)}, does not exist.",
        "Create it again where it is managed and start new tasks, or deploy a revision with another role."
        " Then start again, if something is denied.",
    )


def queue_missing(queue: str) -> Refusal:
    return Refusal(
        "QUEUE_MISSING",
        f"The catalogue names a queue that does not exist: {queue}.",
        "Create it, or correct the catalogue entry.",
    )


def refused(refusal: Refusal | None, now: str) -> Diagnosis:
    return Diagnosis("REFUSE", now, refusal=refusal)
