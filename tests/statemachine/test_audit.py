"""A grant whose schedule never came is found by the hourly audit and expired, once."""

from __future__ import annotations

import json
from typing import Any

from sandbox.account import LocalAccount
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, incident, report_of

HOUR = 3600


def no_schedule_comes(world: World) -> None:
    scheduler = world.account.client("scheduler")
    for each in scheduler.list_schedules()["Schedules"]:
        scheduler.delete_schedule(GroupName=each["GroupName"], Name=each["Name"])


def every_event_comes_twice(world: World) -> None:
    events = world.account.client("events")
    (target,) = events.list_targets_by_rule(Rule="regrant-audit")["Targets"]
    events.put_targets(Rule="regrant-audit", Targets=[target | {"Id": "again"}])


def look(account: LocalAccount) -> dict[str, Any]:
    """The dry run that `make audit` asks for."""
    event = json.dumps({"time": account.clock.now().isoformat(), "dry_run": True})
    answer = account.client("lambda").invoke(FunctionName="regrant-audit-grants", Payload=event)
    assert "FunctionError" not in answer
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def audits(world: World) -> list[str]:
    """The subjects of the audit's messages."""
    return [subject for subject, _ in world.messages() if subject.startswith("AUDIT")]


def test_a_grant_whose_schedule_never_came_is_expired_by_the_audit_once() -> None:
    with incident() as world:
        world.change_entry(grant_ttl_hours=1)
        contained = world.run()
        no_schedule_comes(world)
        every_event_comes_twice(world)

        (grant,) = look(world.account)["grants"]
        assert (grant["role"], grant["policy"], grant["service"]) == (OLD_ROLE, POLICY, WORKER)
        assert (grant["incident"], grant["state"], grant["why"]) == (contained.name, "held", "a person")

        world.after(2 * HOUR)
        assert (len(world.executions()), audits(world)) == (1, [])  # two audits have found it in time
        world.after(HOUR)
        _, expiry = world.executions()
        assert json.loads(expiry["input"]) == {"mode": "expire", "incident": contained.name}
        assert set(audits(world)) == {"AUDIT 1 overdue"}
        # The service still depends on it, so the expiry gave it one more hour, and a schedule.
        assert report_of(expiry)["outcome"] == "ROLLED_BACK"
        assert [grant["state"] for grant in look(world.account)["grants"]] == ["held"]
        assert len(world.account.client("scheduler").list_schedules()["Schedules"]) == 1
