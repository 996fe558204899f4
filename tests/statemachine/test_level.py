"""An event that was lost, or whose run could not go on, is made good by the hourly audit; and a refusal is
notified once, however often it comes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from regrant.leases import ACTIVE
from sandbox.engine.faults import Effect
from sandbox.scenarios.seeds import retainwise
from tests.statemachine.happenings import (
    SERVICE,
    contain,
    deny,
    somebody_holds,
    stop_what_runs,
    when_sampled,
)
from tests.statemachine.test_audit import look
from tests.statemachine.world import POLICY, WORKER, World, incident, report_of

HOUR = 3600
EVENT = Path(__file__).resolve().parents[2] / "events" / "alarm.json"
ALARM = f"regrant/{WORKER}"


def alarms_start_runs(world: World) -> None:
    world.account.client("events").enable_rule(Name=world.outputs["AlarmRuleName"])


def set_alarm(world: World, state: str, name: str = ALARM) -> None:
    world.account.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="x")


def never_evaluated(world: World, name: str = ALARM, **suppressor: Any) -> None:
    """A composite alarm, whose state only SetAlarmState changes here."""
    world.account.client("cloudwatch").put_composite_alarm(
        AlarmName=name, AlarmRule='ALARM("denials")', **suppressor
    )
    set_alarm(world, "OK", name)


def alarm_again(world: World, times: int = 1) -> None:
    """It flaps: to OK, and to ALARM again ten minutes later."""
    for _ in range(times):
        set_alarm(world, "OK")
        world.after(60)
        set_alarm(world, "ALARM")
        world.after(540)


def outcomes(world: World) -> list[str]:
    return [report_of(each).get("outcome", each["status"]) for each in world.executions()]


def codes(execution: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in report_of(execution)["findings"]]


def subjects(world: World, beginning: str = "") -> list[str]:
    return [subject for subject, _ in world.messages() if subject.startswith(beginning)]


def given(execution: dict[str, Any]) -> Any:
    return json.loads(execution["input"])


def test_an_alarm_whose_run_was_refused_for_a_while_is_contained_by_the_next_audit() -> None:
    with incident() as world:
        never_evaluated(world)
        alarms_start_runs(world)
        somebody_holds(SERVICE, seconds=1800)(world)
        set_alarm(world, "ALARM")
        world.after(600)
        assert outcomes(world) == ["REFUSED"] and "SERVICE_BUSY" in codes(world.executions()[0])
        # While the other run has the service, none is to be started.
        assert look(world.account)["neglected"] == []
        world.after(HOUR)
        _, again = world.executions()
        assert (report_of(again)["outcome"], world.granted()) == ("CONTAINED", True)
        assert given(again)["detail-type"] == "Regrant Audit"
        assert report_of(again)["findings"][0]["text"].startswith(f"Started by the audit, for alarm {ALARM}")
        assert subjects(world, "AUDIT") == ["AUDIT 1 alarm without a run"]


def test_where_alarms_are_to_start_no_runs_the_audit_starts_none_either() -> None:
    with incident() as world:
        never_evaluated(world)
        set_alarm(world, "ALARM")
        world.after(2 * HOUR)
        (waiting,) = look(world.account)["neglected"]
        assert (waiting["subject"], waiting["waits"]) == (ALARM, True)
        assert "regrant-alarm is disabled" in waiting["why"]
        assert (world.executions(), world.messages()) == ([], [])


def test_an_alarm_that_flaps_over_what_nobody_declared_is_notified_once() -> None:
    with incident() as world:
        never_evaluated(world)
        alarms_start_runs(world)
        world.change_entry(
            policies=[f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"]
        )
        alarm_again(world, times=10)
        ended = world.executions()
        assert outcomes(world) == ["REFUSED"] * 10
        assert all("NOT_DECLARED" in codes(each) for each in ended)
        assert subjects(world) == [f"REFUSED {WORKER}"]
        assert "SAME_CAUSE" in codes(ended[-1]) and "10 automatic runs" in str(
            report_of(ended[-1])["findings"]
        )
        world.run({"service": WORKER})
        assert len(subjects(world, "REFUSED")) == 2  # a person is always answered
        # A standing refusal is not tried again every hour, but once a day, and says how often it was so.
        world.after(6 * HOUR)
        assert len(world.executions()) == 11
        (waiting,) = look(world.account)["neglected"]
        assert waiting["why"].startswith("NOT_DECLARED")
        world.after(20 * HOUR)
        assert len(world.executions()) == 12
        assert "11 automatic runs have ended for this cause since" in " ".join(
            world.messages()[-1][1].split()
        )


def test_behind_an_alarm_over_something_harmless_a_real_denial_is_contained_by_the_next_audit() -> None:
    with incident() as world:
        role = {"RoleName": retainwise.OLD_ROLE, "PolicyArn": POLICY}
        never_evaluated(world)
        world.account.client("iam").attach_role_policy(**role)
        world.after(1200)
        alarms_start_runs(world)
        set_alarm(world, "ALARM")
        world.after(3 * HOUR)
        assert outcomes(world) == ["NOTHING_TO_FIX"] * 4
        assert subjects(world) == [f"NOTHING_TO_FIX {WORKER}"]
        world.account.client("iam").detach_role_policy(**role)
        world.after(HOUR)
        assert (outcomes(world)[4], world.granted()) == ("CONTAINED", True)


def test_a_refusal_that_the_topic_did_not_hear_of_is_notified_by_the_next_audit() -> None:
    with incident() as world:
        never_evaluated(world)
        alarms_start_runs(world)
        send = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
        world.change_entry(policies=[send])
        world.account.faults.add(Effect.DENIED, "sns", "Publish", times=1)
        set_alarm(world, "ALARM")
        world.after(600)
        assert "NOT_NOTIFIED" in codes(world.executions()[0]) and subjects(world) == []
        world.after(4 * HOUR)
        assert outcomes(world) == ["REFUSED"] * 2
        assert subjects(world, "REFUSED") == [f"REFUSED {WORKER}"]


def test_a_run_whose_end_nobody_heard_of_is_undone_by_the_audit_once() -> None:
    with incident() as world:
        world.account.client("events").disable_rule(Name="regrant-ended-run")
        stopped = world.run(on_state=when_sampled(stop_what_runs))
        world.after(300)
        assert stopped.status == "ABORTED" and world.granted()
        world.after(HOUR)
        _, undo = world.executions()
        assert (report_of(undo)["outcome"], world.changed()) == ("ROLLED_BACK", [])
        started = report_of(undo)["findings"][0]["text"]
        assert stopped.name in started and started.endswith("found by the audit.")
        world.after(2 * HOUR)
        assert len(world.executions()) == 2
        assert subjects(world, "AUDIT") == ["AUDIT 1 run without its undo"]


def test_the_page_of_an_undo_that_did_not_finish_is_sent_when_the_topic_works_again() -> None:
    with incident() as world:
        contain(world)
        deny("undo-role", "iam", "DetachRolePolicy")(world)
        deny("page-operator", "sns", "Publish")(world)
        undone = world.run({"mode": "rollback", "incident": world.contained})
        assert undone.outcome == "ROLLBACK_INCOMPLETE" and "NOT_NOTIFIED" in undone.codes
        paged = f"ROLLBACK_INCOMPLETE {WORKER}"
        assert paged not in subjects(world)
        world.after(ACTIVE + 10)  # until then the page may still be sent by its own run
        assert look(world.account)["neglected"][0]["subject"] == undone.name
        assert paged not in subjects(world)  # it was a look
        world.after(3 * HOUR)
        assert subjects(world).count(paged) == 1
        text = next(text for subject, text in world.messages() if subject == paged)
        assert "the audit has sent it" in text and "detach-role-policy" in text
        assert look(world.account)["neglected"] == []


def test_a_suppressed_composite_alarm_starts_nothing_until_its_suppression_ends() -> None:
    with incident() as world:
        never_evaluated(world, "deploying")
        set_alarm(world, "ALARM", "deploying")
        periods: dict[str, Any] = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 60}
        never_evaluated(world, ActionsSuppressor="deploying", **periods)
        alarms_start_runs(world)
        set_alarm(world, "ALARM")
        world.after(2 * HOUR)
        (only,) = world.executions()
        assert (only["status"], codes(only)) == ("SUCCEEDED", ["TRIGGER", "ALARM_SUPPRESSED"])
        assert (world.messages(), world.changed(), look(world.account)["neglected"]) == ([], [], [])
        set_alarm(world, "OK", "deploying")
        world.after(900)
        assert outcomes(world) == ["NOTHING_TO_FIX", "CONTAINED"]


def test_an_audit_that_is_delivered_twice_starts_one_run() -> None:
    with incident() as world:
        never_evaluated(world)
        alarms_start_runs(world)
        lost = world.account.faults.add(Effect.DENIED, "states", "StartExecution", times=1)
        assert lost
        set_alarm(world, "ALARM")
        world.after(300)
        assert world.executions() == []  # the rule may start nothing
        for _ in range(2):
            event = json.dumps({"time": world.account.clock.now().isoformat()})
            world.account.client("lambda").invoke(FunctionName="regrant-audit-grants", Payload=event)
        world.after(1200)
        event = json.dumps({"time": world.account.clock.now().isoformat()})
        for _ in range(2):
            world.account.client("lambda").invoke(FunctionName="regrant-audit-grants", Payload=event)
        world.after(900)
        assert outcomes(world) == ["CONTAINED"]


def muted(world: World, hours: float) -> dict[str, Any]:
    """The alarm's event, as CloudWatch sends it in the window of a mute rule."""
    event: dict[str, Any] = json.loads(EVENT.read_text())
    end = world.account.clock.now() + timedelta(hours=hours)
    mute = {"mutedByArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:night"}
    mute["muteWindowEnd"] = end.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return event | {"detail": event["detail"] | {"muteDetail": mute, "alarmName": ALARM}}


def test_a_muted_alarm_is_contained_when_the_mute_has_ended() -> None:
    with incident() as world:
        never_evaluated(world)
        set_alarm(world, "ALARM")  # The rule is off, so that the event comes from here.
        ended = world.run(muted(world, hours=3))
        assert (ended.status, ended.report["outcome"]) == ("SUCCEEDED", "NOTHING_TO_FIX")
        alarms_start_runs(world)
        world.after(1.5 * HOUR)
        (waits,) = look(world.account)["neglected"]
        assert waits["waits"] and waits["why"].startswith("The alarm is muted until ")
        assert (codes(world.executions()[0])[-1], world.messages(), world.changed()) == (
            "ALARM_SUPPRESSED",
            [],
            [],
        )
        world.after(2.9 * HOUR)
        assert outcomes(world) == ["NOTHING_TO_FIX", "CONTAINED"]
