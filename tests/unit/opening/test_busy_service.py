"""One run at a time for a service: who has it, who waits for it, who is refused, who takes it over."""

from __future__ import annotations

import json

import pytest

from regrant.leases import LIFE, STRAGGLERS, UNKNOWN_BY_THEN
from regrant.model.aws import Baseline, Execution
from regrant.model.journal import Lease
from regrant.model.run import Incident, Report
from regrant.opening.open import UNDO_WAIT, WAIT
from tests.unit.cure import enrol
from tests.unit.fakes import INCIDENT, ROLE, RUNNING, UNDO, WORKER, World, at
from tests.unit.run import end_of, opened

CONTAIN = {"service": str(WORKER)}
CURE = CONTAIN | {"mode": "cure"}
EXPIRE = {"mode": "expire", "incident": "older-run"}
UNDO_IT = {"mode": "rollback", "incident": INCIDENT}


@pytest.fixture
def world() -> World:
    """The worker is enrolled, and an older run has contained it once."""
    world = World()
    enrol(world, WORKER)
    began(world, "older-run")
    return world


def began(world: World, incident: str = INCIDENT) -> None:
    """The run has recorded its baseline, from which on it changes something."""
    world.journal.keep_baseline(incident, Baseline(str(WORKER), ROLE, RUNNING, at(2)))


def reported(world: World, incident: str = INCIDENT) -> None:
    report = Report(incident, None, "contain", "CONTAINED", (), (), None, None, (), "")
    world.journal.closed[incident] = report


def first(world: World) -> None:
    assert opened(world, CONTAIN, name=INCIDENT).leased
    goes_on(world, INCIDENT)


def goes_on(world: World, run: str) -> None:
    world.executions.running[run] = Execution("RUNNING", "")


def first_ended(world: World, *, at_second: float = 100, changed: bool = True) -> None:
    """The first run was stopped then, before its report."""
    first(world)
    if changed:
        began(world)
    world.executions.ended[INCIDENT] = at(at_second)


def refused(incident: Incident) -> str:
    assert incident.refusal is not None and incident.refusal.code == "SERVICE_BUSY"
    assert not incident.leased
    return incident.refusal.message


def test_the_second_run_is_refused_with_the_name_of_the_first(world: World) -> None:
    first(world)
    second = opened(world, CONTAIN, 1, started=1)
    assert second.next == "CLOSE" and INCIDENT in refused(second)


def test_nobody_is_advised_to_undo_a_run_that_still_goes_on(world: World) -> None:
    """It may only be waiting for a person's yes."""
    first(world)
    began(world)
    second = opened(world, CONTAIN, 50, started=50)
    assert second.refusal is not None
    assert INCIDENT in second.refusal.next and "approval" in second.refusal.next
    assert "rollback" not in second.refusal.next


def test_a_run_that_step_functions_does_not_know_is_nothing_to_look_at(world: World) -> None:
    """Somebody invoked OpenIncident by hand, in the name of a run that never was."""
    assert opened(world, CONTAIN, name="ghost").leased
    second = opened(world, CONTAIN, 100, started=100)
    assert "Step Functions knows no such run" in refused(second) and second.refusal is not None
    assert "Look at the execution" not in second.refusal.next
    assert f"until {at(UNKNOWN_BY_THEN)}" in second.refusal.next
    assert opened(world, CONTAIN, UNKNOWN_BY_THEN, started=UNKNOWN_BY_THEN).leased


def test_a_run_that_ended_without_a_report_is_to_be_undone(world: World) -> None:
    first_ended(world)
    second = opened(world, CONTAIN, 500, started=500)
    assert second.refusal is not None
    assert second.refusal.next.endswith(f'{{"mode": "rollback", "incident": "{INCIDENT}"}}')


def test_a_step_that_is_tried_again_still_has_the_service(world: World) -> None:
    first(world)
    assert opened(world, CONTAIN, 5, name=INCIDENT).leased


def test_the_lease_of_a_run_that_ended_is_taken_over_when_its_last_function_has_ended(world: World) -> None:
    first_ended(world)
    over = 100 + STRAGGLERS
    assert opened(world, UNDO_IT, over - 1, started=over - 1, name=UNDO.id).next == "WAIT"
    assert opened(world, UNDO_IT, over, started=over - 1, name=UNDO.id).next == "UNDO"
    assert UNDO.id in refused(opened(world, CONTAIN, over + 1, started=over + 1))


def test_an_undo_beside_the_run_that_it_undoes_says_to_stop_that_first(world: World) -> None:
    first(world)
    began(world)
    undo = opened(world, UNDO_IT, 50, started=50, name=UNDO.id)
    assert undo.refusal is not None and "Stop that run first" in undo.refusal.next


def test_a_lease_ends_after_its_life(world: World) -> None:
    first(world)
    refused(opened(world, CONTAIN, LIFE - 1, started=LIFE - 1))
    assert opened(world, CONTAIN, LIFE, started=LIFE).leased


@pytest.mark.parametrize("given", [CONTAIN, CURE, EXPIRE], ids=["contain", "cure", "expire"])
def test_what_an_ended_run_left_open_is_for_its_undo_and_for_no_other_run(
    given: object, world: World
) -> None:
    first_ended(world)
    message = refused(opened(world, given, 500, started=500))
    assert "is to be undone first" in message
    assert opened(world, UNDO_IT, 501, started=501, name=UNDO.id).leased


