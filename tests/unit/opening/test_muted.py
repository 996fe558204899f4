"""A muted alarm starts no run: not by its event, and not by the audit before the mute ends."""

import json
from typing import Any

import msgspec
import pytest

from regrant.audit.audit import audit_grants
from regrant.audit.found import AuditEvent, Neglected
from regrant.model.aws import FiringAlarm
from regrant.model.results import Refusal
from regrant.model.run import CloseEvent, Report, RunState
from regrant.opening.trigger import read_trigger
from regrant.report.close import close_incident
from regrant.settings import Allowed
from tests.unit.fakes import SETTINGS, WORKER, World, at
from tests.unit.run import EVENTS, opened, sent

HOUR = 3600
NAME = f"{SETTINGS.alarm_prefix}{WORKER}"
RULE = "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:night"
ENDS = at(5 * HOUR).replace("Z", "+0000")  # as CloudWatch writes it


def muted_event(**mute: Any) -> dict[str, Any]:
    """An alarm's event in a mute's window of five hours, with other values in `muteDetail`."""
    event: dict[str, Any] = json.loads((EVENTS / "alarm.json").read_text())
    whole = {"mutedByArn": RULE, "muteWindowStart": "2025-11-11T21:00:00.000+0000", "muteWindowEnd": ENDS}
    return event | {"detail": event["detail"] | {"muteDetail": whole | mute}}


def refusal_of(event: object) -> Refusal | None:
    return read_trigger(event, SETTINGS, Allowed).refusal


def run(world: World, event: dict[str, Any], seconds: float = 0) -> Report:
    """The run of that event, opened and closed."""
    state = RunState(opened(world, event, seconds, started=seconds))
    event_of_close = CloseEvent(msgspec.to_builtins(state), at(seconds + 1), event, "run-1")
    return close_incident(event_of_close, world, sent)


def in_alarm(since: float = 0) -> World:
    world = World()
    world.alarms.in_alarm = (FiringAlarm(NAME, since=at(since)),)
    return world


def audit(world: World, hours: float) -> tuple[Neglected, ...]:
    return audit_grants(AuditEvent(at(hours * HOUR)), world).neglected


def test_a_muted_alarm_is_nothing_to_fix_and_says_until_when() -> None:
    refusal = refusal_of(muted_event())
    assert refusal and (refusal.code, refusal.outcome) == ("ALARM_SUPPRESSED", "NOTHING_TO_FIX")
    assert f"is muted until '{ENDS}'" in refusal.message and RULE in refusal.message
    assert refusal.next == "Nothing to do. If the alarm is still in ALARM then, the audit starts a run."


def test_the_rule_may_be_named_by_another_key() -> None:
    event = muted_event()
    mute = event["detail"]["muteDetail"]
    mute["mutedBy"] = mute.pop("mutedByArn")
    refusal = refusal_of(event)
    assert refusal and refusal.code == "ALARM_SUPPRESSED" and RULE in refusal.message


@pytest.mark.parametrize("nothing", [None, {}, [], "muted", True])
def test_an_event_without_a_mute_starts_a_run(nothing: object) -> None:
    event = muted_event()
    event["detail"]["muteDetail"] = nothing
    assert refusal_of(event) is None


def test_a_mute_shows_odd_text_short_and_escaped() -> None:
    refusal = refusal_of(muted_event(mutedByArn="\x1b[31m" + "\n" * 500, muteWindowEnd="\\" * 500))
    assert refusal and refusal.message.isprintable() and len(refusal.message) < 300
    assert "\\" not in refusal.message


def test_an_alarm_that_is_muted_and_over_is_over() -> None:
    event = muted_event()
    event["detail"]["state"] = {"value": "OK"}
    refusal = refusal_of(event)
    assert refusal and refusal.code == "ALARM_NOT_FIRING"


def test_the_audit_waits_for_the_end_of_the_mute_and_notifies_nobody() -> None:
    world = in_alarm()
    assert run(world, muted_event()).outcome == "NOTHING_TO_FIX"
    for hours in (1, 4.9):
        (found,) = audit(world, hours)
        assert (found.waits, found.why) == (True, f"The alarm is muted until {at(5 * HOUR)}.")
    assert (world.executions.started, world.topic.sent) == ({}, [])
    (found,) = audit(world, 5)
    assert found.execution in world.executions.started


def test_an_alarm_that_came_back_after_the_mute_was_noted_waits_for_nothing() -> None:
    """The event of that said nothing of a mute, so the rule is gone."""
    world = in_alarm(since=2 * HOUR)
    run(world, muted_event())
    assert audit(world, 3)[0].execution in world.executions.started


def test_the_mute_of_one_alarm_is_none_of_another() -> None:
    world = in_alarm()
    event = muted_event()
    event["detail"]["alarmName"] += "-other"
    run(world, event)
    assert audit(world, 1)[0].execution in world.executions.started


@pytest.mark.parametrize(
    "end",
    [None, 5, "tomorrow", "2025-11-12T03:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_for_an_end_that_is_no_time_the_audit_does_not_wait(end: object) -> None:
    world, event = in_alarm(), muted_event(muteWindowEnd=end)
    refusal = refusal_of(event)
    assert refusal and refusal.next.endswith("the next audit starts a run.")
    run(world, event)
    assert audit(world, 1)[0].execution in world.executions.started


def test_no_mute_is_believed_to_last_longer_than_a_rule_can() -> None:
    world = in_alarm()
    run(world, muted_event(muteWindowEnd="2099-01-01T00:00:00.000+0000"))
    assert audit(world, 24 * 15 - 1)[0].waits
    assert audit(world, 24 * 15 + 1)[0].execution in world.executions.started


def test_the_run_of_an_alarm_that_its_suppressor_holds_back_notes_no_mute() -> None:
    world, event = in_alarm(), muted_event()
    event["detail"]["muteDetail"] = None
    event["detail"]["state"]["actionsSuppressedBy"] = "Alarm"
    assert run(world, event).outcome == "NOTHING_TO_FIX"
    assert world.notices.noted == {}
