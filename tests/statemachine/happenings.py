"""What may befall an account before a run and during it, for the stories."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import yaml

from sandbox.engine.faults import Effect
from sandbox.iam.requests import ACCOUNT, REGION
from sandbox.scenarios import approver
from sandbox.scenarios.play import LEISURE
from sandbox.scenarios.seeds import retainwise
from tests.statemachine.story import Arrange, OnState
from tests.statemachine.world import ALWAYS, OLD_ROLE, WORKER, World

SERVICE = f"service/{WORKER}"
ROLE = f"role/{OLD_ROLE}"
"""The resources of leases."""


def deny(function: str, service: str, operation: str, *, occurrence: int = 1) -> Arrange:
    return lambda world: world.deny(function, service, operation, occurrence=occurrence)


def all_of(*steps: Arrange) -> Arrange:
    def arrange(world: World) -> None:
        for step in steps:
            step(world)

    return arrange


def when(entered: str, act: Arrange, time: int = 1) -> OnState:
    """That happens when the run enters the state for the n-th time."""
    seen: list[str] = []

    def on_state(world: World, state: str) -> None:
        if state == entered:
            seen.append(state)
            if len(seen) == time:
                act(world)

    return on_state


def when_sampled(act: Arrange, samples: int = 1) -> OnState:
    """That happens, once, when the run waits for its next look and has taken so many samples."""
    done: list[str] = []

    def on_state(world: World, state: str) -> None:
        looks = world.looks() if state == "PauseForHealth" and not done else []
        if looks and looks[-1]["samples"] >= samples:
            done.append(state)
            act(world)

    return on_state


# What colleagues and ECS do


def somebody_deploys(world: World) -> None:
    world.account.client("ecs").update_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, forceNewDeployment=True
    )


def somebody_deletes(world: World) -> None:
    world.account.client("ecs").delete_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, force=True
    )


def all_tasks_die(world: World) -> None:
    ecs = world.account.client("ecs")
    for task in ecs.list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.WORKER)["taskArns"]:
        ecs.stop_task(cluster=retainwise.CLUSTER, task=task)


def the_image_disappears(world: World) -> None:
    """Whatever tag the service runs, it cannot be pulled any more: no new task starts."""
    world.account.ecs.runner.missing_images.add("retainwise-worker:2025.11")


def without_circuit_breaker(world: World) -> None:
    configuration = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.account.client("ecs").update_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, deploymentConfiguration=configuration
    )
    world.remember()


def move_to_declared_role(world: World) -> None:
    """Deploy a revision of the worker with its declared role, as Terraform does."""
    ecs = world.account.client("ecs")
    shape = ecs.describe_task_definition(taskDefinition=retainwise.WORKER)["taskDefinition"]
    output = ("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities")
    given = {k: v for k, v in shape.items() if k not in (*output, "registeredAt", "registeredBy")}
    role = f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.WORKER_ROLE}"
    new = ecs.register_task_definition(**given | {"taskRoleArn": role})["taskDefinition"]
    ecs.update_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, taskDefinition=new["taskDefinitionArn"]
    )


def the_workloads_rest(world: World) -> None:
    """From here on they hardly turn: for a run that waits for most of an hour and does not look at them."""
    world.account.idle_factor = LEISURE


# What other runs do


def somebody_holds(resource: str, seconds: float = 24 * 3600, owner: str = "a-run-that-goes-on") -> Arrange:
    """Another execution has the lease, if not said otherwise for longer than anybody waits."""

    def arrange(world: World) -> None:
        ends = world.account.clock.now() + timedelta(seconds=seconds)
        item = {
            "incident": f"lease#{resource}",
            "entry": "lease",
            "held_by": owner,
            "taken_at": "2026-03-02T09:00:00.000Z",
            "ends_at": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        world.account.client("dynamodb").put_item(
            TableName=world.outputs["JournalTable"],
            Item={key: {"S": value} for key, value in item.items()},
        )

    return arrange


def an_ended_run_holds(resource: str) -> Arrange:
    def arrange(world: World) -> None:
        somebody_holds(resource, owner=world.run({"service": "nobody-enrolled/this"}).name)(world)

    return arrange


def contain(world: World) -> None:
    world.contained = world.run().name


def contained(*more: Arrange) -> Arrange:
    """The worker is contained, and what happened after that; from there on changes count."""

    def arrange(world: World) -> None:
        contain(world)
        for step in more:
            step(world)
        world.remember()

    return arrange


def of_the_grant(mode: str) -> Callable[[World], dict[str, Any]]:
    return lambda world: {"mode": mode, "incident": world.contained}


def end_of_the_grants_run(status: str) -> Callable[[World], dict[str, Any]]:
    """The event of the end of the run that contained, as if it had not reported."""

    def event(world: World) -> dict[str, Any]:
        key = {"incident": {"S": world.contained}, "entry": {"S": "outcome"}}
        world.account.client("dynamodb").delete_item(TableName=world.outputs["JournalTable"], Key=key)
        detail = {
            "name": world.contained,
            "status": status,
            "stateMachineArn": world.machine,
            "input": "{}",
        }
        kind = "Step Functions Execution Status Change"
        return {"account": ACCOUNT, "region": REGION, "detail-type": kind, "detail": detail}

    return event


# What a person who is asked does


def ask_first(world: World) -> None:
    """From here on the worker's enrolment asks for approval."""
    world.change_entry(approval="required")
    world.remember()


