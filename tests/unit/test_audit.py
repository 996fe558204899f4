"""Which of this tool's attachments are still there, and what is done about those that should not be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.audit.audit import audit_grants
from regrant.audit.found import Audit, AuditEvent
from regrant.audit.grants import judge_grants, look_at_grants
from regrant.errors import AwsRefused, AwsUnavailable, RegrantError
from regrant.model.aws import Attachments, Baseline, Execution
from regrant.model.journal import Hold, Lease
from regrant.model.run import Report
from regrant.settings import Settings
from tests.unit.fakes import (
    BACKEND_ROLE,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    WORKER,
    WORKER_ROLE,
    FakeExecutions,
    FakeRoles,
    World,
    at,
)
from tests.unit.run import end_of

HOUR = 3600
# Made at the incident's time for a day.
HOLD = Hold(
    RECEIVE,
    "run-1",
    str(WORKER),
    held_at=at(0),
    expires_at=at(24 * HOUR),
    why="alarm of the worker",
    attached_at=at(0),
)


@dataclass
class Attached(FakeRoles):
    """What is attached, by role; a role that is not listed is not there."""

    policies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failure: RegrantError | None = None
    refused: str | None = None
    """The only role with that failure, if not all have it."""

    def attachments(self, role: str, policies: tuple[str, ...] = ()) -> Attachments | None:
        if self.failure and self.refused in (None, role):
            raise self.failure
        on = self.policies.get(role)
        return None if on is None else Attachments("AROA", dict.fromkeys(on), trust=ROLE.trust)


@dataclass
class CountedRuns(FakeExecutions):
    heard: int = 0

    def start(self, name: str, given: Mapping[str, Any]) -> None:
        self.heard += 1
        super().start(name, given)


class Account(World):
    """What is attached and who holds it, as it is set up role by role."""

    def __init__(self) -> None:
        super().__init__()
        self.roles: Attached = Attached()
        self.executions: CountedRuns = CountedRuns()

    def has(self, role: str, *policies: str) -> Account:
        self.roles.policies[role] = policies
        return self

    def holding(self, role: str, *holds: Hold) -> Account:
        for hold in holds:
            self.holds.write(role, hold)
        return self

    def look(self, hours: float) -> Audit:
        return judge_grants(look_at_grants(self, at(hours * HOUR)), at(hours * HOUR))

    def audit(self, hours: float, *, dry_run: bool = False) -> Audit:
        return audit_grants(AuditEvent(at(hours * HOUR), dry_run), self)


def one(hold: Hold = HOLD) -> Account:
    return Account().has(OLD_ROLE, hold.policy).holding(OLD_ROLE, hold)


def test_a_grant_is_reported_with_its_age_its_owner_and_why() -> None:
    (grant,) = one().look(hours=5.25).grants
    assert (grant.role, grant.policy, grant.service) == (OLD_ROLE, RECEIVE, str(WORKER))
    assert (grant.incident, grant.why) == ("run-1", "alarm of the worker")
    assert (grant.held_at, grant.expires_at, grant.age_hours) == (at(0), at(24 * HOUR), 5.2)


@pytest.mark.parametrize(
    ("hours", "state"), [(0, "held"), (24, "held"), (25, "held"), (25.01, "overdue"), (9000, "overdue")]
)
def test_it_is_overdue_when_its_end_is_more_than_an_hour_ago(hours: float, state: str) -> None:
    (grant,) = one().look(hours).grants
    assert grant.state == state


def test_a_record_without_times_is_overdue_immediately_and_its_age_is_not_known() -> None:
    (grant,) = one(Hold(RECEIVE, "run-1", str(WORKER))).look(hours=0).grants
    assert (grant.state, grant.age_hours, grant.expires_at) == ("overdue", None, None)


def test_what_was_dropped_is_no_grant_any_more() -> None:
    account = one(replace(HOLD, dropped_at=at(9), dropped_by="undo-1"))
    assert account.look(hours=1).grants == ()


@pytest.mark.parametrize("hours", [1, 30])
def test_a_grant_that_is_absent_long_after_it_was_attached_was_taken_off_by_somebody(hours: float) -> None:
    (grant,) = Account().has(OLD_ROLE, SEND).holding(OLD_ROLE, HOLD).look(hours).grants
    assert (grant.state, grant.lost_at) == ("taken off by somebody", at(hours * HOUR))


def test_one_read_soon_after_it_was_attached_may_be_stale() -> None:
    account = Account().has(OLD_ROLE).holding(OLD_ROLE, HOLD)
    assert account.audit(hours=0.1).grants[0].state == "recorded but not attached"
    assert account.look(hours=0.15).grants[0].state == "taken off by somebody"


def test_what_is_attached_after_that_is_not_the_grant() -> None:
    account = Account().has(OLD_ROLE).holding(OLD_ROLE, HOLD)
    account.audit(hours=2)
    (grant,) = account.has(OLD_ROLE, RECEIVE).audit(hours=3).grants
    assert (grant.state, grant.lost_at) == ("taken off by somebody", at(2 * HOUR))
    assert account.audit(hours=26).expiries == () and account.look(hours=27).grants == ()


def test_a_role_that_is_gone_has_nothing_attached_and_the_others_are_looked_at() -> None:
    account = one().holding(WORKER_ROLE, replace(HOLD, incident="run-2"))
    assert [(g.role, g.state) for g in account.look(hours=1).grants] == [
        (WORKER_ROLE, "taken off by somebody"),
        (OLD_ROLE, "held"),
    ]


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchEntity"])
def test_a_role_that_cannot_be_read_keeps_no_other_from_its_end_and_is_notified_of_once(code: str) -> None:
    account = one().holding(BACKEND_ROLE, HOLD)
    account.roles.failure, account.roles.refused = AwsRefused(f"{code}: no", code), BACKEND_ROLE
    audit = account.audit(hours=26)
    assert [expiry.incident for expiry in audit.expiries] == ["run-1"]
    assert [(found.state, found.subject, found.why) for found in audit.neglected] == [
        ("role that cannot be read", BACKEND_ROLE, f"{code}: no")
    ]
    assert account.holds.of(BACKEND_ROLE) == (HOLD,)
    account.audit(hours=27)
    assert [subject for subject, _ in account.topic.sent].count("AUDIT 1 role that cannot be read") == 1


def test_a_look_shows_the_role_that_cannot_be_read() -> None:
    account = one()
    account.roles.failure, account.roles.refused = AwsRefused("denied", "AccessDenied"), BACKEND_ROLE
    assert [found.subject for found in account.audit(hours=1, dry_run=True).neglected] == [BACKEND_ROLE]


def test_what_cannot_be_read_is_no_clean_audit() -> None:
    failure = AwsUnavailable("throttled")
    account = one()
    account.roles.failure = failure
    with pytest.raises(type(failure)):
        account.look(hours=1)


def test_what_no_run_holds_is_only_counted_and_only_if_it_is_grantable() -> None:
    other = RECEIVE.replace("sqs-worker", "s3-reader")
    account = (
        one().has(OLD_ROLE, RECEIVE, SEND, other).has(BACKEND_ROLE, SEND, RECEIVE).has(WORKER_ROLE, other)
    )
    audit = account.look(hours=1)
    assert [grant.policy for grant in audit.grants] == [RECEIVE]
    assert audit.not_by_us == {BACKEND_ROLE: 2, OLD_ROLE: 1}


def test_the_most_urgent_comes_first() -> None:
    soon, later = replace(HOLD, incident="soon"), replace(HOLD, incident="later", expires_at=at(99 * HOUR))
    over = replace(HOLD, incident="over", expires_at=at(2 * HOUR))
    endless, gone = replace(HOLD, incident="endless", expires_at=None), replace(HOLD, policy=SEND)
    account = Account().has(OLD_ROLE, RECEIVE).holding(OLD_ROLE, soon, later, gone, over, endless)
    found = [grant.incident for grant in account.look(hours=4).grants]
    assert found == ["endless", "over", "run-1", "soon", "later"]


def test_where_all_is_well_nothing_is_started_and_nobody_is_notified() -> None:
    account = one().has(WORKER_ROLE, SEND)
    assert len(account.audit(hours=24.5).grants) == 1
    assert (account.executions.started, account.topic.sent) == ({}, [])


def test_an_overdue_incident_is_expired_once_however_much_it_holds() -> None:
    account = one().has(OLD_ROLE, RECEIVE, SEND).holding(OLD_ROLE, replace(HOLD, policy=SEND))
    (expiry,) = account.audit(hours=26).expiries
    assert account.executions.started == {expiry.execution: {"mode": "expire", "incident": "run-1"}}
    ((subject, message),) = account.topic.sent
    assert subject == "AUDIT 2 overdue"
    assert message.count(expiry.execution) == 2 and message.count("alarm of the worker") == 2


def test_an_event_that_is_delivered_twice_starts_no_second_run() -> None:
    account = one()
    for _ in range(2):
        account.audit(hours=26)
    assert (account.executions.heard, len(account.executions.started)) == (2, 1)


def test_the_next_hour_tries_again_what_is_still_there() -> None:
    account = one()
    names = {account.audit(hours).expiries[0].execution for hours in (26, 27)}
    assert set(account.executions.started) == names and len(names) == 2


@pytest.mark.parametrize("incident", ["r" * 80, "lauf-\u00fc!()'+=@"])
def test_the_run_has_a_name_that_every_log_takes(incident: str) -> None:
    (expiry,) = one(replace(HOLD, incident=incident)).audit(hours=26).expiries
    assert len(expiry.execution) <= 80 and set(expiry.execution) <= set("abcdefxpirT0123456789-")


@pytest.mark.parametrize("failure", [AwsRefused("denied", "AccessDenied"), AwsUnavailable("throttled")])
def test_an_expiry_that_cannot_be_started_keeps_no_other_from_it_and_is_reported(
    failure: AwsRefused | AwsUnavailable,
) -> None:
    account = one().holding(OLD_ROLE, replace(HOLD, incident="run-2"))
    account.executions.failure = failure
    audit = account.audit(hours=26)
    assert [(e.incident, e.error) for e in audit.expiries] == [
        ("run-1", str(failure)),
        ("run-2", str(failure)),
    ]
    ((_, message),) = account.topic.sent
    assert message.count(str(failure)) == 2


def test_no_expiry_is_started_of_a_service_whose_last_run_is_to_be_undone_first() -> None:
    """It would be refused each hour. That the run is to be undone is notified once, by the same audit."""
    account = one()
    account.journal.keep_baseline("run-9", Baseline(str(WORKER), ROLE, RUNNING, at(2)))
    lease = Lease(f"service/{WORKER}", "run-9", at(0), at(40_000), "run-9")
    account.leases.held[lease.resource] = lease
    given = json.dumps(end_of(name="run-8", input=json.dumps({"service": str(WORKER)})))
    account.executions.running["run-9"] = Execution("ABORTED", given, at(60))
    for hours in (26, 27, 28):
        (expiry,) = account.audit(hours).expiries
        assert (expiry.incident, expiry.execution) == ("run-1", "")
    assert account.executions.started == {}
    assert [subject for subject, _ in account.topic.sent] == [
        "AUDIT 1 overdue",
        "AUDIT 1 run without its undo",
    ]
    assert "Run run-9 ended without a report" in " ".join(account.topic.sent[0][1].split())
    account.journal.closed["run-9"] = an_end("run-9")
    assert [expiry.execution in account.executions.started for expiry in account.audit(29).expiries] == [True]


def an_end(run: str) -> Report:
    return Report(run, str(WORKER), "rollback", "ROLLED_BACK", (), (), None, None, (), "")


def test_whose_service_cannot_be_looked_at_is_expired_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise AwsUnavailable("throttled")

    account = one()
    monkeypatch.setattr(account.leases, "standing", fail)
    with pytest.raises(AwsUnavailable):
        account.audit(hours=26)
    assert len(account.executions.started) == 1


def test_a_grant_that_was_taken_off_is_reported_once_and_its_record_goes_at_its_time() -> None:
    account = Account().has(OLD_ROLE).holding(OLD_ROLE, HOLD)
    for hours in (2, 3, 4):
        assert account.audit(hours).expiries == ()
    ((subject, message),) = account.topic.sent
    assert subject == "AUDIT 1 taken off by somebody"
    assert '{"mode": "expire", "incident": "run-1"}' in message
    assert account.look(hours=5).grants[0].notices == 3
    assert account.audit(hours=26).expiries == ()
    assert account.look(hours=27).grants == () and account.executions.started == {}


def test_what_goes_on_is_counted_and_told_again_when_it_changes() -> None:
    account = one()
    for hours in (26, 27, 28):
        account.audit(hours)
    assert len(account.topic.sent) == 1 and account.look(hours=29).grants[0].notices == 3
    (hold,) = account.holds.of(OLD_ROLE)
    account.holds.write(OLD_ROLE, replace(hold, expiry=f"run expire-1 ended REFUSED (X) at {at(29 * HOUR)}"))
    account.audit(hours=29)
    assert "run expire-1 ended REFUSED (X)" in account.topic.sent[-1][1] and len(account.topic.sent) == 2


def test_an_end_that_is_far_off_when_it_is_told_is_announced_the_day_before() -> None:
    account = one(replace(HOLD, expires_at=at(80 * HOUR)))
    account.audit(hours=50)
    assert account.topic.sent == []
    for hours in (57, 58):
        account.audit(hours)
    ((subject, message),) = account.topic.sent
    assert subject == "ENDING 1 temporary grants" and at(80 * HOUR) in message


def test_an_end_of_the_next_day_was_told_when_the_grant_was_made() -> None:
    account = one()
    account.audit(hours=1)
    assert account.topic.sent == []


def test_outside_of_the_window_no_service_is_tried_without_its_grant() -> None:
    account = one()
    account.settings = Settings(
        {
            "EXPIRY_WINDOW": "MON-FRI 09:00-16:00",
            "ALARM_NAME_PREFIX": "regrant/",
            "CATALOGUE_PREFIX": "/c/",
            "JOURNAL_TABLE": "c-journal",
            "AWS_REGION": "us-east-1",
            "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:c-runbook",
        }
    )  # the 11th is a Tuesday, 21:52
    assert account.audit(hours=26).expiries == ()
    assert "ExpiryWindow" in account.topic.sent[0][1]
    assert [expiry.incident for expiry in account.audit(hours=36).expiries] == ["run-1"]


def test_a_run_that_is_about_to_attach_alarms_nobody() -> None:
    account = Account().has(OLD_ROLE).holding(OLD_ROLE, replace(HOLD, attached_at=None))
    (grant,) = account.audit(hours=0.5).grants
    assert (grant.state, account.topic.sent) == ("recorded but not attached", [])


def test_a_look_starts_nothing_and_notifies_nobody() -> None:
    account = one()
    (grant,) = account.audit(hours=26, dry_run=True).grants
    assert grant.state == "overdue"
    assert (account.executions.started, account.topic.sent) == ({}, [])


def test_a_message_stays_below_the_limit_of_a_message() -> None:
    many = [replace(HOLD, incident=f"run-{n:04}", why="\u00fc" * 5000) for n in range(400)]
    account = Account().has(OLD_ROLE, RECEIVE).holding(OLD_ROLE, *many)
    account.audit(hours=26)
    ((subject, message),) = account.topic.sent
    assert subject == "AUDIT 400 overdue"
    assert len(message.encode()) < 256 * 1024 and "And 350 more" in message
    assert len(account.executions.started) == 400
