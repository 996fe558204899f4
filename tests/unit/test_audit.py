"""Which of this tool's attachments are still there, and what is done about those that should not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from regrant.audit import Audit, AuditEvent, audit_grants, look
from regrant.errors import AwsRefused, AwsUnavailable, RegrantError
from regrant.model.journal import Hold
from tests.unit.fakes import (
    BACKEND_ROLE,
    OLD_ROLE,
    RECEIVE,
    SEND,
    WORKER,
    WORKER_ROLE,
    FakeExecutions,
    FakeRoles,
    World,
    at,
)

HOUR = 3600
# Made at the incident's time for a day.
HOLD = Hold(RECEIVE, "run-1", str(WORKER), held_at=at(0), expires_at=at(24 * HOUR), why="alarm of the worker")


@dataclass
class Attached(FakeRoles):
    """What is attached, by role; a role that is not listed is not there."""

    policies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failure: RegrantError | None = None

    def attached(self, role: str) -> tuple[str, ...]:
        if self.failure:
            raise self.failure
        if role not in self.policies:
            raise AwsRefused("The role cannot be found.", "NoSuchEntity")
        return self.policies[role]


@dataclass
class CountedRuns(FakeExecutions):
    heard: int = 0

    def start(self, name: str, given: Mapping[str, str]) -> None:
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
        return look(self, at(hours * HOUR))

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
def test_a_grant_that_somebody_detached_is_recorded_but_not_attached(hours: float) -> None:
    (grant,) = Account().has(OLD_ROLE, SEND).holding(OLD_ROLE, HOLD).look(hours).grants
    assert grant.state == "recorded but not attached"


def test_a_role_that_is_gone_has_nothing_attached_and_the_others_are_looked_at() -> None:
    account = one().holding(WORKER_ROLE, replace(HOLD, incident="run-2"))
    assert [(g.role, g.state) for g in account.look(hours=1).grants] == [
        (WORKER_ROLE, "recorded but not attached"),
        (OLD_ROLE, "held"),
    ]


@pytest.mark.parametrize("failure", [AwsRefused("denied", "AccessDenied"), AwsUnavailable("throttled")])
def test_what_cannot_be_read_is_no_clean_audit(failure: RegrantError) -> None:
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


def test_a_detached_grant_is_reported_and_its_record_ended_at_its_time() -> None:
    account = Account().has(OLD_ROLE).holding(OLD_ROLE, HOLD)
    assert account.audit(hours=2).expiries == ()
    ((subject, message),) = account.topic.sent
    assert subject == "AUDIT 1 recorded but not attached"
    assert '{"mode": "expire", "incident": "run-1"}' in message
    assert [expiry.incident for expiry in account.audit(hours=26).expiries] == ["run-1"]


def test_a_run_that_is_about_to_attach_alarms_nobody() -> None:
    account = Account().has(OLD_ROLE).holding(OLD_ROLE, HOLD)
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
