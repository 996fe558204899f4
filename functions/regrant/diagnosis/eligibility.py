"""Whether a service and its role can be worked on at all. Each refusal is a case that AWS would reject or
confuse."""

from __future__ import annotations

from regrant.model.aws import ServiceState, TaskDefinition
from regrant.model.catalogue import Service
from regrant.model.results import Refusal
from regrant.settings import Allowed


def judge_service(service: Service, state: ServiceState | None) -> Refusal | None:
    """Why this service cannot be worked on now, if so."""
    return judge_existing(service, state) or (in_flight(service, state) if state else None)


def judge_existing(service: Service, state: ServiceState | None) -> Refusal | None:
    """Why this service cannot be worked on, whatever is being deployed. Each case is one that AWS would
    reject or confuse."""
    if state is None:
        return Refusal(
            "UNKNOWN_SERVICE",
            f"ECS knows no service {service} in this account and Region.",
            "Check the cluster's and the service's name.",
        )
    if state.status != "ACTIVE":
        return Refusal(
            "SERVICE_INACTIVE", f"{service} is {state.status}, not ACTIVE.", "Create the service again first."
        )
    if state.controller != "ECS":
        return Refusal(
            "UNSUPPORTED_CONTROLLER",
            f"{service} is deployed by {state.controller}; ECS lets only that controller redeploy it.",
            "Redeploy it there. Regrant works with the ECS deployment controller.",
        )
    if state.express:
        return Refusal(
            "EXPRESS_SERVICE",
            f"{service} is an Express service: ECS manages its revisions, and with them its task role.",
            "Give that role what it lacks where it is managed, or name another one for the service"
            " (aws ecs update-express-gateway-service --task-role-arn).",
        )
    if state.desired_count == 0:
        return Refusal(
            "DESIRED_COUNT_ZERO",
            f"{service} has a desired count of 0: no task runs, so nothing could be verified.",
            "Scale it up and start again.",
        )
    return None


def in_flight(service: Service, state: ServiceState, waited: str = "") -> Refusal | None:
    """Why this service cannot be worked on while another deployment of it goes on, if one does."""
    if state.steady_state:
        return None
    return Refusal(
        "DEPLOYMENT_IN_FLIGHT",
        f"{service} has another deployment in flight: {_deployments(state)}.{waited}",
        "Wait until it is completed, or roll it back, and start again.",
    )


def judge_strategy(service: Service, state: ServiceState, instead: str) -> Refusal | None:
    """Why this service's tasks cannot be replaced by this runbook, if so.

    A shift of traffic bakes for up to a day, and a hook may pause it without an end (API reference,
    DeploymentConfiguration): longer than a run may watch. `instead` is what a person can do.
    """
    if state.strategy == "ROLLING":
        return None
    return Refusal(
        "UNSUPPORTED_STRATEGY",
        f"{service} is deployed by the strategy {state.strategy}; Regrant replaces tasks by rolling updates"
        " only.",
        instead,
    )


def judge_role(definition: TaskDefinition, allowed: Allowed) -> Refusal | None:
    """Why this task definition's role cannot be granted anything, if so."""
    if definition.task_role is None:
        return Refusal(
            "NO_TASK_ROLE",
            f"{definition.arn} has no task role, so there is nothing to attach a policy to.",
            "Register a revision with the service's task role and deploy it.",
        )
    if definition.task_role not in allowed.roles:
        return Refusal(
            "ROLE_NOT_MANAGED",
            f"The role in use, {definition.task_role}, is not one that this stack may change.",
            "If it should be, the stack's owner adds it to ManagedRoleArns.",
        )
    if not definition.logs and definition.elsewhere:
        return Refusal(
            "LOGS_ELSEWHERE",
            f"{definition.arn} logs to another Region only, which this runbook does not read:"
            f" {', '.join(definition.elsewhere)}.",
            "Let the container that does the work log to the service's own Region (awslogs-region).",
        )
    if not definition.logs:
        return Refusal(
            "NO_LOGS",
            f"{definition.arn} has no container that logs with awslogs, so a fix could not be verified.",
            "Give a container the awslogs log driver with a stream prefix.",
        )
    return None


def _deployments(state: ServiceState) -> str:
    return ", ".join(f"{d.id} {d.status} {d.rollout_state}" for d in state.deployments)
