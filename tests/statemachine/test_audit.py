"""A grant whose schedule never came is found by the hourly audit and expired, once."""

from __future__ import annotations

import json
from typing import Any

from moto.sns.models import sns_backends

from sandbox.account import LocalAccount
from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident

HOUR = 3600


def lasting(world: World, hours: int) -> None:
    """The worker's grants last so long."""
    ssm = world.account.client("ssm")
    name = f"/regrant/services/{WORKER}"
    entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    ssm.put_parameter(Name=name, Value=json.dumps(entry | {"grant_ttl_hours": hours}), Overwrite=True)


def no_schedule_comes(world: World) -> None:
    scheduler = world.account.client("scheduler")
    for each in scheduler.list_schedules()["Schedules"]:
        scheduler.delete_schedule(GroupName=each["GroupName"], Name=each["Name"])


def every_event_comes_twice(world: World) -> None:
    events = world.account.client("events")
    (target,) = events.list_targets_by_rule(Rule="regrant-audit")["Targets"]
    events.put_targets(Rule="regrant-audit", Targets=[target | {"Id": "again"}])


def look(account: LocalAccount) -> dict[str, Any]:
    """What `make audit` asks."""
    event = json.dumps({"time": account.clock.now().isoformat(), "dry_run": True})
    answer = account.client("lambda").invoke(FunctionName="regrant-audit-grants", Payload=event)
    assert "FunctionError" not in answer
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def runs(world: World) -> list[dict[str, Any]]:
    """All executions, the oldest first."""
    sfn = world.account.client("stepfunctions")
    listed = sfn.list_executions(stateMachineArn=world.machine)["executions"]
    shown = [sfn.describe_execution(executionArn=each["executionArn"]) for each in listed]
    return sorted(shown, key=lambda each: each["startDate"])


def told() -> list[str]:
    """The subjects of the audit's messages."""
    topics = sns_backends[retainwise.ACCOUNT][retainwise.REGION].topics.values()
    subjects = [subject for topic in topics for _, _, subject, *_ in topic.sent_notifications]
    return [subject for subject in subjects if subject and subject.startswith("AUDIT")]


def test_a_grant_whose_schedule_never_came_is_expired_by_the_audit_once() -> None:
    with incident() as world:
        lasting(world, hours=1)
        contained = world.run()
        no_schedule_comes(world)
        every_event_comes_twice(world)

        (grant,) = look(world.account)["grants"]
        assert (grant["role"], grant["policy"], grant["service"]) == (OLD_ROLE, POLICY, WORKER)
        assert (grant["incident"], grant["state"], grant["why"]) == (contained.name, "held", "a person")

        world.after(2 * HOUR)
        assert (len(runs(world)), told()) == (1, [])  # two audits have found it in time
        world.after(HOUR)
        _, expiry = runs(world)
        assert json.loads(expiry["input"]) == {"mode": "expire", "incident": contained.name}
        assert set(told()) == {"AUDIT 1 overdue"}
        # The service still lives on it, so the expiry gave it one more hour, and a schedule.
        assert json.loads(expiry["cause"])["outcome"] == "ROLLED_BACK"
        assert [grant["state"] for grant in look(world.account)["grants"]] == ["held"]
        assert len(world.account.client("scheduler").list_schedules()["Schedules"]) == 1
