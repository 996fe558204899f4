"""What somebody else did in between is neither replaced nor undone, and the run says so."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AccountMoved, AwsRefused, ServiceChanged
from regrant.model.results import Receipt
from regrant.model.run import Failure, Report
from regrant.report.page import page_operator
from regrant.report.render import render
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    INCIDENT,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    THEIRS,
    UNDO,
    WORKER,
    World,
    at,
    diagnosed,
)
from tests.unit.run import Run, opened
from tests.unit.undone import contained, primary, undo


def test_a_deployment_that_came_first_is_left_alone_by_the_undo_even_if_it_fails() -> None:
    world = World()
    run = Run(world, diagnosis=diagnosed(world.roles.role))
    run.capture()
    run.attach()
    world.services.somebody_deploys(DEFINITION)
    with pytest.raises(ServiceChanged):
        run.redeploy()
    world.services.stall()
    left = run.undo_role(8)
    assert (left.next, left.service, left.evidence) == (
        "CONFIRM",
        "HEALTHY",
        ("The service was not changed.",),
    )
    assert (primary(world), world.services.redeployed) == (THEIRS, [])


def test_a_service_that_was_deployed_since_the_diagnosis_is_not_touched() -> None:
    world = World()
    world.services.somebody_deploys(NEWER_DEFINITION)
    with pytest.raises(AccountMoved, match="since the diagnosis"):
        Run(world, diagnosis=diagnosed(task_definition=DEFINITION)).capture()
    assert world.journal.baselines == {}


def test_a_policy_that_is_attached_again_long_after_the_undo_is_somebody_elses() -> None:
    world = contained()
    undo(world)
    world.roles.attach(OLD_ROLE, RECEIVE)
    receipt = undo(world, 5000)
    assert receipt.equal and world.roles.role.attached == (RECEIVE,)
    assert receipt.changed_by_others == (f"+ role.attached.{RECEIVE} = true",)


def test_a_policy_that_is_attached_again_once_it_was_seen_off_is_somebody_elses() -> None:
    world = contained()
    run = Run(world, UNDO)
    run.undo()
    world.roles.attach(OLD_ROLE, RECEIVE)
    receipt = run.confirm(200)
    assert receipt.equal
    assert receipt.changed_by_others == (f"+ role.attached.{RECEIVE} = true",)


def test_a_refused_input_does_not_report_the_changes_of_the_incident_that_it_names() -> None:
    world = contained()
    given = {"service": str(WORKER), "mode": "contain", "incident": INCIDENT}
    report = Run(world, opened(world, given, 900, started=900)).close(901)
    assert (report.outcome, report.changes) == ("REFUSED", ())


def undone_by(error: Failure) -> Report:
    run = Run(contained(), INCIDENT_OF_WORKER, CONTAIN)
    receipt = Receipt("a", "a", "a", equal=True, at=at(300))
    run.state = replace(run.state, receipt=receipt, error=error)
    return run.close(301)


def test_a_run_that_aws_kept_from_going_on_does_not_blame_the_permission() -> None:
    report = undone_by(Failure("AwsRefused", "AccessDenied when calling AttachRolePolicy"))
    assert report.next.startswith("The run could not go on: see AwsRefused")


def test_an_undo_whose_journal_cannot_be_read_does_not_say_that_nothing_was_changed() -> None:
    run = Run(contained(), UNDO)
    run.world.journal.failure = AwsRefused("AccessDenied on Query", "AccessDeniedException")
    failed = replace(run.state, error=Failure("AwsRefused", "x"))
    text = " ".join(render(page_operator(failed, run.world, at(600))).split())
    assert "changed not known" in text and f"is in the journal, at {INCIDENT}" in text