def answering(*answers: Arrange) -> OnState:
    """What happens while the question is open, the first time, the second time, and so on."""
    left = list(answers)

    def on_state(world: World, state: str) -> None:
        if state == "AskApproval" and left:
            left.pop(0)(world)

    return on_state


def say(word: str) -> Arrange:
    """A listed person runs the command that the question gives for yes or for no."""

    def answer(world: World) -> None:
        reply = approver.answer(world.account, question(world), word)
        assert reply.status == 200, reply

    return answer


def question(world: World) -> str:
    """The newest."""
    return [text for subject, text in world.messages() if "APPROVAL" in subject][-1]


def token_in_history(world: World) -> str:
    """The task token of the question that is open, as whoever may read the execution's history has it."""
    sfn, arn = world.account.client("stepfunctions"), world.executions()[-1]["executionArn"]
    events = sfn.get_execution_history(executionArn=arn, reverseOrder=True)["events"]
    scheduled = next(each for each in events if "taskScheduledEventDetails" in each)
    given = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])
    return str(given["Payload"]["token"])


def fail_the_task(world: World) -> None:
    """SendTaskFailure takes no more than the token."""
    world.account.client("stepfunctions").send_task_failure(taskToken=token_in_history(world))


def tag_the_role(world: World, value: str = "a colleague") -> None:
    iam = world.account.client("iam")
    iam.tag_role(RoleName=retainwise.OLD_ROLE, Tags=[{"Key": "seen-by", "Value": value}])


# How a run may end that is not the definition's own


def stop_what_runs(world: World) -> None:
    for each in world.executions():
        if each["status"] == "RUNNING":
            world.account.client("stepfunctions").stop_execution(executionArn=each["executionArn"])


def change_definition(world: World, change: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """From here on the state machine has another definition, until the result is called."""
    sfn = world.account.client("stepfunctions")
    whole = sfn.describe_state_machine(stateMachineArn=world.machine)["definition"]
    definition = yaml.safe_load(whole)
    change(definition)
    sfn.update_state_machine(stateMachineArn=world.machine, definition=json.dumps(definition))

    def back() -> None:
        sfn.update_state_machine(stateMachineArn=world.machine, definition=whole)

    return back


def crash_after(function: str, service: str, operation: str) -> Arrange:
    """The call takes place, and then the function dies, however often it is tried."""

    def arrange(world: World) -> None:
        world.account.faults.add(
            Effect.CRASH_AFTER, service, operation, function=f"regrant-{function}", times=ALWAYS
        )

    return arrange
