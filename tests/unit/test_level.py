"""What the audit finds neglected: alarms, ended runs and pages, as they are and not as events came."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from regrant.audit.audit import audit_grants
from regrant.audit.found import AuditEvent, Neglected
from regrant.errors import UNREADABLE, AwsRefused, AwsUnavailable
from regrant.model.aws import Execution, FiringAlarm
from regrant.model.catalogue import Service
from regrant.model.journal import Hold, LastOutcome, Lease, Refusals, RefusedCause
from regrant.model.run import CloseEvent, Finding, Report, RunState, Stage
from regrant.opening.trigger import read_trigger
from regrant.refusals import digest_of_entry
from regrant.report.close import close_incident
from regrant.settings import Allowed
from tests.unit.cure import enrol
from tests.unit.fakes import (
    CLUSTER,
    ENTRY,
    INCIDENT,
    OLD_ROLE,
    RECEIVE,
    SETTINGS,
    WORKER,
    FakeTopic,
    World,
    at,
)
from tests.unit.run import contain, end_of, opened, sent

HOUR = 3600
NAME = f"regrant/{WORKER}"
FIRING = FiringAlarm(NAME, since=at(0))
SERVICE = f"service/{WORKER}"
OTHER = Service(CLUSTER, "retainwise-other")


def firing(*alarms: FiringAlarm) -> World:
    world = World()
    world.alarms.in_alarm = alarms or (FIRING,)
    return world


def audit(world: World, hours: float = 1, *, dry_run: bool = False) -> tuple[Neglected, ...]:
    return audit_grants(AuditEvent(at(hours * HOUR), dry_run), world).neglected


def held(world: World, owner: str, status: str = "RUNNING", ended: float | None = None) -> World:
    world.leases.held[SERVICE] = Lease(SERVICE, owner, at(0), at(37_000), owner)
    ended_at = None if ended is None else at(ended)
    world.executions.running[owner] = Execution(status, '{"service": "c/s"}', ended_at)
    return world


def refused(world: World, code: str, seconds: float = 0, *, notified: bool = True) -> World:
    cause = RefusedCause(
        code,
        digest_of_entry(ENTRY),
        first=at(seconds),
        last=at(seconds),
        outcome="NOTHING_TO_FIX" if code == "NO_DENIAL" else "REFUSED",
        notified_at=at(seconds) if notified else None,
    )
    world.journal.refused[WORKER] = Refusals((cause,), version=1)
    return world


# Alarms


def test_an_alarm_that_no_run_works_on_starts_one_as_its_event_would() -> None:
    world = firing()
    (found,) = audit(world)
    assert (found.state, found.subject, found.service) == ("alarm without a run", NAME, str(WORKER))
    ((name, given),) = world.executions.started.items()
    assert found.execution == name and name.startswith("audit-20251111T22-")
    request = read_trigger(json.loads(json.dumps(given)), SETTINGS, Allowed)
    assert (request.refusal, request.service, request.automatic, request.mode) == (
        None,
        WORKER,
        True,
        "contain",
    )
    assert request.trigger == f"the audit, for alarm {NAME} at {at(0)}"


def test_that_is_notified_once_however_many_hours_it_goes_on() -> None:
    world = firing()
    for hours in (1, 2, 3):
        audit(world, hours)
    assert len(world.executions.started) == 3
    ((subject, message),) = world.topic.sent
    assert subject == "AUDIT 1 alarm without a run" and NAME in message
    world.alarms.in_alarm = (replace(FIRING, since=at(4 * HOUR)),)
    audit(world, 5)
    assert len(world.topic.sent) == 2


def test_one_hour_starts_one_run_of_a_service() -> None:
    world = firing()
    assert audit(world, 1) == audit(world, 1)
    assert len(world.executions.started) == 1


@pytest.mark.parametrize(
    "alarm",
    [
        replace(FIRING, since=at(HOUR - 500)),
        replace(FIRING, suppressed_by="Alarm", composite=True),
        replace(FIRING, suppressed_by="ExtensionPeriod", composite=True),
        replace(FIRING, name=f"regrant/{CLUSTER}/nobody-enrolled"),
        replace(FIRING, name="regrant/no-service"),
        replace(FIRING, name=f"other/{WORKER}"),
    ],
    ids=lambda alarm: f"{alarm.name} {alarm.since} {alarm.suppressed_by}",
)
def test_another_alarm_starts_nothing(alarm: FiringAlarm) -> None:
    world = firing(alarm)
    assert (audit(world), world.executions.started, world.topic.sent) == ((), {}, [])


def test_a_look_starts_nothing_and_notifies_nobody() -> None:
    world = firing()
    (found,) = audit(world, dry_run=True)
    assert (found.state, found.execution) == ("alarm without a run", None)
    assert (world.executions.started, world.topic.sent, world.notices.noted) == ({}, [], {})


def test_while_a_run_works_on_the_service_there_is_nothing_to_start() -> None:
    world = held(firing(), "run-1")
    assert (audit(world), world.executions.started) == ((), {})


def test_a_lease_of_a_run_that_has_reported_is_in_nobodys_way() -> None:
    world = held(firing(), "run-1", "SUCCEEDED", ended=60)
    assert len(audit(world)) == len(world.executions.started) == 1


@pytest.mark.parametrize(("minutes", "started"), [(5, 0), (15, 1)])
def test_what_was_only_just_repaired_gets_time_to_show_it(minutes: float, started: int) -> None:
    world = firing()
    world.journal.last[str(WORKER)] = LastOutcome("run-1", "CONTAINED", at(HOUR - 60 * minutes))
    audit(world)
    assert len(world.executions.started) == started


def test_what_was_undone_a_while_ago_is_held_back_as_for_an_event() -> None:
    world = firing()
    world.journal.last[str(WORKER)] = LastOutcome("run-1", "ROLLED_BACK", at(0))
    (found,) = audit(world, 5)
    assert (found.waits, found.execution, world.topic.sent) == (True, None, [])
    assert found.why.startswith("RECENTLY_UNDONE")
    assert audit(world, 25)[0].execution in world.executions.started


def test_after_an_undo_the_audit_starts_the_run_that_says_what_is_held_back_and_then_keeps_looking() -> None:
    """The alarm sends no second event, and the service may lack something else by now."""
    world = firing()
    known = {f"{OLD_ROLE} {RECEIVE}": at(0)}
    world.journal.last[str(WORKER)] = LastOutcome("run-1", "ROLLED_BACK", at(0), undone=known)
    (found,) = audit(world, 1)
    assert found.execution in world.executions.started and len(world.topic.sent) == 1
    refused(world, "RECENTLY_UNDONE", HOUR)
    assert audit(world, 2)[0].execution in world.executions.started
    assert len(world.topic.sent) == 1


def test_a_refusal_that_stands_waits_for_a_person_for_a_day_or_until_the_entry_is_another() -> None:
    world = refused(firing(), "NOT_DECLARED")
    (found,) = audit(world, 5)
    assert (found.waits, found.execution) == (True, None) and found.why.startswith("NOT_DECLARED")
    assert (world.executions.started, world.topic.sent) == ({}, [])
    entry = json.loads(world.catalogue.parameters[WORKER]) | {"redeploy": "never"}
    world.catalogue.parameters[WORKER] = json.dumps(entry)
    assert audit(world, 6)[0].execution in world.executions.started
    assert audit(refused(firing(), "NOT_DECLARED"), 24)[0].execution


@pytest.mark.parametrize("code", ["DEPLOYMENT_IN_FLIGHT", "SERVICE_BUSY", "ACCOUNT_MOVING", "ROLE_BUSY"])
def test_a_refusal_that_passes_is_tried_again_by_the_next_audit(code: str) -> None:
    world = refused(firing(), code)
    audit(world)
    assert len(world.executions.started) == 1


def test_a_refusal_that_nobody_was_notified_of_is_tried_again() -> None:
    world = refused(firing(), "NOT_DECLARED", notified=False)
    assert audit(world)[0].execution in world.executions.started


@pytest.mark.parametrize(("seconds", "messages"), [(60, 0), (0, 0), (-60, 1)])
def test_an_alarm_over_something_harmless_makes_one_run_an_hour_and_no_message(
    seconds: float, messages: int
) -> None:
    """The alarm may be of something else by then. What a run found before the alarm is no answer to it."""
    world = refused(firing(), "NO_DENIAL", seconds)
    for hours in (1, 1, 2, 3):
        audit(world, hours)
    assert (len(world.executions.started), len(world.topic.sent)) == (3, messages)
    world.executions.failure = AwsRefused("denied")
    audit(world, 4)
    assert len(world.topic.sent) == messages + 1


@pytest.mark.parametrize(
    ("code", "apart", "notified", "messages"),
    [
        ("SERVICE_BUSY", HOUR, True, 1),
        ("DEPLOYMENT_IN_FLIGHT", HOUR, True, 1),
        ("SERVICE_BUSY", HOUR, False, 4),
        ("SERVICE_BUSY", 2 * HOUR, True, 4),
    ],
    ids=["it goes on", "so does a deployment", "nobody heard of it", "each time is another incident"],
)
def test_an_alarm_that_flaps_while_something_keeps_its_service_is_notified_once(
    code: str, apart: float, notified: bool, messages: int
) -> None:
    """Another alarm each time, and each time its own run was refused a minute later."""
    world = World()
    for number in range(4):
        since = number * apart
        refused(world, code, since + 60, notified=notified)
        (cause,) = world.journal.refused[WORKER].causes
        before = at(since + 60 - apart) if number else None
        world.journal.refused[WORKER] = Refusals((replace(cause, before=before),), version=1)
        world.alarms.in_alarm = (replace(FIRING, since=at(since)),)
        audit(world, since / HOUR + 0.5)
    assert len(world.executions.started) == 4
    assert len(world.topic.sent) == messages


def test_where_the_rule_of_the_alarms_is_disabled_the_audit_starts_none() -> None:
    world = firing()
    world.alarms.switched_on = False
    (found,) = audit(world)
    assert (found.waits, world.executions.started, world.topic.sent) == (True, {}, [])
    assert "regrant-alarm is disabled" in found.why


@pytest.mark.parametrize("failure", [AwsRefused("denied"), AwsUnavailable("throttled")])
def test_what_cannot_be_started_is_notified_and_tried_again(failure: AwsRefused | AwsUnavailable) -> None:
    world = firing()
    world.executions.failure = failure
    (found,) = audit(world)
    assert (found.error, found.execution) == (str(failure), None)
    assert str(failure) in world.topic.sent[0][1]
    audit(world, 2)
    assert len(world.topic.sent) == 1
    world.executions.failure = None
    audit(world, 3)
    assert (len(world.executions.started), len(world.topic.sent)) == (1, 2)


# Runs that ended


def left_behind(status: str = "ABORTED", ended: float = 60) -> World:
    """The worker's containment ended before it reported, and no event of that came."""
    world = World()
    contain(world)
    return held(world, INCIDENT, status, ended)


