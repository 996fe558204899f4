"""The commands with which a person finishes an undo, each checked against what is there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping

import msgspec

from regrant.errors import AwsRefused
from regrant.in_use import runners, who_runs_it
from regrant.model.aws import ServiceState, name_of
from regrant.model.catalogue import Service
from regrant.model.journal import Change
from regrant.model.run import RunState
from regrant.opening.request import shown
from regrant.ports import Account

_HERE = r"[a-z0-9-]{1,40}:[0-9]{12}"
# What a command may be about; the journal is data, and a line of it is copied into a shell.
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,576}")
_POLICY = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,640}")
_REVISION = re.compile(rf"arn:aws[a-z-]*:ecs:{_HERE}:task-definition/[A-Za-z0-9_-]{{1,255}}:[0-9]{{1,10}}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_UNUSABLE = "The journal has something else where an ARN or a name should be, so there is no command for it:"


class There(msgspec.Struct, frozen=True):
    """What is there now of what a run left.

    attached: by role (ARN) its policies (ARNs), None for a role that is gone. run_by: by revision (ARN) the
    services that run it. status: of the revisions in question, by ARN. instead: by an old revision that is
    INACTIVE, the newest one that can be deployed in its place. denied: by role that AWS refused to show, why;
    it may be gone as well.
    """

    attached: Mapping[str, tuple[str, ...] | None]
    service: ServiceState | None = None
    run_by: Mapping[str, tuple[Service, ...]] = {}
    status: Mapping[str, str] = {}
    instead: Mapping[str, str] = {}
    denied: Mapping[str, str] = {}


def look(service: Service | None, left: tuple[Change, ...], aws: Account, now: str) -> There:
    """Raises AwsUnavailable, AwsRefused for all but the reading of a role."""
    roles = {change.target for change in left if change.kind in ("attach", "withdraw")}
    attached, denied = dict[str, tuple[str, ...] | None](), dict[str, str]()
    for target in sorted(roles):
        try:
            attached[target] = _attached(target, aws)
        except AwsRefused as refused:
            attached[target], denied[target] = None, str(refused)
    if service is None or not any(change.kind in ("redeploy", "register") for change in left):
        return There(attached, denied=denied)
    registered = [change for change in left if change.kind == "register" and change.done_at]
    status = {
        arn: aws.revisions.status(arn) for change in registered for arn in (change.target, change.value)
    }
    ours = tuple(change.value for change in registered)
    instead = {}
    for old in (change.target for change in registered if status[change.target] == "INACTIVE"):
        role = aws.services.task_definition(old).task_role
        if role and (newest := aws.revisions.newest(old, role, ours)):
            instead[old] = newest
    run_by = runners(service, aws, now) if registered else {}
    return There(attached, aws.services.describe(service), run_by, status, instead, denied)


def _attached(role: str, aws: Account) -> tuple[str, ...] | None:
    try:
        return aws.roles.attached(role)
    except AwsRefused as refused:
        if refused.code == "NoSuchEntity":
            return None
        raise


def manual_steps(state: RunState, left: tuple[Change, ...] | None, there: There | None, region: str) -> str:
    """What a person does, in an order in which each command succeeds, and the run that checks and records it.

    left: what is not undone, None if that is not known. there: what is there of it, None if AWS could not be
    asked. An indented line is a command to copy.
    """
    again = (
        f"start the state machine with {json.dumps({'mode': 'rollback', 'incident': state.incident.subject})}"
    )
    if state.receipt:
        return f"Everything is undone, but that could not be recorded. To record it, {again}."
    if left is None:
        return f"The journal, which could not be read, has what is left. When it can be, {again}."
    service = state.incident.service
    steps = [*_on_roles("withdraw", left, there), *_on_the_service(service, left, there)]
    steps += _on_roles("attach", left, there)
    checks = "it checks what is there, waits until the service has settled, and clears the records"
    if not steps:
        return f"No command is needed. To finish the undo, {again}: {checks}."
    unchecked = "AWS could not be asked what is there, so this is not checked: see whether it still applies."
    region = region if _REGION.fullmatch(region) else "REGION"
    commands = (f"{step} --region {region}" if step.startswith("  ") else step for step in steps)
    return "\n".join((*([] if there else [unchecked]), *commands, f"Then {again}: {checks}."))


def _on_roles(kind: str, left: tuple[Change, ...], there: There | None) -> Iterator[str]:
    """Attach what was withdrawn and is off, or detach what was attached and is on."""
    verb = {"withdraw": "attach", "attach": "detach"}[kind]
    commands = []
    for change in left:
        if change.kind != kind:
            continue
        on = there.attached[change.target] if there else ()
        is_left = there is None or (on is not None and (change.value in on) == (kind == "attach"))
        if is_left:
            if not (_ROLE.fullmatch(change.target) and _POLICY.fullmatch(change.value)):
                yield _unusable(change.target, change.value)
                continue
            policy = (
                f"--role-name {shlex.quote(name_of(change.target))} --policy-arn {shlex.quote(change.value)}"
            )
            commands.append(f"  aws iam {verb}-role-policy {policy}")
        elif there and change.target in there.denied:
            yield from _on_a_denied(change, verb, there.denied[change.target])
        elif on is None:
            yield f"{name_of(change.target)} is gone, and {name_of(change.value)} with it."
    if commands:
        yield f"{verb.capitalize()} what this run {'withdrew' if kind == 'withdraw' else 'attached'}:"
        yield from commands


def _on_a_denied(change: Change, verb: str, why: str) -> Iterator[str]:
    """No command: it would fail on a role that is gone."""
    role, policy = name_of(change.target), name_of(change.value)
    gone = "nothing of the grant is left" if verb == "detach" else f"nothing needs {policy}"
    yield f"{role} could not be read: {why[:300]}"
    yield f"If the role was deleted, {gone}; if it is there, {verb} {policy} where it is managed."


def _on_the_service(service: Service | None, left: tuple[Change, ...], there: There | None) -> Iterator[str]:
    if service is None:
        return
    if not (_NAME.fullmatch(service.cluster) and _NAME.fullmatch(service.name)):
        yield _unusable(service.cluster, service.name)
        return
    registered = [change for change in left if change.kind == "register" and change.done_at]
    for change in registered:
        if not (_REVISION.fullmatch(change.target) and _REVISION.fullmatch(change.value)):
            yield _unusable(change.target, change.value)
        elif there is None:
            yield "Bring the old revision back, if it is ACTIVE:"
            yield _deploy(service, change.target)
        else:
            yield from _on_the_revision(service, change, there)
    redeployed = any(change.kind == "redeploy" for change in left) and not registered
    if redeployed and there and there.service and not there.service.steady_state:
        yield "See why the service does not settle, and repair that:"
        yield f"  aws ecs describe-services --cluster {service.cluster} --services {service.name}"


def _unusable(*texts: str) -> str:
    return f"{_UNUSABLE} {', '.join(map(shown, texts))}. Find out who wrote it."


def _on_the_revision(service: Service, change: Change, there: There) -> Iterator[str]:
    """What a service runs is not to be deregistered. If that is ours, the undo does it when it has moved."""
    others = tuple(each for each in there.run_by.get(change.value, ()) if each != service)
    new, state = name_of(change.value), there.service
    if state and state.status == "ACTIVE" and state.task_definition == change.value:
        yield from _bring_back(service, change, there)
    if others:
        yield f"{new}, which this run registered, stays: {who_runs_it(others)}."
    elif change.value not in there.run_by and there.status[change.value] == "ACTIVE":
        yield f"Deregister {new}, which this run registered and no service runs:"
        yield f"  aws ecs deregister-task-definition --task-definition {shlex.quote(change.value)}"


def _bring_back(service: Service, change: Change, there: There) -> Iterator[str]:
    """ECS deploys only an ACTIVE revision (API reference, DeregisterTaskDefinition)."""
    old, status = name_of(change.target), there.status[change.target]
    instead = there.instead.get(change.target)
    if status == "ACTIVE":
        yield "Bring the old revision back:"
        yield _deploy(service, change.target)
    elif instead:
        yield f"{old} is {status} and cannot be deployed. The newest revision with its task role that can be:"
        yield _deploy(service, instead)
    else:
        none = f"{old} is {status} and cannot be deployed, nor is there an ACTIVE one with its task role."
        yield f"{none} Register its content again and deploy that. The content:"
        yield f"  aws ecs describe-task-definition --task-definition {shlex.quote(change.target)}"


def _deploy(service: Service, revision: str) -> str:
    where = f"--cluster {service.cluster} --service {service.name}"
    return f"  aws ecs update-service {where} --task-definition {shlex.quote(revision)}"
