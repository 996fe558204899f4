"""An undo beside what other people do with revisions, and the commands of a page, followed literally."""

from __future__ import annotations

import re
import shlex
from typing import Any

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.happenings import all_of, contain, deny, when
from tests.statemachine.story import Arrange
from tests.statemachine.world import POLICY, WORKER, Ended, World, incident

FIRST, SECOND, THIRD = (f"{retainwise.WORKER}:{number}" for number in (1, 2, 3))
CURE = {"service": WORKER, "mode": "cure"}
NO_PROOF = deny("verify-health", "logs", "FilterLogEvents")


def deregister(revision: str) -> Arrange:
    return lambda world: world.account.client("ecs").deregister_task_definition(taskDefinition=revision)


def register_again(world: World) -> str:
    """A person registers what the first revision holds; the new revision's ARN."""
    ecs = world.account.client("ecs")
    shape = ecs.describe_task_definition(taskDefinition=FIRST)["taskDefinition"]
    taken = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    new = ecs.register_task_definition(**{name: value for name, value in shape.items() if name in taken})
    return str(new["taskDefinition"]["taskDefinitionArn"])


def deploy(world: World, revision: str, service: str = retainwise.WORKER) -> None:
    world.account.client("ecs").update_service(
        cluster=retainwise.CLUSTER, service=service, taskDefinition=revision
    )


def in_use(world: World, service: str = retainwise.WORKER) -> str:
    ecs = world.account.client("ecs")
    shape = ecs.describe_services(cluster=retainwise.CLUSTER, services=[service])["services"][0]
    return str(shape["taskDefinition"]).rpartition("/")[2]


def status(world: World, revision: str) -> str:
    shape = world.account.client("ecs").describe_task_definition(taskDefinition=revision)
    return str(shape["taskDefinition"]["status"])


def commands(page: Ended) -> list[list[str]]:
    return [shlex.split(line) for line in page.report["next"].split("\n") if line.startswith("  ")]


def follow(world: World, page: Ended) -> None:
    """Run each command of the page in its order; AWS refuses none."""
    for _, service, operation, *options in commands(page):
        client: Any = world.account.client(service)
        call = operation.replace("-", "_")
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[call])
        names = {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): name for name in shape.input_shape.members}
        given = zip(options[::2], options[1::2], strict=True)
        asked = {name.removeprefix("--"): value for name, value in given}
        assert asked.pop("region") == retainwise.REGION
        getattr(client, call)(**{names[name]: value for name, value in asked.items()})


def undo_again(world: World, page: Ended) -> Ended:
    return world.run({"mode": "rollback", "incident": page.name})


def cured_in_vain(world: World, *more: Arrange) -> Ended:
    """The proof of the worker's cure fails, and while it is taken that happens."""
    contain(world)
    return world.run(CURE, when("PauseForHealth", all_of(NO_PROOF, *more)))


def test_a_page_names_a_revision_that_can_be_deployed_where_the_old_one_cannot() -> None:
    with incident() as world:
        deploy(world, register_again(world))
        world.after(300)
        page = cured_in_vain(world, deregister(SECOND))
        assert page.outcome == "ROLLBACK_INCOMPLETE" and in_use(world) == THIRD
        assert [command[2] for command in commands(page)] == ["update-service"]
        follow(world, page)
        assert undo_again(world, page).outcome == "ROLLED_BACK"
        assert (in_use(world), status(world, THIRD), world.granted()) == (FIRST, "INACTIVE", True)


def test_a_page_says_what_to_do_where_no_revision_can_be_deployed() -> None:
    with incident() as world:
        page = cured_in_vain(world, deregister(FIRST))
        assert page.outcome == "ROLLBACK_INCOMPLETE"
        assert [command[2] for command in commands(page)] == ["describe-task-definition"]
        assert "Register its content again and deploy that" in page.report["next"]
        follow(world, page)
        deploy(world, register_again(world))
        again = undo_again(world, page)
        assert (again.outcome, again.report["receipt"]["equal"]) == ("ROLLED_BACK", True)
        assert (in_use(world), status(world, SECOND), world.granted()) == (THIRD, "INACTIVE", True)


def test_an_undo_leaves_the_revision_that_another_service_runs() -> None:
    with incident() as world:
        contain(world)
        cure = world.run(CURE)
        deploy(world, SECOND, retainwise.BACKEND)  # a pipeline takes the family's latest
        world.after(300)
        undone = undo_again(world, cure)
        assert (undone.outcome, in_use(world)) == ("ROLLED_BACK", FIRST)
        assert status(world, SECOND) == "ACTIVE"
        _, page = world.messages()[-1]
        assert f"left: {retainwise.CLUSTER}/{retainwise.BACKEND} runs it" in " ".join(page.split())
        assert any(SECOND in line for line in undone.report["receipt"]["changed_by_others"])


def test_what_was_left_goes_with_the_next_undo_when_nobody_runs_it() -> None:
    with incident() as world:
        contain(world)
        cure = world.run(CURE)
        before = in_use(world, retainwise.BACKEND)
        deploy(world, SECOND, retainwise.BACKEND)
        world.after(300)
        undo_again(world, cure)
        deploy(world, before, retainwise.BACKEND)
        world.after(300)
        undone = undo_again(world, cure)
        assert (undone.outcome, status(world, SECOND)) == ("ROLLED_BACK", "INACTIVE")
        assert undone.report["receipt"]["changed_by_others"] == []


def test_a_page_has_only_commands_for_what_is_left() -> None:
    with incident() as world:
        contain(world)
        world.deny("undo-role", "iam", "DetachRolePolicy", times=1)
        page = world.run({"mode": "rollback", "incident": world.contained})
        (command,) = commands(page)
        assert command[2] == "detach-role-policy" and POLICY in command
        follow(world, page)
        assert not world.granted()
        assert world.run({"mode": "rollback", "incident": world.contained}).outcome == "ROLLED_BACK"


def test_a_person_is_paged_even_if_what_is_left_may_not_be_read() -> None:
    with incident() as world:
        contain(world)
        world.deny("undo-role", "iam", "DetachRolePolicy", times=1)
        world.deny("page-operator", "iam", "ListAttachedRolePolicies")
        page = world.run({"mode": "rollback", "incident": world.contained})
        assert world.messages()[-1][0].startswith("ROLLBACK_INCOMPLETE")
        # Whether the role is there is not known, so both are said and neither is a command.
        step = page.report["next"]
        assert "could not be read" in step and "If the role was deleted" in step and commands(page) == []
        assert f"detach {retainwise.RECEIVE} where it is managed" in step
