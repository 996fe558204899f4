"""One run at a time for a service and for a role: who has it, who waits, who is refused, who takes over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.leasing import PATIENCE, STRAGGLERS, lease_role, lease_service, release
from regrant.models import Diagnosis, Incident, Leasing, RunState
from tests.unit.fakes import CONTAIN, INCIDENT, INCIDENT_OF_WORKER, OLD_ROLE, UNDO, World, at

OTHER = replace(INCIDENT_OF_WORKER, id="other-run", subject="other-run")


def run(incident: Incident, diagnosis: Diagnosis | None = CONTAIN) -> RunState:
    return RunState(incident, diagnosis)


@pytest.fixture
def world() -> World:
    return World()


def service(world: World, state: RunState, second: float) -> Leasing:
    return lease_service(state, world.leases, world.executions, at(second))


def role(world: World, state: RunState, second: float) -> Leasing:
    return lease_role(state, world.leases, world.executions, at(second))


def refused(leasing: Leasing) -> tuple[str, str]:
    assert leasing.verdict == "BUSY" and leasing.refusal is not None
    return leasing.refusal.code, leasing.refusal.message


def test_the_first_run_has_the_service_and_the_second_is_told_whose_it_is(world: World) -> None:
    assert service(world, run(INCIDENT_OF_WORKER), 0).verdict == "HELD"
    code, message = refused(service(world, run(OTHER), 1))
    assert (code, INCIDENT in message) == ("SERVICE_BUSY", True)


def test_a_step_that_is_tried_again_still_has_it(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    assert service(world, run(INCIDENT_OF_WORKER), 5).verdict == "HELD"


def test_two_runs_for_one_role_take_turns(world: World) -> None:
    state = run(OTHER)
    assert role(world, run(INCIDENT_OF_WORKER), 0).verdict == "HELD"
    first = role(world, state, 1)
    assert (first.verdict, first.holder, first.waited) == ("PENDING", INCIDENT, False)
    ours = role(world, run(INCIDENT_OF_WORKER), 2)
    release(replace(run(INCIDENT_OF_WORKER), role_lease=ours), world.leases, at(30))
    second = role(world, replace(state, role_lease=first), 31)
    assert (second.verdict, second.waited, second.checks, second.since) == ("HELD", True, 2, at(1))
    # The diagnosis is made again once, not for ever.
    assert role(world, replace(state, role_lease=second), 32).waited is False


def test_nobody_waits_for_ever(world: World) -> None:
    role(world, run(INCIDENT_OF_WORKER), 0)
    first = role(world, run(OTHER), 1)
    state = replace(run(OTHER), role_lease=first)
    assert role(world, state, PATIENCE).verdict == "PENDING"
    assert refused(role(world, state, PATIENCE + 1))[0] == "ROLE_BUSY"


def test_an_undo_leases_the_role_of_the_baseline(world: World) -> None:
    leasing = role(world, run(replace(UNDO, role=OLD_ROLE), None), 0)
    assert leasing.resource == f"role/{OLD_ROLE}"


def test_the_lease_of_a_run_that_ended_is_taken_over_when_its_last_function_has_ended(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    world.executions.ended[INCIDENT] = at(100)
    waiting = service(world, run(UNDO, None), 101)
    assert (waiting.verdict, waiting.holder_ended) == ("PENDING", True)
    again = replace(run(UNDO, None), service_lease=waiting)
    assert service(world, again, 100 + STRAGGLERS).verdict == "HELD"
    assert refused(service(world, run(OTHER), 165))[0] == "SERVICE_BUSY"


def test_an_undo_beside_the_run_that_it_undoes_is_told_to_stop_it_first(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    busy = service(world, run(UNDO, None), 50)
    assert busy.refusal is not None and "Stop that run first" in busy.refusal.next


def test_a_lease_ends_by_itself(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    assert service(world, run(OTHER), 14_999).verdict == "BUSY"
    assert service(world, run(OTHER), 15_000).verdict == "HELD"


def test_only_what_is_ours_is_given_back(world: World) -> None:
    held, busy = service(world, run(INCIDENT_OF_WORKER), 0), service(world, run(OTHER), 1)
    release(replace(run(OTHER), service_lease=busy), world.leases, at(2))
    assert world.leases.held[held.resource].ends_at > at(2)


def test_a_lease_that_cannot_be_given_back_spoils_nothing(world: World) -> None:
    held = service(world, run(INCIDENT_OF_WORKER), 0)
    world.leases.failure = AwsUnavailable("throttled")
    release(replace(run(INCIDENT_OF_WORKER), service_lease=held), world.leases, at(2))
