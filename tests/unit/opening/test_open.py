"""From whatever started the run to an incident with its service's entry, or with a refusal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable, RegrantError
from regrant.model.aws import Baseline
from regrant.model.journal import Change, LastOutcome, Lease, Outcome
from regrant.model.results import Health
from regrant.model.run import Incident, OpenEvent, RunState
from regrant.opening.open import UNDO_WAIT, open_incident
from tests.unit.cure import enrol
from tests.unit.fakes import (
    CLUSTER,
    ENTRY,
    INCIDENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    WORKER,
    FakeJournal,
    FakeLeases,
    World,
    at,
)
from tests.unit.run import end_of, opened

ATTACHED = Change("attach", OLD_ROLE, RECEIVE, intended_at=at(3), done_at=at(3))
CONTAIN = {"service": str(WORKER)}
UNDO = {"mode": "rollback", "incident": INCIDENT}
EXPIRE = {"mode": "expire", "incident": INCIDENT}
ALARM = {
    "account": "123456789012",
    "region": "us-east-1",
    "detail-type": "CloudWatch Alarm State Change",
    "detail": {"alarmName": f"regrant/{WORKER}", "state": {"value": "ALARM"}},
}


@pytest.fixture
def world() -> World:
    """The worker is enrolled."""
    world = World()
    enrol(world, WORKER)
    return world


def unenrolled() -> World:
    world = World()
    world.catalogue.parameters.clear()
    return world


def contained(world: World, *changes: Change) -> None:
    world.journal.keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    for change in changes:
        world.journal.intend(INCIDENT, change)


def code(incident: Incident) -> str | None:
    return incident.refusal.code if incident.refusal else None


def test_the_incident_is_named_after_the_execution(world: World) -> None:
    incident = opened(world, CONTAIN)
    assert (incident.id, incident.subject) == ("run-1", "run-1")
    assert incident.entry == ENTRY and incident.refusal is None


def test_the_incident_is_the_whole_state_of_the_run(world: World) -> None:
    """So nothing in an event can pass for the result of a later step."""
    state = open_incident(OpenEvent(CONTAIN, at(0), "run-1", at(0)), world)
    assert state == RunState(state.incident, health=Health("PENDING", at(0), checks=0))
    assert msgspec.convert(msgspec.to_builtins(state), RunState) == state


@pytest.mark.parametrize("mode", ["contain", "cure", "plan"])
def test_a_run_for_a_service_goes_on_to_its_diagnosis(mode: str, world: World) -> None:
    assert opened(world, CONTAIN | {"mode": mode}).next == "DIAGNOSE"


def test_an_expiry_goes_on_to_its_diagnosis(world: World) -> None:
    contained(world, ATTACHED)
    assert opened(world, EXPIRE).next == "DIAGNOSE"


def test_an_undo_goes_on_without_a_diagnosis(world: World) -> None:
    contained(world, ATTACHED)
    assert opened(world, UNDO).next == "UNDO"


def test_a_run_has_its_service_to_itself(world: World) -> None:
    assert opened(world, CONTAIN).leased
    assert world.leases.held[f"service/{WORKER}"].owner == "run-1"


def test_a_dry_run_takes_no_lease(world: World) -> None:
    assert not opened(world, CONTAIN | {"mode": "plan"}).leased
    assert world.leases.held == {}


@pytest.mark.parametrize(
    "given", [{"service": "everything"}, {"service": f"{CLUSTER}/stranger"}, UNDO, EXPIRE]
)
def test_what_is_refused_takes_no_lease_and_is_closed(given: object, world: World) -> None:
    incident = opened(world, given)
    assert (incident.next, incident.leased, world.leases.held) == ("CLOSE", False, {})


def test_the_incident_was_opened_when_the_execution_started(world: World) -> None:
    """However often the step is repeated until the service is free."""
    assert opened(world, CONTAIN, 90, started=15).opened_at == at(15)


def test_a_refused_input_is_an_incident_with_a_refusal(world: World) -> None:
    incident = opened(world, {"service": "everything"})
    assert code(incident) == "INVALID_INPUT"
    assert incident.service is None and incident.entry is None


def test_a_service_that_is_not_enrolled_is_named_in_the_refused_incident() -> None:
    incident = opened(unenrolled(), CONTAIN)
    assert (code(incident), incident.service) == ("NOT_ENROLLED", WORKER)


def test_an_undo_finds_its_service_and_its_role_in_the_journal(world: World) -> None:
    contained(world, ATTACHED)
    incident = opened(world, UNDO)
    assert (incident.id, incident.subject, incident.mode) == ("run-1", INCIDENT, "rollback")
    assert (incident.service, incident.role, incident.refusal) == (WORKER, OLD_ROLE, None)


def test_an_undo_needs_no_catalogue_entry() -> None:
    world = unenrolled()
    contained(world, ATTACHED)
    assert opened(world, UNDO).refusal is None


def test_an_incident_without_a_baseline_is_unknown(world: World) -> None:
    refusal = opened(world, UNDO).refusal
    assert refusal is not None and (refusal.code, refusal.outcome) == ("UNKNOWN_INCIDENT", "REFUSED")


def test_an_incident_that_is_undone_may_be_undone_again_for_its_receipt(world: World) -> None:
    contained(world, replace(ATTACHED, undone_at=at(9)))
    assert opened(world, UNDO).refusal is None


def test_an_incident_that_only_intended_is_undone(world: World) -> None:
    contained(world, replace(ATTACHED, done_at=None))
    assert opened(world, UNDO).refusal is None


def last(outcome: Outcome, seconds_ago: float, world: World) -> None:
    world.journal.last[str(WORKER)] = LastOutcome(INCIDENT, outcome, at(-seconds_ago))


@pytest.mark.parametrize("outcome", ["ROLLED_BACK", "ROLLBACK_INCOMPLETE"])
def test_an_alarm_does_not_try_again_what_was_just_undone(outcome: Outcome, world: World) -> None:
    last(outcome, 3600, world)
    incident = opened(world, ALARM)
    assert (code(incident), incident.leased, world.leases.held) == ("RECENTLY_UNDONE", False, {})


def test_a_person_may_try_again_immediately(world: World) -> None:
    last("ROLLED_BACK", 60, world)
    assert opened(world, CONTAIN).refusal is None


def test_an_alarm_tries_again_a_day_later(world: World) -> None:
    last("ROLLED_BACK", 24 * 3600 + 1, world)
    assert opened(world, ALARM).refusal is None


def test_an_alarm_after_a_fix_that_held_starts_a_run(world: World) -> None:
    last("CONTAINED", 60, world)
    assert opened(world, ALARM).refusal is None


def test_an_expiry_is_a_run_of_its_own_for_the_role_of_the_grant(world: World) -> None:
    contained(world, ATTACHED)
    incident = opened(world, EXPIRE)
    assert (incident.id, incident.subject, incident.expires) == ("run-1", "run-1", INCIDENT)
    assert (incident.role, incident.service, incident.entry) == (OLD_ROLE, WORKER, ENTRY)


def test_the_grant_of_a_service_that_is_not_enrolled_any_more_ends_all_the_same() -> None:
    world = unenrolled()
    contained(world, ATTACHED)
    incident = opened(world, EXPIRE)
    assert (incident.refusal, incident.entry, incident.service) == (None, None, WORKER)


def test_an_expiry_of_an_incident_that_is_not_known_is_refused(world: World) -> None:
    assert code(opened(world, EXPIRE)) == "UNKNOWN_INCIDENT"


@pytest.mark.parametrize("mode", ["cure", "contain", "plan"])
def test_a_cure_takes_a_service_and_no_incident(mode: str, world: World) -> None:
    assert code(opened(world, {"mode": mode, "incident": INCIDENT})) == "INVALID_INPUT"


class Unreadable(FakeJournal):
    def load(self, incident: str) -> Any:
        raise AwsUnavailable("Rate exceeded")


class Unwritable(FakeLeases):
    def __init__(self, error: RegrantError) -> None:
        super().__init__()
        self.error = error

    def take(self, lease: Lease, now: str, instead_of: str | None = None) -> Lease:
        raise self.error


def unleasable(error: RegrantError) -> World:
    """The worker was contained, and no lease can be taken now."""
    world = World()
    enrol(world, WORKER)
    contained(world, ATTACHED)
    world.leases = Unwritable(error)
    return world


def unreadable() -> World:
    world = World()
    world.journal = Unreadable()
    return world


THROTTLED = AwsUnavailable("Rate exceeded")
DENIED = AwsRefused("no access to the table", "AccessDeniedException")


@pytest.mark.parametrize("given", [UNDO, end_of(INCIDENT)], ids=["a person's", "an event's"])
def test_an_undo_waits_for_aws_for_an_hour(given: object) -> None:
    for world in (unreadable(), unleasable(THROTTLED)):
        incident = opened(world, given, UNDO_WAIT - 1)
        assert (incident.next, incident.leased, incident.refusal) == ("WAIT", False, None)


def test_an_undo_gives_up_on_aws_after_an_hour() -> None:
    for world in (unreadable(), unleasable(THROTTLED)):
        with pytest.raises(AwsUnavailable):
            opened(world, UNDO, UNDO_WAIT)


@pytest.mark.parametrize("given", [CONTAIN, CONTAIN | {"mode": "cure"}, EXPIRE])
def test_a_run_that_has_changed_nothing_does_not_wait_for_aws(given: object) -> None:
    with pytest.raises(AwsUnavailable):
        opened(unleasable(THROTTLED), given)


def test_an_undo_whose_lease_aws_refuses_pages_a_person() -> None:
    incident = opened(unleasable(DENIED), UNDO)
    assert (incident.next, code(incident)) == ("PAGE", "LEASE_REFUSED")
    assert incident.refusal is not None and "no access to the table" in incident.refusal.message


def test_a_lease_that_aws_refuses_ends_any_other_run() -> None:
    with pytest.raises(AwsRefused):
        opened(unleasable(DENIED), CONTAIN)