def test_a_run_that_ended_without_a_report_is_undone_as_by_the_event_of_its_end() -> None:
    world = left_behind()
    (found,) = audit(world)
    assert (found.state, found.subject, found.since) == ("run without its undo", INCIDENT, at(60))
    ((name, given),) = world.executions.started.items()
    assert found.execution == name and name.startswith("undo-20251111-")
    undo = opened(world, dict(given), HOUR + 61, started=HOUR, name=name)
    assert (undo.refusal, undo.next, undo.subject, undo.leased) == (None, "UNDO", INCIDENT, True)
    assert undo.trigger.endswith("found by the audit")
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 1 run without its undo"]


def test_the_same_undo_is_started_once_a_day_and_notified_once() -> None:
    world = left_behind()
    for hours in (1, 2, 2, 26):
        audit(world, hours)
    undos = sorted(name.rpartition("-")[0] for name in world.executions.started if name.startswith("undo"))
    assert undos == ["undo-20251111", "undo-20251112"]
    assert [subject for subject, _ in world.topic.sent].count("AUDIT 1 run without its undo") == 1


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (left_behind(ended=HOUR - 600), "the event may be on its way"),
        (held(World(), "run-1", "ABORTED", ended=60), "it had changed nothing"),
        (held(World(), "run-1"), "it goes on"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_another_run_is_not_undone(world: World, why: str) -> None:
    assert (audit(world), world.executions.started) == ((), {}), why


def test_a_run_that_has_reported_is_not_undone() -> None:
    world = left_behind("SUCCEEDED")
    world.journal.closed[INCIDENT] = report()
    assert (audit(world), world.executions.started) == ((), {})


def test_an_undo_that_has_begun_has_the_lease_and_needs_no_other() -> None:
    world = held(left_behind(), "undo-1")
    assert (audit(world, 5), world.executions.started) == ((), {})


@pytest.mark.parametrize(("hours", "started"), [(0.5, 0), (1.5, 0), (2, 1)])
def test_a_run_that_step_functions_does_not_know_long_after_is_undone_too(hours: float, started: int) -> None:
    world = left_behind()
    world.executions.running.clear()
    audit(world, hours)
    assert len(world.executions.started) == started


def test_what_is_started_for_an_unknown_run_gets_its_service() -> None:
    world = left_behind()
    world.executions.running.clear()
    audit(world, 2)
    ((name, given),) = world.executions.started.items()
    assert opened(world, dict(given), 2 * HOUR, started=2 * HOUR, name=name).next == "UNDO"


@pytest.mark.parametrize("read", ["last_outcome", "refusals", "load"])
def test_what_cannot_be_read_of_one_service_keeps_no_other_from_its_undo(read: str) -> None:
    world = left_behind()
    enrol(world, OTHER)
    world.alarms.in_alarm = (FiringAlarm(f"regrant/{OTHER}", since=at(0)),)
    other = getattr(world.journal, read)

    def bad_for_another(key: object) -> object:
        if key in (OTHER, "made-up"):
            raise AwsRefused("It cannot be read.", UNREADABLE)
        return other(key)

    if read == "load":
        theirs = f"service/{OTHER}"
        world.leases.held[theirs] = Lease(theirs, "made-up", at(0), at(37_000), "made-up")
        world.executions.running["made-up"] = Execution("FAILED", "{}", at(1))
    setattr(world.journal, read, bad_for_another)
    with pytest.raises(AwsRefused, match="cannot be read"):  # so that the failed audit is seen
        audit(world)
    assert any(name.startswith("undo-") for name in world.executions.started)


def test_of_an_unknown_undo_the_lease_says_what_it_was_to_undo() -> None:
    world = left_behind()
    world.leases.held[SERVICE] = Lease(SERVICE, "undo-1", at(0), at(37_000), INCIDENT)
    world.executions.running.clear()
    audit(world, 2)
    (given,) = world.executions.started.values()
    assert opened(world, dict(given), 2 * HOUR, started=2 * HOUR, name="again").subject == INCIDENT


@pytest.mark.parametrize(
    ("owner", "given"),
    [("undo-1", {"mode": "rollback", "incident": INCIDENT}), (INCIDENT, {"service": str(WORKER)})],
    ids=["of an undo", "of the run itself"],
)
def test_an_input_too_long_to_start_a_run_with_is_left_out_and_the_lease_says_what_to_undo(
    owner: str, given: dict[str, str]
) -> None:
    world = left_behind()
    given = given | {"why": '"' * 100_000}
    world.leases.held[SERVICE] = Lease(SERVICE, owner, at(0), at(37_000), INCIDENT)
    world.executions.running[owner] = Execution("FAILED", json.dumps(given), at(60))
    audit(world)
    (started,) = world.executions.started.values()
    assert len(json.dumps(started)) < 256 * 1024
    undo = opened(world, json.loads(json.dumps(started)), 2 * HOUR, started=2 * HOUR, name="again")
    assert (undo.refusal, undo.subject) == (None, INCIDENT)


def test_a_lease_that_has_expired_meanwhile_is_still_looked_at() -> None:
    world = left_behind()
    audit(world, 20)
    assert len(world.executions.started) == 1


def test_a_service_that_is_not_enrolled_any_more_is_found_by_its_role() -> None:
    world = left_behind()
    world.catalogue.parameters.clear()
    assert audit(world) == ()  # nothing says that there was such a service
    role = f"role/{OLD_ROLE}"
    world.leases.held[role] = replace(world.leases.held[SERVICE], resource=role)
    (found,) = audit(world)
    assert (found.service, found.execution in world.executions.started) == (str(WORKER), True)


def test_an_undo_that_a_person_stopped_stays_stopped_and_is_notified_of_once() -> None:
    world = left_behind()
    lease = Lease(SERVICE, "undo-1", at(0), at(37_000), INCIDENT)
    world.leases.held[SERVICE] = lease
    world.executions.running["undo-1"] = Execution("ABORTED", json.dumps(end_of()), at(60))
    for hours in (1, 2):
        (found,) = audit(world, hours)
        assert found.waits and "was itself an undo" in found.why
    ((subject, text),) = world.topic.sent
    assert (world.executions.started, subject) == ({}, "AUDIT 1 run without its undo")
    assert f'"incident": "{INCIDENT}"' in " ".join(text.split()) and "a person's to undo" in text


def test_an_undo_that_a_person_stopped_before_it_had_the_lease_stays_stopped_too() -> None:
    world = left_behind()
    event = end_of(name="undo-1", input=json.dumps(end_of()))
    refused = opened(world, event, 90, started=90, name="late")
    assert (refused.refusal and refused.refusal.code, refused.subject) == ("UNDO_STOPPED", INCIDENT)
    close_incident(CloseEvent(msgspec.to_builtins(RunState(refused)), at(95), {}, "late"), world, sent)
    world.topic = FakeTopic()
    for hours in (1, 2):
        (found,) = audit(world, hours)
        assert found.waits and f'"incident": "{INCIDENT}"' in found.why
    assert world.executions.started == {}
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 1 run without its undo"]


def test_an_undo_that_was_begun_again_after_that_and_died_is_the_audits_again() -> None:
    world = left_behind()
    world.notices.note(f"stopped/{INCIDENT}", at(95))
    world.leases.held[SERVICE] = Lease(SERVICE, "by-hand", at(200), at(37_000), INCIDENT)
    given = json.dumps({"mode": "rollback", "incident": INCIDENT})
    world.executions.running["by-hand"] = Execution("FAILED", given, at(300))
    (found,) = audit(world)
    assert found.execution in world.executions.started


def test_while_a_run_is_to_be_undone_its_alarm_starts_no_other() -> None:
    world = left_behind()
    world.alarms.in_alarm = (FIRING,)
    assert [found.state for found in audit(world)] == ["run without its undo"]


# Pages


def report(*codes: str) -> Report:
    return Report(
        INCIDENT,
        str(WORKER),
        "rollback",
        "ROLLBACK_INCOMPLETE",
        tuple(Finding(code, code) for code in codes),
        (),
        None,
        None,
        (Stage("total", 1.0),),
        "Detach it.",
    )


def unpaged(*codes: str) -> World:
    world = World()
    world.journal.last[str(WORKER)] = LastOutcome(INCIDENT, "ROLLBACK_INCOMPLETE", at(0))
    world.journal.closed[INCIDENT] = report(*codes)
    return world


def test_a_page_that_was_not_sent_is_sent_once() -> None:
    world = unpaged("TRIGGER", "NOT_NOTIFIED")
    (found,) = audit(world)
    assert (found.state, found.subject) == ("undo without its page", INCIDENT)
    ((subject, message),) = world.topic.sent
    assert subject == f"ROLLBACK_INCOMPLETE {WORKER}"
    assert "the audit has sent it" in message and "Detach it." in message and "NOT_NOTIFIED" not in message
    assert (audit(world, 2), len(world.topic.sent)) == ((), 1)


@pytest.mark.parametrize(("minutes", "sent"), [(5, 0), (27, 0), (28, 1)])
def test_a_page_that_its_own_run_may_still_send_is_left_to_it(minutes: float, sent: int) -> None:
    world = unpaged("NOT_NOTIFIED")
    audit(world, minutes / 60)
    assert len(world.topic.sent) == sent


def test_a_page_that_was_sent_is_not_sent_again() -> None:
    assert audit(unpaged("TRIGGER", "NOT_CHECKED")) == ()


def test_a_service_whose_later_run_ended_well_needs_no_page() -> None:
    world = unpaged("NOT_NOTIFIED")
    world.journal.last[str(WORKER)] = LastOutcome("run-2", "CONTAINED", at(60))
    assert audit(world) == ()


def test_a_page_that_cannot_be_sent_fails_the_audit_which_is_seen_and_tried_again() -> None:
    world = unpaged("NOT_NOTIFIED")
    world.topic = FakeTopic(AwsRefused("denied"))
    with pytest.raises(AwsRefused):
        audit(world)
    world.topic = FakeTopic()
    audit(world, 2)
    assert [subject for subject, _ in world.topic.sent] == [f"ROLLBACK_INCOMPLETE {WORKER}"]


def test_a_page_that_the_topic_does_not_take_is_notified_once_and_tried_by_each_audit() -> None:
    world = unpaged("NOT_NOTIFIED")
    world.topic = _NoPages()
    for hours in (1, 2):
        (found,) = audit(world, hours)
        assert found.error == "too long"
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 1 undo without its page"]
    world.topic = FakeTopic()
    assert [found.error for found in audit(world, 3)] == [None]
    assert [subject for subject, _ in world.topic.sent] == [f"ROLLBACK_INCOMPLETE {WORKER}"]
    assert audit(world, 4) == ()


def test_a_topic_that_cannot_be_notified_keeps_no_run_from_its_undo() -> None:
    world = left_behind()
    world.alarms.in_alarm = (replace(FIRING, name=f"regrant/{OTHER}"),)
    world.catalogue.parameters[OTHER] = world.catalogue.parameters[WORKER]
    lost = Hold(RECEIVE, "run-1", str(WORKER), held_at=at(0), expires_at=at(24 * HOUR), attached_at=at(0))
    world.holds.write(OLD_ROLE, replace(lost, lost_at=at(60)))
    world.topic = FakeTopic(AwsRefused("the topic is gone"))
    with pytest.raises(AwsRefused, match="the topic is gone"):  # for the alarm on the dead-letter queue
        audit(world)
    assert sorted(name.partition("-")[0] for name in world.executions.started) == ["audit", "undo"]
    world.topic = FakeTopic()
    audit(world, 2)
    assert [subject for subject, _ in world.topic.sent] == [
        "AUDIT 1 taken off by somebody",
        "AUDIT 1 run without its undo, 1 alarm without a run",
    ]


def test_grants_are_notified_of_although_the_rest_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise AwsRefused("no alarms for you")

    world = World()
    lost = Hold(RECEIVE, "run-1", str(WORKER), held_at=at(0), expires_at=at(24 * HOUR), attached_at=at(0))
    world.holds.write(OLD_ROLE, replace(lost, lost_at=at(60)))
    monkeypatch.setattr(world.alarms, "firing", fail)
    with pytest.raises(AwsRefused, match="no alarms for you"):
        audit(world)
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 1 taken off by somebody"]


def test_a_page_is_sent_once_although_the_audit_cannot_say_what_else_it_did() -> None:
    world = unpaged("NOT_NOTIFIED")
    world.alarms.in_alarm = (replace(FIRING, name=f"regrant/{OTHER}"),)
    world.catalogue.parameters[OTHER] = world.catalogue.parameters[WORKER]
    world.topic = _OnlyPages()
    for hours in (1, 1, 2):
        with pytest.raises(AwsRefused):
            audit(world, hours)
    assert [subject for subject, _ in world.topic.sent] == [f"ROLLBACK_INCOMPLETE {WORKER}"]
    world.topic = FakeTopic()
    audit(world, 3)
    assert [subject for subject, _ in world.topic.sent] == ["AUDIT 1 alarm without a run"]


class _OnlyPages(FakeTopic):
    def publish(self, subject: str, message: str) -> None:
        if not subject.startswith("ROLLBACK_INCOMPLETE"):
            raise AwsRefused("throttled")
        super().publish(subject, message)


class _NoPages(FakeTopic):
    def publish(self, subject: str, message: str) -> None:
        if subject.startswith("ROLLBACK_INCOMPLETE"):
            raise AwsRefused("too long")
        super().publish(subject, message)


def test_a_message_stays_below_the_limit_of_a_message() -> None:
    names = [Service(CLUSTER, f"s-{number}") for number in range(400)]
    world = firing(*(replace(FIRING, name=f"regrant/{name}") for name in names))
    world.catalogue.parameters |= dict.fromkeys(names, world.catalogue.parameters[WORKER])
    world.executions.failure = AwsRefused("x" * 10_000)
    audit(world)
    ((subject, message),) = world.topic.sent
    assert subject == "AUDIT 400 alarm without a run" and "And 350 more" in message
    assert len(message.encode()) < 256 * 1024
