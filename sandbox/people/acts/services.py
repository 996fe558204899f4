"""What people, pipelines and Terraform do to services and revisions."""

from __future__ import annotations

from typing import Any

from sandbox.people.place import ROLES, Place, role_arn
from sandbox.scenarios.seeds import retainwise


def deploy(place: Place, service: str = "worker", role: str = "") -> None:
    """A new revision: with one more variable, or with another role."""
    shape = _definition(place, _revision(place, service))
    if role:
        shape["taskRoleArn"] = role_arn(ROLES[role])
    else:
        number = str(len(place.account.calls))
        shape["containerDefinitions"][0]["environment"].append({"name": f"BUILD_{number}", "value": "1"})
    new = place.ecs.register_task_definition(**shape)["taskDefinition"]["taskDefinitionArn"]
    place.ecs.update_service(**place.where(service), taskDefinition=new)


def deploy_latest(place: Place, service: str = "second") -> None:
    """A pipeline that deploys whatever its family's latest revision is: `--task-definition FAMILY`."""
    place.ecs.update_service(**place.where(service), taskDefinition=retainwise.WORKER)


def force(place: Place, service: str = "worker") -> None:
    place.ecs.update_service(**place.where(service), forceNewDeployment=True)


def scale(place: Place, service: str = "worker", count: int = 3) -> None:
    place.ecs.update_service(**place.where(service), desiredCount=count)


def stop_tasks(place: Place, service: str = "worker") -> None:
    where = place.where(service)
    for task in place.ecs.list_tasks(cluster=where["cluster"], serviceName=where["service"])["taskArns"]:
        place.ecs.stop_task(cluster=where["cluster"], task=task)


def delete_service(place: Place, service: str = "worker") -> None:
    place.ecs.delete_service(**place.where(service), force=True)


def recreate_service(place: Place, service: str = "worker") -> None:
    where = place.where(service)
    shape = place.ecs.describe_services(cluster=where["cluster"], services=[where["service"]])["services"][0]
    place.ecs.delete_service(**where, force=True)
    kept = ("taskDefinition", "desiredCount", "deploymentConfiguration", "networkConfiguration", "launchType")
    given = {key: shape[key] for key in kept if key in shape}
    place.ecs.create_service(cluster=where["cluster"], serviceName=where["service"], **given)


def deregister(place: Place, revision: str = "") -> None:
    """Terraform deregisters what it replaces: a revision (`family:number`), or the worker's in use."""
    place.ecs.deregister_task_definition(taskDefinition=revision or _revision(place, "worker"))


def deregister_first(place: Place) -> None:
    """The workers' family's first, which the runbook found in use."""
    deregister(place, f"{retainwise.WORKER}:1")


def _revision(place: Place, service: str) -> str:
    where = place.where(service)
    shape = place.ecs.describe_services(cluster=where["cluster"], services=[where["service"]])["services"][0]
    return str(shape["taskDefinition"])


def _definition(place: Place, revision: str) -> dict[str, Any]:
    """As it can be registered again."""
    shape = place.ecs.describe_task_definition(taskDefinition=revision)["taskDefinition"]
    model = place.ecs.meta.service_model.operation_model("RegisterTaskDefinition")
    return {name: value for name, value in shape.items() if name in model.input_shape.members}


ACTS = (
    *(deploy, deploy_latest, force, scale, stop_tasks, delete_service, recreate_service),
    *(deregister, deregister_first),
)
