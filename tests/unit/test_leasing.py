"""One run at a time for a service and for a role: who has it, who waits, who is refused, who takes over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.leasing import LIFE, STRAGGLERS, TURNS, lease_role, lease_service, release_all, release_role
from regrant.models import Diagnosis, Incident, Leasing, RunState
from tests.unit.fakes import CONTAIN, INCIDENT, INCIDENT_OF_WORKER, OLD_ROLE, UNDO, World, at

OTHER = replace(INCIDENT_OF_WORKER, id="other-run", subject="other-run")


def run(incident: Incident, diagnosis: Diagnosis | None = CONTAIN) -> RunState:
    return RunState(incident, diagnosis)


@pytest.fixture
def world() -> World:
    return World()


def service(world: World, state: RunState, second: float) -> Leasing:
    return lease_service(state, world.leases, world.executions, world.journal, at(second))


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


def test_two_runs_change_one_role_in_turn(world: World) -> None:
    assert role(world, run(INCIDENT_OF_WORKER), 0).verdict == "HELD"
    waiting = role(world, run(OTHER), 1)
    assert (waiting.verdict, waiting.holder) == ("PENDING", INCIDENT)
    release_role(OLD_ROLE, INCIDENT, world.leases, at(10))
    assert role(world, replace(run(OTHER), turn=waiting), 11).verdict == "HELD"
    # The first run comes back to undo, and waits in its turn.
    assert role(world, run(INCIDENT_OF_WORKER), 12).verdict == "PENDING"


def test_nobody_waits_for_a_role_for_ever(world: World) -> None:
    role(world, run(INCIDENT_OF_WORKER), 0)
    state = run(OTHER)
    for turn in range(1, TURNS):
        leasing = role(world, state, 10 * turn)
        assert (leasing.verdict, leasing.checks) == ("PENDING", turn)
        state = replace(state, turn=leasing)
    assert refused(role(world, state, 10 * TURNS))[0] == "ROLE_BUSY"


def test_an_undo_leases_the_role_of_the_baseline(world: World) -> None:
    assert role(world, run(replace(UNDO, role=OLD_ROLE), None), 0).verdict == "HELD"
    assert list(world.leases.held) == [f"role/{OLD_ROLE}"]


def test_the_lease_of_a_run_that_ended_is_taken_over_when_its_last_function_has_ended(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    world.executions.ended[INCIDENT] = at(100)
    assert service(world, run(UNDO, None), 99 + STRAGGLERS).verdict == "PENDING"
    assert service(world, run(UNDO, None), 100 + STRAGGLERS).verdict == "HELD"
    assert refused(service(world, run(OTHER), 101 + STRAGGLERS))[0] == "SERVICE_BUSY"


def test_an_undo_beside_the_run_that_it_undoes_is_told_to_stop_it_first(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    busy = service(world, run(UNDO, None), 50)
    assert busy.refusal is not None and "Stop that run first" in busy.refusal.next


def test_a_lease_ends_by_itself(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    assert service(world, run(OTHER), LIFE - 1).verdict == "BUSY"
    assert service(world, run(OTHER), LIFE).verdict == "HELD"


def test_only_what_is_ours_is_given_back(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    busy = service(world, run(OTHER), 1)
    release_all(replace(run(OTHER), lease=busy), world.leases, at(2))
    assert service(world, run(OTHER), 3).verdict == "BUSY"


def test_everything_is_given_back_at_the_end(world: World) -> None:
    state = replace(run(INCIDENT_OF_WORKER), lease=service(world, run(INCIDENT_OF_WORKER), 0))
    role(world, state, 1)
    release_all(state, world.leases, at(2))
    assert {lease.ends_at for lease in world.leases.held.values()} == {at(2)}


def test_a_lease_that_cannot_be_given_back_spoils_nothing(world: World) -> None:
    held = service(world, run(INCIDENT_OF_WORKER), 0)
    world.leases.failure = AwsUnavailable("throttled")
    release_all(replace(run(INCIDENT_OF_WORKER), lease=held), world.leases, at(2))
