"""The role and the service, each held by one run at a time: in turn, given back, taken over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.errors import AwsUnavailable
from regrant.leases import LIFE, STRAGGLERS, release_role, take_role, take_service
from regrant.model.aws import Baseline, Execution
from regrant.model.journal import Lease
from regrant.model.results import Health
from tests.unit.cure import enrol
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
from tests.unit.run import Run, contain, opened

OTHER = replace(INCIDENT_OF_WORKER, id="other-run", subject="other-run")
ROLE_LEASE, SERVICE_LEASE = f"role/{OLD_ROLE}", f"service/{WORKER}"


@pytest.fixture
def world() -> World:
    """The worker is enrolled."""
    world = World()
    enrol(world, WORKER)
    return world


def begun(world: World) -> Run:
    """The worker's containment, with its service."""
    return Run(world, opened(world, {"service": str(WORKER)}, name=INCIDENT), CONTAIN)


def test_two_runs_change_one_role_in_turn(world: World) -> None:
    assert take_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(0)) is None
    assert take_role(OLD_ROLE, OTHER, world, at(1)) == INCIDENT
    release_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(10))
    assert take_role(OLD_ROLE, OTHER, world, at(11)) is None
    # The first run comes back to undo, and waits in its turn.
    assert take_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(12)) == OTHER.id


def test_an_undo_takes_the_role_of_the_baseline(world: World) -> None:
    contain(world)
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(100)
    assert world.leases.held[ROLE_LEASE].owner == UNDO.id


def test_a_role_that_an_ended_run_left_open_is_taken_over_all_the_same(world: World) -> None:
    """It is kept for seconds; what was left open there is the service's run's to undo."""
    world.journal.keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    take_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(1))
    world.executions.ended[INCIDENT] = at(100)
    assert take_role(OLD_ROLE, OTHER, world, at(99 + STRAGGLERS)) == INCIDENT
    assert take_role(OLD_ROLE, OTHER, world, at(100 + STRAGGLERS)) is None


@pytest.mark.parametrize("known", [True, False], ids=["known", "forgotten by Step Functions"])
def test_a_service_that_an_ended_run_left_open_is_its_undos_after_any_time(world: World, known: bool) -> None:
    contain(world)
    world.leases.held[SERVICE_LEASE] = Lease(SERVICE_LEASE, INCIDENT, at(0), at(LIFE), INCIDENT)
    if known:
        world.executions.ended[INCIDENT] = at(100)
    late = LIFE + 100 * 24 * 3600
    other = opened(world, {"service": str(WORKER)}, late, started=late, name=OTHER.id)
    assert other.refusal and other.refusal.code == "SERVICE_BUSY"
    assert world.leases.held[SERVICE_LEASE].owner == INCIDENT
    given = {"mode": "rollback", "incident": INCIDENT}
    assert opened(world, given, late, started=late, name="undo-1").leased


def test_a_lease_that_has_expired_is_anybodys_where_nothing_was_left_open(world: World) -> None:
    world.executions.running["gone"] = Execution("RUNNING", "")
    for resource in (SERVICE_LEASE, ROLE_LEASE):
        world.leases.held[resource] = Lease(resource, "gone", at(0), at(LIFE), "gone")
    assert take_service(OTHER, world, at(LIFE - 1))
    assert take_service(OTHER, world, at(LIFE)) is None
    assert take_role(OLD_ROLE, OTHER, world, at(LIFE)) is None


def held(world: World) -> set[str]:
    """The leases that have not ended."""
    return {lease.resource for lease in world.leases.held.values() if lease.ends_at > at(1000)}


def proved(world: World) -> Run:
    """The containment, whose health was proved."""
    going = begun(world)
    going.capture()
    going.attach(3)
    going.redeploy()
    going.state = replace(going.state, health=Health("HEALTHY", at(200), "CLOSE", deployed_at=at(100)))
    return going


def test_a_role_is_given_back_as_soon_as_its_grant_is_recorded(world: World) -> None:
    going = begun(world)
    going.capture()
    assert held(world) == {SERVICE_LEASE, ROLE_LEASE}
    going.attach(3)
    assert held(world) == {SERVICE_LEASE}


def test_a_role_that_was_given_back_is_not_given_back_again(world: World) -> None:
    proved(world).close()
    assert world.leases.held[ROLE_LEASE].ends_at == at(3)


def test_a_service_is_given_back_with_the_report(world: World) -> None:
    proved(world).close(300)
    assert world.leases.held[SERVICE_LEASE].ends_at == at(300)


def test_a_run_that_ends_before_its_grant_gives_back_both(world: World) -> None:
    refused = begun(world)
    refused.capture()
    refused.close(300)
    assert {lease.ends_at for lease in world.leases.held.values()} == {at(300)}


def test_an_undo_gives_back_the_role_at_its_end(world: World) -> None:
    undone = proved(world)
    undone.undo(300)
    undone.confirm(350)
    assert held(world) == {SERVICE_LEASE, ROLE_LEASE}
    undone.close(360)
    assert held(world) == set()


def test_only_what_is_ours_is_given_back(world: World) -> None:
    begun(world)
    second = Run(world, opened(world, {"service": str(WORKER)}, 1, started=1, name=OTHER.id))
    second.close(2)
    assert world.leases.held[SERVICE_LEASE].owner == INCIDENT and SERVICE_LEASE in held(world)


def test_a_role_that_cannot_be_given_back_spoils_nothing(world: World) -> None:
    take_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(0))
    world.leases.failure = AwsUnavailable("throttled")
    release_role(OLD_ROLE, INCIDENT_OF_WORKER, world, at(2))
    assert held(world) == {ROLE_LEASE}
