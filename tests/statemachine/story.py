"""A story of one run: what is broken, how the run ends, and the arrows of the graph that it walks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from moto.sns.models import sns_backends

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import OLD_ROLE, WORKER, Edge, World, incident

Arrange = Callable[[World], None]


@dataclass(frozen=True)
class Story:
    """What is broken, how the run ends (`None` for success), and the arrows that only it walks."""

    arrows: str
    error: str | None
    outcome: str | None
    arrange: Arrange = lambda world: None
    meanwhile: Callable[[World, str], None] | None = None
    given: dict[str, Any] | Callable[[World], dict[str, Any]] = field(
        default_factory=lambda: {"service": WORKER}
    )
    variant: str = "broken"
    redeploy: str = "always"
    restored: bool = True

    def asks(self, world: World) -> dict[str, Any]:
        """The run's input, which may be known only when the account has been arranged."""
        return self.given(world) if callable(self.given) else self.given

    @property
    def edges(self) -> set[Edge]:
        """`A > B > C; D > E` as pairs."""
        chains = [[name.strip() for name in chain.split(">")] for chain in self.arrows.split(";")]
        return {pair for chain in chains for pair in pairwise(chain)}


def deny(function: str, service: str, operation: str, *, occurrence: int = 1) -> Arrange:
    return lambda world: world.deny(function, service, operation, occurrence=occurrence)


def deny_all(*calls: tuple[str, str, str]) -> Arrange:
    def arrange(world: World) -> None:
        for function, service, operation in calls:
            world.deny(function, service, operation)

    return arrange


def somebody_deploys_when(entered: str) -> Callable[[World, str], None]:
    """A colleague forces a deployment of their own while the run is in that state, once."""
    done: list[str] = []

    def meanwhile(world: World, state: str) -> None:
        if state == entered and not done:
            done.append(state)
            world.account.client("ecs").update_service(
                cluster=retainwise.CLUSTER, service=retainwise.WORKER, forceNewDeployment=True
            )

    return meanwhile


def somebody_deletes_when(entered: str) -> Callable[[World, str], None]:
    done: list[str] = []

    def meanwhile(world: World, state: str) -> None:
        if state == entered and not done:
            done.append(state)
            world.account.client("ecs").delete_service(
                cluster=retainwise.CLUSTER, service=retainwise.WORKER, force=True
            )

    return meanwhile


def tasks_die_when(entered: str) -> Callable[[World, str], None]:
    """All of the worker's, once."""
    done: list[str] = []

    def meanwhile(world: World, state: str) -> None:
        if state == entered and not done:
            done.append(state)
            ecs = world.account.client("ecs")
            running = ecs.list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.WORKER)["taskArns"]
            for task in running:
                ecs.stop_task(cluster=retainwise.CLUSTER, task=task)

    return meanwhile


def without_circuit_breaker(world: World) -> None:
    configuration = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.account.client("ecs").update_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, deploymentConfiguration=configuration
    )
    world.remember()


def image_disappears_when(entered: str) -> Callable[[World, str], None]:
    """Whatever tag the service runs, it cannot be pulled any more: no new task starts."""

    def meanwhile(world: World, state: str) -> None:
        if state == entered:
            world.account.ecs.runner.missing_images.add("retainwise-worker:2025.11")

    return meanwhile


def somebody_holds(resource: str, owner: str = "a-run-that-goes-on") -> Arrange:
    """Another execution has the lease, for longer than anybody waits."""

    def arrange(world: World) -> None:
        item = {
            "incident": f"lease#{resource}",
            "entry": "lease",
            "held_by": owner,
            "taken_at": "2026-03-02T09:00:00.000Z",
            "ends_at": "2026-03-03T09:00:00.000Z",
        }
        world.account.client("dynamodb").put_item(
            TableName=world.outputs["JournalTable"],
            Item={key: {"S": value} for key, value in item.items()},
        )

    return arrange


def somebody_takes_the_role_when(entered: str) -> Callable[[World, str], None]:
    def meanwhile(world: World, state: str) -> None:
        if state == entered:
            somebody_holds(f"role/{OLD_ROLE}")(world)

    return meanwhile


def an_ended_run_holds(resource: str) -> Arrange:
    def arrange(world: World) -> None:
        somebody_holds(resource, world.run({"service": "nobody-enrolled/this"}).name)(world)

    return arrange


def ask_first(world: World) -> None:
    """From here on the worker's enrolment asks for approval."""
    ssm = world.account.client("ssm")
    name = f"/regrant/services/{WORKER}"
    entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"]) | {"approval": "required"}
    ssm.put_parameter(Name=name, Value=json.dumps(entry), Overwrite=True)
    world.remember()


def ask_first_in_vain(world: World) -> None:
    ask_first(world)
    world.deny("ask-approval", "sns", "Publish")


def answering(*answers: Callable[[World], object]) -> Callable[[World, str], None]:
    """What happens while the question is open, the first time, the second time, and so on."""
    left = list(answers)

    def meanwhile(world: World, state: str) -> None:
        if state == "AskApproval" and left:
            left.pop(0)(world)

    return meanwhile


def question(world: World) -> str:
    (topic,) = sns_backends[retainwise.ACCOUNT][world.account.region].topics.values()
    return [
        str(message) for _, message, subject, *_ in topic.sent_notifications if "APPROVAL" in str(subject)
    ][-1]


def say(word: str) -> Callable[[World], object]:
    """Run the command that the question gives for yes or for no."""

    def answer(world: World) -> None:
        lines = question(world).splitlines()
        command = shlex.split(lines[lines.index(f"{word}:") + 1])
        assert command[:4] == ["aws", "stepfunctions", "send-task-success", "--task-token"]
        world.account.client("stepfunctions").send_task_success(taskToken=command[4], output=command[6])

    return answer


def yes_after_somebody_tagged_the_role(world: World) -> None:
    iam = world.account.client("iam")
    iam.tag_role(RoleName=retainwise.OLD_ROLE, Tags=[{"Key": "seen-by", "Value": "a colleague"}])
    say("Yes")(world)


ROLL_BACK = (
    "ReattachPolicies > DecideReattach > RestoreService > DecideRestore > DetachPolicies"
    " > DeregisterRevision > ConfirmBaseline > CloseIncident > DecideOutcome"
)


def play(story: Story) -> None:
    with incident(story.variant, story.redeploy) as world:
        story.arrange(world)
        meanwhile = story.meanwhile
        ended = world.run(story.asks(world), (lambda state: meanwhile(world, state)) if meanwhile else None)
        assert (ended.error, ended.outcome) == (story.error, story.outcome), ended.report
        assert story.edges <= ended.walked, story.edges - ended.walked
        if story.restored:
            world.after(300)
            assert world.changed() == []
