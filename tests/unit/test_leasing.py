"""One run at a time for a service and for a role: who has it, who waits, who is refused, who takes over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.leases import (
    LIFE,
    STRAGGLERS,
    TURNS,
    UNDO_TRIES,
    await_role,
    lease_role,
    lease_service,
    release_all,
    release_role,
)
from regrant.model.aws import Baseline
from regrant.model.results import Restore
from regrant.model.run import Diagnosis, Incident, Leasing, Report, RunState
from tests.unit.fakes import (
    CONTAIN,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    ROLE,
    RUNNING,
    UNDO,
    WORKER,
    World,
    at,
)

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


CURED = replace(INCIDENT_OF_WORKER, id="cure-1", subject="cure-1", mode="cure")
RESCUE = replace(UNDO, id="rescue-1", ended=INCIDENT)


def left_open(world: World, incident: str = INCIDENT) -> None:
    """The run has ended after it began to change something, and has not reported."""
    world.journal.keep_baseline(incident, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    service(world, run(INCIDENT_OF_WORKER), 0)
    world.executions.ended[INCIDENT] = at(100)


def test_what_an_ended_run_left_open_is_for_its_undo_and_for_no_other_run(world: World) -> None:
    left_open(world)
    for other in (OTHER, CURED, replace(CURED, id="expire-1", mode="expire")):
        code, message = refused(service(world, run(other), 500))
        assert code == "SERVICE_BUSY" and "is to be undone first" in message
    assert service(world, run(UNDO, None), 501).verdict == "HELD"


def test_a_run_that_ended_with_its_report_leaves_the_service_to_anybody(world: World) -> None:
    left_open(world)
    world.journal.closed[INCIDENT] = Report(
        INCIDENT, None, "contain", "CONTAINED", (), (), None, None, (), ""
    )
    assert service(world, run(CURED), 100 + STRAGGLERS).verdict == "HELD"


def test_a_run_that_ended_before_it_changed_anything_leaves_the_service_to_anybody(world: World) -> None:
    service(world, run(INCIDENT_OF_WORKER), 0)
    world.executions.ended[INCIDENT] = at(100)
    waiting = service(world, run(CURED), 110)
    assert waiting.verdict == "PENDING"
    assert service(world, replace(run(CURED), lease=waiting), 100 + STRAGGLERS).verdict == "HELD"


def test_an_undo_that_ended_itself_is_undone_before_another_run(world: World) -> None:
    world.journal.keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    service(world, run(UNDO, None), 0)
    world.executions.ended[UNDO.id] = at(100)
    assert service(world, run(OTHER), 500).verdict == "BUSY"
    assert service(world, run(replace(RESCUE, ended=UNDO.id), None), 501).verdict == "HELD"


def test_the_event_of_its_end_is_proof_enough_that_a_run_has_ended(world: World) -> None:
    """DescribeExecution may still say that it runs."""
    service(world, run(INCIDENT_OF_WORKER), 0)
    opened = replace(RESCUE, opened_at=at(100))
    assert service(world, run(opened, None), 99 + STRAGGLERS).verdict == "PENDING"
    assert service(world, run(opened, None), 100 + STRAGGLERS).verdict == "HELD"


def test_the_event_of_one_runs_end_says_nothing_of_another_that_has_the_service(world: World) -> None:
    service(world, run(OTHER), 0)
    assert service(world, run(replace(RESCUE, opened_at=at(1)), None), 500).verdict == "PENDING"


def test_an_undo_that_nobody_asked_for_waits_for_an_hour_and_is_then_refused(world: World) -> None:
    service(world, run(OTHER), 0)
    state = run(RESCUE, None)
    for turn in range(1, UNDO_TRIES):
        leasing = service(world, state, 15 * turn)
        assert (leasing.verdict, leasing.checks, leasing.holder) == ("PENDING", turn, OTHER.id)
        state = replace(state, lease=leasing)
    assert refused(service(world, state, 15 * UNDO_TRIES))[0] == "SERVICE_BUSY"


def test_an_expiry_that_fires_during_a_cure_is_told_which_run_that_is(world: World) -> None:
    service(world, run(CURED), 0)
    expiry = replace(CURED, id="expire-1", mode="expire")
    assert "cure-1" in refused(service(world, run(expiry), 10))[1]


def test_the_second_of_two_expiries_that_fired_at_once_is_refused(world: World) -> None:
    first, second = (replace(CURED, id=name, mode="expire") for name in ("expire-1", "expire-2"))
    assert service(world, run(first), 0).verdict == "HELD"
    assert service(world, run(second), 0).verdict == "BUSY"


def test_a_role_that_an_ended_run_left_open_is_taken_over_all_the_same(world: World) -> None:
    """It is kept for seconds; what was left open there is the service's run's to undo."""
    left_open(world)
    role(world, run(INCIDENT_OF_WORKER), 1)
    assert role(world, run(OTHER), 100 + STRAGGLERS).verdict == "HELD"


def test_a_service_that_has_settled_still_waits_for_the_run_that_is_changing_its_role(world: World) -> None:
    role(world, run(OTHER), 0)
    settled = Restore("HEALTHY", 3, at(0), at(60), evidence=("settled",))
    state = run(replace(UNDO, role=OLD_ROLE), None)
    waiting = await_role(settled, state, world.leases, world.executions, at(61))
    assert (waiting.verdict, waiting.waits_for) == ("PENDING", OTHER.id)
    release_role(OLD_ROLE, OTHER.id, world.leases, at(62))
    assert await_role(settled, state, world.leases, world.executions, at(63)) == settled


def test_while_a_service_settles_its_role_is_left_to_others(world: World) -> None:
    settling = Restore("PENDING", 3, at(0), at(60), evidence=("1 of 2",))
    state = run(replace(UNDO, role=OLD_ROLE), None)
    assert await_role(settling, state, world.leases, world.executions, at(61)) == settling
    assert world.leases.held == {}
