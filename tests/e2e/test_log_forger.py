"""What somebody gains who may write to a service's log, or start runs, and may do nothing else.

Each story plays the attack on the deployed stack, as tests/e2e/test_forger.py does.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from sandbox.iam.requests import ACCOUNT, REGION
from sandbox.scenarios.seeds import retainwise
from tests.e2e.test_forger import only
from tests.statemachine.happenings import when_sampled
from tests.statemachine.test_health import GROUP, youngest_task
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident

SESSION = OLD_ROLE.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
RECEIVE = f"sqs:receivemessage on resource: arn:aws:sqs:{REGION}:{ACCOUNT}:{retainwise.QUEUE}"
DENIED = f"User: {SESSION}/x is not authorized to perform:"
BY_SCP = f"{DENIED} {RECEIVE} with an explicit deny in a service control policy"
SENDING = f"{DENIED} {RECEIVE}".replace("receivemessage", "sendmessage")
UNDECLARED = f"{DENIED} iam:CreateUser on resource: *"


class Forger:
    """Who may write to these streams of the worker's group, and nothing else."""

    def __init__(self, world: World, streams: str) -> None:
        self.world = world
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:log-stream:{streams}"
        self.client = only(world, "logs:PutLogEvents", arn)

    def write(self, stream: str, *messages: str, ago: float = 0) -> None:
        moment = round((self.world.account.clock.now().timestamp() - ago) * 1000)
        events = [{"timestamp": moment, "message": message} for message in messages]
        self.client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def of_others(world: World) -> str:
    """A stream that starts like a task's and is none's: another service's, or made by whoever may."""
    stream = f"ecs/worker/{'f' * 32}"
    world.account.client("logs").create_log_stream(logGroupName=GROUP, logStreamName=stream)
    return stream


@pytest.mark.parametrize("line", [BY_SCP, UNDECLARED], ids=["SCP", "undeclared"])
def test_lines_in_streams_of_no_task_keep_no_service_from_its_repair(line: str) -> None:
    with incident() as world:
        stream = of_others(world)
        Forger(world, stream).write(stream, *[line] * 50)
        ended = world.run()
        assert (ended.outcome, world.granted()) == ("CONTAINED", True), ended.report
        assert "OTHER_STREAMS" in ended.codes
        assert not {"SCP_OR_RCP", "NOT_DECLARED"} & {*ended.codes}


def test_more_lines_than_are_read_in_such_a_stream_hide_no_denial() -> None:
    """Older than the tasks' own, which a search would come to last, but no older than what is read twice."""
    with incident() as world:
        stream = of_others(world)
        forger = Forger(world, stream)
        for _ in range(5):
            forger.write(stream, *[f"not authorized to perform {'x' * 400}"] * 2_300, ago=90)
        ended = world.run()
        assert (ended.outcome, world.granted()) == ("CONTAINED", True), ended.report
        (found,) = [each for each in ended.report["findings"] if each["code"] == "MISSING_ATTACHMENT"]
        assert ", denied " in found["text"]


@pytest.mark.parametrize("line", [BY_SCP, UNDECLARED], ids=["SCP", "undeclared"])
def test_one_false_denial_in_a_tasks_own_stream_undoes_no_good_fix(line: str) -> None:
    with incident() as world:
        forger = Forger(world, "ecs/worker/*")

        def lie(world: World) -> None:
            forger.write(f"ecs/worker/{youngest_task(world)}", line)

        ended = world.run(on_state=when_sampled(lie))
        assert (ended.outcome, world.granted()) == ("CONTAINED", True), ended.report
        assert ended.report["health"]["evidence"][-1].startswith("Denied once, at ")


def test_whoever_may_write_to_a_tasks_stream_speaks_for_the_service() -> None:
    """What is left: the same again, in a second look."""
    with incident() as world:
        forger = Forger(world, "ecs/worker/*")

        def lie(world: World, state: str) -> None:
            if state == "VerifyHealth" and world.looks() and world.looks()[-1]["samples"]:
                forger.write(f"ecs/worker/{youngest_task(world)}", BY_SCP)

        ended = world.run(on_state=lie)
        assert (ended.outcome, world.granted()) == ("ROLLED_BACK", False), ended.report
        *_, first, second = (each for each in world.looks() if each["last"] and each["last"]["denials"])
        assert ", which nothing confirms yet: " in first["evidence"][0]
        assert (first["verdict"], second["verdict"]) == ("PENDING", "UNHEALTHY")


def test_a_flood_of_false_denials_for_a_quarter_of_an_hour_starts_two_runs() -> None:
    with incident() as world:
        world.account.client("events").enable_rule(Name="regrant-alarm")
        forger = Forger(world, "ecs/worker/*")
        for _ in range(42):
            forger.write(f"ecs/worker/{youngest_task(world)}", BY_SCP, UNDECLARED)
            world.after(20)
        assert len(world.executions()) <= 2
        assert len({subject for subject, _ in world.messages()}) == len(world.messages())


def starts(world: World) -> Any:
    return only(world, "states:StartExecution", world.machine)


def test_an_undo_that_nobody_needs_keeps_the_service_from_nothing_else() -> None:
    """The forger takes the grant off. The next alarm says so, and a service that lacks more gets it."""
    with incident() as world:
        first = world.run()
        assert first.outcome == "CONTAINED"
        forger = starts(world)
        given = {"mode": "rollback", "incident": first.name}
        forger.start_execution(stateMachineArn=world.machine, input=json.dumps(given))
        world.after(600)
        assert not world.granted()
        again = world.run(alarm())
        assert (again.outcome, "RECENTLY_UNDONE" in again.codes) == ("REFUSED", True)
        assert world.messages()[-1][0] == f"REFUSED {WORKER}"
        iam = world.account.client("iam")
        sending = f"arn:aws:iam::{ACCOUNT}:policy/retainwise/{retainwise.SEND}"
        iam.detach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=sending)
        world.change_entry(policies=[POLICY, sending])
        Forger(world, "ecs/worker/*").write(f"ecs/worker/{youngest_task(world)}", SENDING)
        assert world.run(alarm()).outcome == "CONTAINED"


def alarm(name: str = f"regrant/{WORKER}") -> dict[str, Any]:
    return {
        "account": ACCOUNT,
        "region": REGION,
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": name, "state": {"value": "ALARM"}},
    }


def subjects_after(world: World, given: dict[str, Any], times: int) -> Counter[str]:
    """Of the notifications, once so many runs that were started with that have ended."""
    forger = starts(world)
    for _ in range(times):
        forger.start_execution(stateMachineArn=world.machine, input=json.dumps(given))
    world.after(900)
    assert [each["status"] for each in world.executions()].count("RUNNING") == 0
    return Counter(subject for subject, _ in world.messages())


def test_a_storm_of_starts_for_a_service_is_one_run_and_one_refusal() -> None:
    with incident() as world:
        expected = {f"CONTAINED {WORKER}": 1, f"REFUSED {WORKER}": 1}
        assert subjects_after(world, alarm(), 12) == expected


def test_a_storm_of_starts_for_no_service_is_one_refusal() -> None:
    with incident() as world:
        assert subjects_after(world, alarm("regrant/nothing"), 12) == {"REFUSED": 1}
