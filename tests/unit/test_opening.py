"""From whatever started the run to an incident with its service's entry, or with a refusal."""

import msgspec
import pytest
from msgspec.structs import replace

from regrant.model.aws import Baseline
from regrant.model.journal import Change, LastOutcome, Outcome
from regrant.model.run import Incident, OpenEvent
from regrant.opening.open import open_incident
from tests.unit.fakes import (
    ENTRY,
    INCIDENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    SETTINGS,
    WORKER,
    FakeCatalogue,
    FakeJournal,
    FakeServices,
    at,
)

ATTACHED = Change("attach", OLD_ROLE, RECEIVE, intended_at=at(3), done_at=at(3))
UNDO = {"mode": "rollback", "incident": INCIDENT}


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


def opened(
    raw: object, journal: FakeJournal, *, enrolled: bool = True, services: FakeServices | None = None
) -> Incident:
    catalogue = FakeCatalogue({WORKER: msgspec.json.encode(ENTRY).decode()} if enrolled else {})
    event = OpenEvent(raw, at(0), "run-1")
    return open_incident(event, catalogue, services or FakeServices(), journal, SETTINGS)


def contained(journal: FakeJournal, *changes: Change) -> None:
    journal.keep_baseline(INCIDENT, Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    for change in changes:
        journal.intend(INCIDENT, change)


def test_the_incident_is_named_after_the_execution(journal: FakeJournal) -> None:
    incident = opened({"service": str(WORKER)}, journal)
    assert (incident.id, incident.subject, incident.opened_at) == ("run-1", "run-1", at(0))
    assert incident.entry == ENTRY and incident.refusal is None


def test_a_refused_input_is_an_incident_with_a_refusal(journal: FakeJournal) -> None:
    incident = opened({"service": "everything"}, journal)
    assert incident.refusal is not None and incident.refusal.code == "INVALID_INPUT"
    assert incident.service is None and incident.entry is None


def test_a_service_that_is_not_enrolled_is_named_in_the_refused_incident(journal: FakeJournal) -> None:
    incident = opened({"service": str(WORKER)}, journal, enrolled=False)
    assert incident.refusal is not None and incident.refusal.code == "NOT_ENROLLED"
    assert incident.service == WORKER


def test_an_undo_finds_its_service_in_the_journal(journal: FakeJournal) -> None:
    contained(journal, ATTACHED)
    incident = opened(UNDO, journal)
    assert (incident.id, incident.subject, incident.mode) == ("run-1", INCIDENT, "rollback")
    assert incident.service == WORKER and incident.refusal is None


def test_an_undo_needs_no_catalogue_entry(journal: FakeJournal) -> None:
    contained(journal, ATTACHED)
    assert opened(UNDO, journal, enrolled=False).refusal is None


def test_an_incident_without_a_baseline_is_unknown(journal: FakeJournal) -> None:
    refusal = opened(UNDO, journal).refusal
    assert refusal is not None and (refusal.code, refusal.outcome) == ("UNKNOWN_INCIDENT", "REFUSED")


def test_an_incident_that_is_undone_may_be_undone_again_for_its_receipt(journal: FakeJournal) -> None:
    contained(journal, replace(ATTACHED, undone_at=at(9)))
    assert opened(UNDO, journal).refusal is None


def test_an_incident_that_only_intended_is_undone(journal: FakeJournal) -> None:
    contained(journal, replace(ATTACHED, done_at=None))
    assert opened(UNDO, journal).refusal is None


ALARM = {
    "detail-type": "CloudWatch Alarm State Change",
    "detail": {"alarmName": f"regrant/{WORKER}", "state": {"value": "ALARM"}},
}


def last(outcome: Outcome, seconds_ago: float, journal: FakeJournal) -> None:
    journal.last[str(WORKER)] = LastOutcome(INCIDENT, outcome, at(-seconds_ago))


@pytest.mark.parametrize("outcome", ["ROLLED_BACK", "ROLLBACK_INCOMPLETE"])
def test_an_alarm_does_not_try_again_what_was_just_undone(outcome: Outcome, journal: FakeJournal) -> None:
    last(outcome, 3600, journal)
    incident = opened(ALARM, journal)
    assert incident.refusal is not None and incident.refusal.code == "RECENTLY_UNDONE"


def test_a_person_may_try_again_at_once(journal: FakeJournal) -> None:
    last("ROLLED_BACK", 60, journal)
    assert opened({"service": str(WORKER)}, journal).refusal is None


def test_an_alarm_tries_again_a_day_later(journal: FakeJournal) -> None:
    last("ROLLED_BACK", 24 * 3600 + 1, journal)
    assert opened(ALARM, journal).refusal is None


def test_an_alarm_after_a_fix_that_held_starts_a_run(journal: FakeJournal) -> None:
    last("CONTAINED", 60, journal)
    assert opened(ALARM, journal).refusal is None


EXPIRE = {"mode": "expire", "incident": INCIDENT}


def test_an_expiry_is_a_run_of_its_own_for_the_role_of_the_grant(journal: FakeJournal) -> None:
    contained(journal, ATTACHED)
    incident = opened(EXPIRE, journal)
    assert (incident.id, incident.subject, incident.expires) == ("run-1", "run-1", INCIDENT)
    assert (incident.role, incident.service, incident.entry) == (OLD_ROLE, WORKER, ENTRY)


def test_the_grant_of_a_service_that_is_not_enrolled_any_more_ends_all_the_same(journal: FakeJournal) -> None:
    contained(journal, ATTACHED)
    incident = opened(EXPIRE, journal, enrolled=False)
    assert (incident.refusal, incident.entry, incident.service) == (None, None, WORKER)


def test_an_expiry_of_an_incident_that_is_not_known_is_refused(journal: FakeJournal) -> None:
    refusal = opened(EXPIRE, journal).refusal
    assert refusal is not None and refusal.code == "UNKNOWN_INCIDENT"


@pytest.mark.parametrize("mode", ["cure", "contain", "plan"])
def test_a_cure_takes_a_service_and_no_incident(mode: str, journal: FakeJournal) -> None:
    refusal = opened({"mode": mode, "incident": INCIDENT}, journal).refusal
    assert refusal is not None and refusal.code == "INVALID_INPUT"
