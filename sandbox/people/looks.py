"""A look at the account: what is there at a moment, asked of AWS and of the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from moto.ecs.models import ecs_backends
from moto.iam.models import iam_backends
from moto.scheduler.models import scheduler_backends

from sandbox.people.facts import EntrySeen, Look, ServiceSeen, name_of
from sandbox.people.ledger import Ledger
from sandbox.people.place import POLICIES, SERVICES, Place
from sandbox.scenarios.seeds import retainwise

_SUCCESS = {True: "Successfully published", False: "Successfully received"}
"""What the backend logs, and what a worker does."""
_DENIED = "is not authorized to perform"
_BACK = 600
"""Seconds of log that are read."""


def look(place: Place, ledger: Ledger) -> Look:
    names = SERVICES.values()
    iam = iam_backends[place.account.account_id]["aws"]
    return Look(
        at=place.account.clock.now().isoformat(),
        deeds=len(ledger.deeds),
        attached=ledger.attached,
        holds=tuple(place.holds()),
        services={name: seen for name in names if (seen := service(place, name))},
        entries={name: entry for name in names if (entry := _entry(place, name))},
        texts={name: _text(iam, name) for name in POLICIES.values()},
        roles=tuple(sorted(role.name for role in iam.roles.values())),
        active=tuple(_active(place)),
        scheduled=tuple(_scheduled(place)),
    )


def services(place: Place) -> dict[str, ServiceSeen]:
    return {name: seen for name in SERVICES.values() if (seen := service(place, name))}


def service(place: Place, name: str) -> ServiceSeen | None:
    cluster, _, short = name.partition("/")
    found = place.ecs.describe_services(cluster=cluster, services=[short])["services"]
    if not found:
        return None
    revision = found[0]["taskDefinition"]
    definition = place.ecs.describe_task_definition(taskDefinition=revision)["taskDefinition"]
    running: set[str] = set()
    if found[0]["status"] == "ACTIVE":
        tasks = place.ecs.list_tasks(cluster=cluster, serviceName=short)["taskArns"]
        running = {name_of(task) for task in tasks}
    backend = short == retainwise.BACKEND
    return ServiceSeen(
        status=found[0]["status"],
        revision=name_of(revision),
        active=definition["status"] == "ACTIVE",
        role=name_of(definition.get("taskRoleArn") or ""),
        running=found[0]["runningCount"],
        success=_last(place, running, backend, _SUCCESS[backend]),
        denial=_last(place, running, backend, _DENIED),
    )


def _last(place: Place, tasks: Iterable[str], backend: bool, text: str) -> float | None:
    """Seconds since one of the tasks logged it."""
    logs: Any = place.account.client("logs")
    now = place.account.clock.now().timestamp() * 1000
    group = f"/ecs/{retainwise.BACKEND if backend else retainwise.WORKER}"
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(now) - _BACK * 1000, filterPattern=f'"{text}"'
    )
    found = (event for page in pages for event in page["events"])
    times = [each["timestamp"] for each in found if name_of(each["logStreamName"]) in tasks]
    return (now - max(times)) / 1000 if times else None


def _entry(place: Place, name: str) -> EntrySeen | None:
    try:
        text = place.ssm.get_parameter(Name=f"/regrant/services/{name}")["Parameter"]["Value"]
        body = json.loads(text)
    except (place.ssm.exceptions.ParameterNotFound, ValueError):
        return None
    return EntrySeen(name_of(body["task_role"]), tuple(name_of(arn) for arn in body["policies"]))


def _text(iam: Any, name: str) -> str:
    """The policy's id and document; it is another one where somebody deleted it and made it again."""
    policy = iam.managed_policies.get(retainwise.policy_arn(name))
    if policy is None:
        return ""
    document = next(version.document for version in policy.versions if version.is_default)
    return f"{policy.id} {json.dumps(json.loads(document), sort_keys=True)}"


def _scheduled(place: Place) -> Iterable[str]:
    groups = scheduler_backends[place.account.account_id][place.account.region].schedule_groups.values()
    for group in groups:
        for schedule in group.schedules.values():
            yield str(json.loads(schedule.target["Input"]).get("incident"))


def _active(place: Place) -> Iterable[str]:
    backend = ecs_backends[place.account.account_id][place.account.region]
    for family, revisions in backend.task_definitions.items():
        for number, revision in revisions.items():
            if revision.status == "ACTIVE":
                yield f"{family}:{number}"
