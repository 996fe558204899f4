"""What somebody else did meanwhile: it is neither replaced nor undone, and the run says so."""

from __future__ import annotations

import pytest

from regrant.baseline.capture import capture
from regrant.change.attach import attach_policies, redeploy
from regrant.errors import AccountMoved, AwsRefused, BaselineDiffers, ServiceChanged
from regrant.model.results import Receipt, Restore
from regrant.model.run import Failure, OpenEvent, Report, RunState
from regrant.opening.open import open_incident
from regrant.report.close import close_incident, page_operator
from regrant.report.render import render
from regrant.undo.restore import confirm_baseline, detach_policies, restore_service
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    INCIDENT,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_ROLE,
    PLAN,
    RECEIVE,
    SETTINGS,
    THEIRS,
    UNDO,
    WORKER,
    FakeCatalogue,
    World,
    at,
    diagnosed,
)
from tests.unit.undo import contained, undo

SETTLED = Restore("HEALTHY", 0, at(400), at(400), evidence=("settled",))


def test_a_deployment_that_came_first_is_left_alone_by_the_undo_even_if_it_fails() -> None:
    world = World()
    mark = capture(
        INCIDENT_OF_WORKER,
        diagnosed(world.roles.role),
        world.services,
        world.roles,
        world.queues,
        world.holds,
        world.journal,
        at(2),
    )
    attach_policies(
        INCIDENT_OF_WORKER, PLAN, mark, world.roles, world.holds, world.journal, world.schedules, at(3)
    )
    world.services.somebody_deploys(DEFINITION)
    with pytest.raises(ServiceChanged):
        redeploy(INCIDENT_OF_WORKER, mark, None, world.services, world.journal, at(5))
    world.services.stall()
    restore = restore_service(INCIDENT_OF_WORKER, world.services, world.journal, at(8))
    assert (restore.verdict, restore.evidence) == ("HEALTHY", ("The service was not changed.",))
    assert world.services.state is not None and world.services.state.primary is not None
    assert (world.services.state.primary.id, world.services.redeployed) == (THEIRS, [])


def test_a_service_that_was_deployed_since_the_diagnosis_is_not_touched() -> None:
    world = World()
    world.services.somebody_deploys(NEWER_DEFINITION)
    with pytest.raises(AccountMoved, match="since the diagnosis"):
        capture(
            INCIDENT_OF_WORKER,
            diagnosed(task_definition=DEFINITION),
            world.services,
            world.roles,
            world.queues,
            world.holds,
            world.journal,
            at(2),
        )
    assert world.journal.baselines == {}


def test_a_policy_that_is_attached_again_long_after_the_undo_is_somebody_elses() -> None:
    world = contained()
    undo(world)
    world.roles.attach(OLD_ROLE, RECEIVE)
    detach_policies(UNDO, world.roles, world.holds, world.journal, world.schedules, at(5000))
    receipt = confirm_baseline(
        UNDO, SETTLED, world.services, world.roles, world.revisions, world.holds, world.journal, at(5001)
    )
    assert receipt.equal and world.roles.role.attached == (RECEIVE,)
    assert receipt.changed_by_others == (f"+ role.attached.{RECEIVE} = true",)


def test_a_policy_that_is_still_shown_right_after_the_undo_is_ours() -> None:
    world = contained()
    undo(world)
    world.roles.attach(OLD_ROLE, RECEIVE)  # as a stale read shows it
    with pytest.raises(BaselineDiffers):
        confirm_baseline(
            UNDO, SETTLED, world.services, world.roles, world.revisions, world.holds, world.journal, at(200)
        )


def test_a_refused_input_does_not_report_the_changes_of_the_incident_that_it_names() -> None:
    world = contained()
    given = {"service": str(WORKER), "mode": "contain", "incident": INCIDENT}
    event = OpenEvent(given, at(900), "run-2")
    incident = open_incident(event, FakeCatalogue({}), world.services, world.journal, SETTINGS)
    report = close_incident(RunState(incident), world.journal, world.leases, world.topic, at(901))
    assert (report.outcome, report.changes) == ("REFUSED", ())


def undone_by(error: Failure) -> Report:
    world = contained()
    receipt = Receipt("a", "a", "a", equal=True, at=at(300))
    state = RunState(INCIDENT_OF_WORKER, CONTAIN, receipt=receipt, error=error)
    return close_incident(state, world.journal, world.leases, world.topic, at(301))


def test_a_run_that_aws_kept_from_going_on_does_not_blame_the_permission() -> None:
    report = undone_by(Failure("AwsRefused", "AccessDenied when calling AttachRolePolicy"))
    assert report.next.startswith("The run could not go on: see AwsRefused")


def test_an_undo_whose_journal_cannot_be_read_does_not_say_that_nothing_was_changed() -> None:
    world = contained()
    world.journal.failure = AwsRefused("AccessDenied on Query", "AccessDeniedException")
    report = page_operator(
        RunState(UNDO, error=Failure("AwsRefused", "x")),
        world.journal,
        world.holds,
        world.leases,
        world.topic,
        at(600),
    )
    text = " ".join(render(report).split())
    assert "changed not known" in text and f"is in the journal, at {INCIDENT}" in text