def test_the_undo_of_an_earlier_run_comes_after_that_of_what_was_left_open(world: World) -> None:
    first_ended(world)
    world.journal.keep_baseline("run-0", Baseline(str(WORKER), ROLE, RUNNING, at(-500)))
    earlier = opened(world, {"mode": "rollback", "incident": "run-0"}, 500, started=500, name="undo-0")
    assert earlier.refusal is not None
    assert earlier.refusal.next.endswith(f'{{"mode": "rollback", "incident": "{INCIDENT}"}}')
    assert opened(world, UNDO_IT, 501, started=501, name=UNDO.id).leased


def test_nobody_waits_for_a_service_that_an_ended_run_left_open(world: World) -> None:
    first_ended(world)
    assert opened(world, CONTAIN, 101, started=101).next == "CLOSE"


def test_a_run_that_ended_with_its_report_leaves_the_service_to_anybody(world: World) -> None:
    first_ended(world)
    reported(world)
    over = 100 + STRAGGLERS
    assert opened(world, CURE, over, started=over).leased


def test_a_run_that_ended_before_it_changed_anything_leaves_the_service_to_anybody(world: World) -> None:
    first_ended(world, changed=False)
    assert opened(world, CURE, 110, started=110).next == "WAIT"
    assert opened(world, CURE, 100 + STRAGGLERS, started=110).leased


def test_a_run_of_a_person_does_not_wait_for_ever(world: World) -> None:
    first_ended(world)
    assert opened(world, UNDO_IT, 110, started=111 - WAIT, name=UNDO.id).next == "WAIT"
    refused(opened(world, UNDO_IT, 110, started=110 - WAIT, name=UNDO.id))


def test_an_undo_that_ended_before_its_report_is_undone_before_another_run(world: World) -> None:
    began(world)
    assert opened(world, UNDO_IT, name=UNDO.id).leased
    world.executions.ended[UNDO.id] = at(100)
    refused(opened(world, CONTAIN, 500, started=500))
    its_end = end_of(UNDO.id, input=json.dumps(UNDO_IT))
    assert opened(world, its_end, 501, started=100, name="rescue-1").leased


def test_the_event_of_its_end_does_not_end_a_run_that_goes_on(world: World) -> None:
    """Anybody who may start runs can write one. DescribeExecution may not have heard of an end yet."""
    first(world)
    began(world)
    assert opened(world, end_of(), 100 + WAIT - 1, started=100, name="rescue-1").next == "WAIT"
    late = opened(world, end_of(), 100 + WAIT, started=100, name="rescue-1")
    assert late.refusal is not None and (late.refusal.code, late.next) == ("RUN_NOT_ENDED", "CLOSE")
    assert world.leases.held[f"service/{WORKER}"].owner == INCIDENT


def test_an_undo_begins_when_step_functions_says_that_the_run_has_ended(world: World) -> None:
    first(world)
    began(world)
    assert opened(world, end_of(), 110, started=100, name="rescue-1").next == "WAIT"
    world.executions.ended[INCIDENT] = at(100)
    over = 100 + STRAGGLERS
    assert opened(world, end_of(), over - 1, started=100, name="rescue-1").next == "WAIT"
    assert opened(world, end_of(), over, started=100, name="rescue-1").next == "UNDO"


def test_a_run_that_reports_while_its_undo_waits_for_the_service_is_not_undone(world: World) -> None:
    first(world)
    began(world)
    take = world.leases.take

    def reports_first(lease: Lease, now: str, instead_of: str | None = None) -> Lease:
        world.leases.release(lease.resource, INCIDENT, now)
        reported(world)
        return take(lease, now, instead_of)

    world.leases.take = reports_first  # type: ignore[method-assign]
    undo = opened(world, end_of(), 200, started=100, name="rescue-1")
    assert undo.refusal is not None and undo.refusal.code == "NOTHING_TO_UNDO"
    assert (undo.next, undo.leased) == ("CLOSE", True)


def test_a_run_of_which_step_functions_does_not_know_holds_nothing_for_long(world: World) -> None:
    """Whoever may invoke the function can take a lease for a run that never was."""
    assert opened(world, CONTAIN, name="made-up").leased
    refused(opened(world, CONTAIN, UNKNOWN_BY_THEN - 1, started=UNKNOWN_BY_THEN - 1))
    assert opened(world, CONTAIN, UNKNOWN_BY_THEN, started=UNKNOWN_BY_THEN).leased


def test_the_event_of_one_runs_end_says_nothing_of_another_that_has_the_service(world: World) -> None:
    began(world)
    assert opened(world, CONTAIN, name="other-run").leased
    assert opened(world, end_of(), 500, started=1, name="rescue-1").next == "WAIT"


def test_an_undo_that_nobody_asked_for_waits_for_an_hour_and_then_pages_a_person(world: World) -> None:
    began(world)
    assert opened(world, CONTAIN, name="other-run").leased
    assert opened(world, end_of(), UNDO_WAIT - 1, name="rescue-1").next == "WAIT"
    late = opened(world, end_of(), UNDO_WAIT, name="rescue-1")
    assert late.next == "PAGE" and "other-run" in refused(late)


def test_an_expiry_that_fires_during_a_cure_is_refused_with_its_name(world: World) -> None:
    assert opened(world, CURE, name="cure-1").leased
    assert "cure-1" in refused(opened(world, EXPIRE, 10, started=10, name="expire-1"))


def test_the_second_of_two_expiries_that_fired_at_the_same_time_is_refused(world: World) -> None:
    assert opened(world, EXPIRE, name="expire-1").leased
    refused(opened(world, EXPIRE, name="expire-2"))
