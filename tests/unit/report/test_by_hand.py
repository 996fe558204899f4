"""The commands of a page: each changes something that is left, and works when it is followed literally."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.model.aws import name_of
from regrant.model.journal import Change
from regrant.model.run import RunState
from regrant.report.by_hand import look, manual_steps
from regrant.report.page import left_by
from tests.unit.cure import (
    BACKEND,
    CURE,
    LATER,
    UNDO_OF_CURE,
    another_grant,
    crashed,
    granted,
    let_go,
    run,
    undo,
)
from tests.unit.ended import RECEIPT
from tests.unit.fakes import (
    DEFINITION,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    REGION,
    RUNNING,
    SEND,
    UNDO,
    WORKER,
    World,
    at,
)
from tests.unit.undone import POLICY, SERVICE, UNDO_OF_THE_GRANT

ATTACH, DETACH = (f"aws iam {verb}-role-policy {POLICY}" for verb in ("attach", "detach"))
UPDATE = f"aws ecs update-service {SERVICE} --task-definition"
DEREGISTER = f"aws ecs deregister-task-definition --task-definition {NEWER_DEFINITION}"


def left(world: World, state: RunState) -> tuple[Change, ...]:
    return left_by(state, world.journal.load(state.incident.subject), world.holds)


def steps(world: World, state: RunState) -> str:
    changes = left(world, state)
    return manual_steps(state, changes, look(WORKER, changes, world, at(310)), REGION)


def commands(text: str) -> list[str]:
    """Without the Region, which every one has at its end."""
    found = [line.strip() for line in text.split("\n") if line.startswith("  ")]
    assert all(line.endswith(f" --region {REGION}") for line in found)
    return [line.removesuffix(f" --region {REGION}") for line in found]


def cured() -> World:
    world = granted()
    run(world)
    let_go(world)
    return world


def test_a_cure_that_is_not_undone_is_taken_back_with_its_grant_first() -> None:
    text = steps(cured(), RunState(UNDO_OF_CURE))
    # What the service runs is not deregistered by hand: the undo does that when the service has moved.
    assert commands(text) == [ATTACH, f"{UPDATE} {DEFINITION}"]
    assert f'{{"mode": "rollback", "incident": "{CURE.id}"}}' in text


def test_a_policy_that_is_back_already_is_not_attached_again() -> None:
    world = cured()
    world.roles.attach(OLD_ROLE, RECEIVE)
    assert commands(steps(world, RunState(UNDO_OF_CURE))) == [f"{UPDATE} {DEFINITION}"]


def test_a_policy_that_is_off_already_is_not_detached_again() -> None:
    world = granted()
    world.roles.detach(OLD_ROLE, RECEIVE)
    text = steps(world, UNDO_OF_THE_GRANT)
    assert commands(text) == [] and "No command is needed" in text


def test_a_role_that_is_gone_is_said_to_be() -> None:
    world = granted()
    world.roles.gone = True
    text = steps(world, UNDO_OF_THE_GRANT)
    assert commands(text) == [] and f"{name_of(OLD_ROLE)} is gone" in text


def test_an_old_revision_that_was_deregistered_is_never_to_be_deployed() -> None:
    world = cured()
    world.revisions.inactive.append(DEFINITION)
    text = steps(world, RunState(UNDO_OF_CURE))
    look_at = f"aws ecs describe-task-definition --task-definition {DEFINITION}"
    assert commands(text) == [ATTACH, look_at]
    assert "Register its content again and deploy that" in text


def test_the_newest_revision_with_its_role_is_to_be_deployed_instead() -> None:
    world, newest = cured(), DEFINITION.replace(":1", ":7")
    world.revisions.inactive.append(DEFINITION)
    world.revisions.registered[newest] = (DEFINITION, OLD_ROLE)
    assert commands(steps(world, RunState(UNDO_OF_CURE))) == [ATTACH, f"{UPDATE} {newest}"]


def test_a_revision_that_nothing_runs_is_to_be_deregistered() -> None:
    world = cured()
    world.roles.attach(OLD_ROLE, RECEIVE)
    world.services.somebody_deploys(DEFINITION)
    world.services.finish()
    assert commands(steps(world, RunState(UNDO_OF_CURE))) == [DEREGISTER]


def test_a_revision_that_was_deregistered_already_needs_no_command() -> None:
    world = cured()
    world.roles.attach(OLD_ROLE, RECEIVE)
    world.services.somebody_deploys(DEFINITION)
    world.services.finish()
    world.revisions.deregister(NEWER_DEFINITION)
    assert commands(steps(world, RunState(UNDO_OF_CURE))) == []


def test_a_revision_that_another_service_runs_is_named_and_never_to_be_deregistered() -> None:
    world = cured()
    world.services.somebody_deploys(DEFINITION)
    world.services.finish()
    world.services.others[BACKEND] = replace(RUNNING, task_definition=NEWER_DEFINITION, deployments=())
    text = steps(world, RunState(UNDO_OF_CURE))
    assert DEREGISTER not in text and f"stays: {BACKEND} runs it" in text


def test_there_are_commands_for_what_is_left_only() -> None:
    world = cured()
    undo(world)
    assert commands(steps(world, RunState(UNDO_OF_CURE))) == []


def test_an_undo_that_only_lacks_its_record_has_nothing_to_put_right() -> None:
    text = steps(granted(), RunState(UNDO_OF_CURE, receipt=RECEIPT))
    assert "aws " not in text and "Everything is undone" in text


@pytest.mark.parametrize("moment", range(1, 5))
def test_a_revision_that_was_not_recorded_is_for_the_run_that_checks(moment: int) -> None:
    text = steps(crashed(moment), RunState(UNDO_OF_CURE))
    assert "deregister-task-definition" not in text and '"mode": "rollback"' in text


def test_a_containments_policy_is_to_be_detached() -> None:
    assert commands(steps(granted(), UNDO_OF_THE_GRANT)) == [DETACH]


def test_what_another_incident_holds_is_not_to_be_detached() -> None:
    world = granted()
    another_grant(world, "run-2", BACKEND)
    assert "detach-role-policy" not in steps(world, UNDO_OF_THE_GRANT)


def test_what_another_incident_holds_is_to_be_attached_again_all_the_same() -> None:
    world = cured()
    another_grant(world, "run-2", BACKEND, SEND)
    assert ATTACH in commands(steps(world, RunState(UNDO_OF_CURE)))


def test_what_a_cure_has_taken_off_since_is_not_left_by_the_containment() -> None:
    world = cured()
    undo(world, replace(UNDO, id="undo-9", role=OLD_ROLE), 2 * LATER)
    assert [c.kind for c in left(world, UNDO_OF_THE_GRANT)] == ["redeploy"]
    assert INCIDENT in steps(world, RunState(UNDO))


def test_what_is_not_checked_deregisters_nothing() -> None:
    world = cured()
    text = manual_steps(RunState(UNDO_OF_CURE), left(world, RunState(UNDO_OF_CURE)), None, REGION)
    assert commands(text) == [ATTACH, f"{UPDATE} {DEFINITION}"]
    assert "this is not checked" in text


def test_what_is_not_known_has_no_commands() -> None:
    text = manual_steps(UNDO_OF_THE_GRANT, None, None, REGION)
    assert commands(text) == [] and '"mode": "rollback"' in text
