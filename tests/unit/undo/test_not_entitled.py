"""An undo attaches again what a run withdrew: nothing for a service that is not enrolled, or without end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused
from regrant.model.aws import Baseline
from regrant.model.results import Refusal
from regrant.model.run import Incident
from tests.unit.cure import BACKEND, EXPIRY, LATER, UNDO_OF_EXPIRY, granted, let_go, run, undo, undo_report
from tests.unit.fakes import INCIDENT, OLD_ROLE, RECEIVE, ROLE, RUNNING, WORKER, World, at
from tests.unit.run import Run, opened

NOT_ENROLLED = Refusal("NOT_ENROLLED", "There is no entry.", "Enrol it.")
AFTER_ENROLMENT = replace(UNDO_OF_EXPIRY, no_entry=NOT_ENROLLED)
UNDO_IT = {"mode": "rollback", "incident": EXPIRY.id}


def expired() -> World:
    """The grant's time was over, and it was withdrawn."""
    world = granted()
    run(world, EXPIRY)
    let_go(world)
    assert world.roles.role.attached == () == world.holds.of(OLD_ROLE)
    return world


def test_nothing_is_attached_for_a_service_that_is_not_enrolled_any_more() -> None:
    world = expired()
    report = undo_report(world, AFTER_ENROLMENT)
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE), world.schedules.at) == ((), (), {})
    (change,) = report.changes
    assert change.left_for == "off, since the service is not enrolled any more"
    assert report.receipt is not None and report.receipt.equal


def test_nothing_is_attached_that_no_hold_would_end() -> None:
    """Somebody has deleted the records of grants."""
    world = expired()
    world.holds.written.clear()
    assert undo(world, UNDO_OF_EXPIRY).equal
    assert (world.roles.role.attached, world.schedules.at) == ((), {})


def test_what_is_attached_again_has_its_hold_and_its_end() -> None:
    world = expired()
    assert undo(world, UNDO_OF_EXPIRY).equal
    (hold,) = world.holds.of(OLD_ROLE)
    assert world.roles.role.attached == (RECEIVE,)
    assert list(world.schedules.at) == [(INCIDENT, hold.expires_at)]


@pytest.mark.parametrize(("incident", "again"), [(UNDO_OF_EXPIRY, (RECEIVE,)), (AFTER_ENROLMENT, ())])
def test_nor_is_what_the_run_let_go_and_another_has_taken_off(
    incident: Incident, again: tuple[str, ...]
) -> None:
    world = granted()
    (hold,) = world.holds.of(OLD_ROLE)
    world.journal.keep_baseline(EXPIRY.id, Baseline(str(WORKER), ROLE, RUNNING, at(LATER)))
    world.holds.write(OLD_ROLE, replace(hold, dropped_by=EXPIRY.id, dropped_at=at(LATER + 10)))
    ended = replace(hold, incident="another", service=str(BACKEND), dropped_at=at(LATER + 20), detached=True)
    world.holds.write(OLD_ROLE, replace(ended, dropped_by="another-expiry"))
    world.roles.detach(OLD_ROLE, RECEIVE)
    let_go(world)
    Run(world, incident).undo_role(LATER + 600)
    assert world.roles.role.attached == again


@pytest.mark.parametrize("enrolled", [True, False])
def test_an_undo_reads_whether_its_service_is_enrolled(enrolled: bool) -> None:
    world = expired()
    if not enrolled:
        del world.catalogue.parameters[WORKER]
    incident = opened(world, UNDO_IT, LATER + 500, started=LATER + 500, name="undo-3")
    assert (incident.next, incident.no_entry is None) == ("UNDO", enrolled)


def test_an_undo_goes_on_where_the_entry_cannot_be_read() -> None:
    world = expired()

    def refused(*_: object) -> None:
        raise AwsRefused("not authorized to perform: ssm:GetParameters")

    world.allowed.read_with_entry = refused  # type: ignore[method-assign,assignment]
    incident = opened(world, UNDO_IT, LATER + 500, started=LATER + 500, name="undo-3")
    assert (incident.next, incident.no_entry) == ("UNDO", None)
