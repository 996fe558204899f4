"""What an undo that did not finish has left, as commands for a person."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.model.aws import name_of
from regrant.model.journal import Change
from regrant.model.results import Receipt
from regrant.model.run import RunState
from regrant.report.by_hand import finish_by_hand, left_by
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
from tests.unit.fakes import (
    DEFINITION,
    INCIDENT,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    SEND,
    UNDO,
    WORKER,
    World,
    at,
)

POLICY = f"--role-name {name_of(OLD_ROLE)} --policy-arn {RECEIVE}"
SERVICE = f"--cluster {WORKER.cluster} --service {WORKER.name}"


def left(world: World, state: RunState) -> tuple[Change, ...]:
    return left_by(state, world.journal.load(state.incident.subject), world.holds)


def told(world: World, state: RunState) -> str:
    return finish_by_hand(state, left(world, state))


def test_a_cure_that_is_not_undone_is_taken_back_with_its_grant() -> None:
    world = granted()
    run(world)
    text = told(world, RunState(UNDO_OF_CURE))
    assert f"aws iam attach-role-policy {POLICY}" in text
    assert f"aws ecs update-service {SERVICE} --task-definition {DEFINITION};" in text
    assert f"aws ecs deregister-task-definition --task-definition {NEWER_DEFINITION}" in text
    assert f'{{"mode": "rollback", "incident": "{CURE.id}"}}' in text


def test_commands_are_told_for_what_is_left_only() -> None:
    world = granted()
    run(world)
    let_go(world)
    undo(world)
    text = told(world, RunState(UNDO_OF_CURE))
    assert "describe-services" in text
    assert not any(each in text for each in ("attach-role-policy", "update-service", "deregister"))


def test_an_undo_that_only_lacks_its_record_has_nothing_to_put_right() -> None:
    receipt = Receipt("a", "a", "a", True, at(1))
    text = told(granted(), RunState(UNDO_OF_CURE, receipt=receipt))
    assert "aws " not in text and "Everything is undone" in text


@pytest.mark.parametrize("moment", range(1, 5))
def test_a_revision_that_was_not_recorded_is_for_the_run_that_checks(moment: int) -> None:
    text = told(crashed(moment), RunState(UNDO_OF_CURE))
    assert "deregister-task-definition" not in text and '"mode": "rollback"' in text


def test_a_containments_policy_is_to_be_detached() -> None:
    assert f"aws iam detach-role-policy {POLICY}" in told(granted(), RunState(replace(UNDO, role=OLD_ROLE)))


def test_what_another_incident_holds_is_not_to_be_detached() -> None:
    world = granted()
    another_grant(world, "run-2", BACKEND)
    assert "detach-role-policy" not in told(world, RunState(replace(UNDO, role=OLD_ROLE)))


def test_what_another_incident_holds_is_to_be_attached_again_all_the_same() -> None:
    world = granted()
    run(world)
    another_grant(world, "run-2", BACKEND, SEND)
    assert f"aws iam attach-role-policy {POLICY}" in told(world, RunState(UNDO_OF_CURE))


def test_what_a_cure_has_taken_off_since_is_not_left_by_the_containment() -> None:
    world = granted()
    run(world)
    let_go(world)
    undo(world, replace(UNDO, id="undo-9", role=OLD_ROLE), 2 * LATER)
    assert [c.kind for c in left(world, RunState(replace(UNDO, role=OLD_ROLE)))] == ["redeploy"]
    assert INCIDENT in told(world, RunState(UNDO))
