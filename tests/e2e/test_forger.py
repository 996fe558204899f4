"""What somebody gains who may do one thing only: nothing, or what SECURITY.md says is left.

Each story plays the attack on the deployed stack.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.events.models import events_backends

from sandbox.iam.requests import ACCOUNT, REGION
from tests.statemachine.world import WORKER, World, incident

EVENTS = Path(__file__).resolve().parents[2] / "events"
ELSEWHERE = [{"account": "999999999999"}, {"region": "eu-west-1"}]


def event(name: str) -> dict[str, Any]:
    given: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return given


def only(world: World, action: str, resource: str) -> Any:
    """A client of that action's service with STS's credentials of a role that may do only that."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role_with_only(world, action, resource)}"
    session = world.account.client("sts").assume_role(RoleArn=arn, RoleSessionName="forger")
    service = action.partition(":")[0].replace("states", "stepfunctions")
    return world.account.session_client(session["Credentials"], service)


def role_with_only(world: World, action: str, resource: str) -> str:
    """The name of a new role that may do only that."""
    iam, account = world.account.client("iam"), f"arn:aws:iam::{ACCOUNT}:root"
    trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": action, "Resource": resource}
    name = f"forger-{len(iam.list_roles()['Roles'])}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=_document(may))
    return name


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def invoke(client: Any, function: str, given: dict[str, Any]) -> Any:
    answer = client.invoke(FunctionName=f"regrant-{function}", Payload=json.dumps(given))
    return json.loads(answer["Payload"].read())


def function(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:regrant-{name}"


@pytest.mark.parametrize("place", [{}, *ELSEWHERE])
@pytest.mark.parametrize("name", ["alarm", "ended-run"])
def test_the_rules_take_events_of_their_own_account_and_region_only(name: str, place: dict[str, str]) -> None:
    """Somebody of another account whose events the bus lets in, or a bus of another Region that sends its."""
    with incident() as world:
        world.account.client("events").enable_rule(Name="regrant-alarm")
        for rule in events_backends[ACCOUNT][REGION].event_buses["default"].rules.values():
            world.account.events.offer(rule, event(name) | place)
        world.account.clock.run_for(5)
        assert bool(world.executions()) is (not place)


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("name", ["alarm", "ended-run", "cloudtrail"])
def test_an_event_of_elsewhere_that_came_past_the_rules_changes_nothing(
    name: str, place: dict[str, str]
) -> None:
    with incident() as world:
        world.remember()
        ended = world.run(event(name) | place)
        assert ended.outcome == "REFUSED" and "OTHER_ACCOUNT" in ended.codes
        assert world.changed() == []


def test_who_may_invoke_the_audit_ends_no_grant_before_its_time() -> None:
    with incident() as world:
        assert world.run({"service": WORKER, "mode": "contain"}).outcome == "CONTAINED"
        forger = only(world, "lambda:InvokeFunction", function("audit-grants"))
        audit = invoke(forger, "audit-grants", {"time": "2027-03-01T12:00:00Z"})
        assert [grant["state"] for grant in audit["grants"]] == ["held"]
        world.account.clock.run_for(600)
        assert audit["expiries"] == [] and len(world.executions()) == 1 and world.granted()


def test_a_time_that_has_not_come_is_no_time_for_a_step() -> None:
    """Whoever may invoke the function that attaches could make a grant that ends in ten years."""
    with incident() as world:
        forger = only(world, "lambda:InvokeFunction", function("attach-policies"))
        given = {"state": {"incident": {}}, "now": "2036-03-02T09:00:00Z"}
        assert invoke(forger, "attach-policies", given)["errorType"] == "ClockAhead"
        with pytest.raises(ClientError, match="AccessDenied"):
            invoke(forger, "audit-grants", given)


def test_who_may_look_at_the_grants_changes_nothing() -> None:
    """Long after their end, and with an event of the rule that ends them."""
    with incident() as world:
        assert world.run({"service": WORKER, "mode": "contain"}).outcome == "CONTAINED"
        world.account.client("events").disable_rule(Name="regrant-audit")
        scheduler = world.account.client("scheduler")
        for each in scheduler.list_schedules()["Schedules"]:
            scheduler.delete_schedule(GroupName=each["GroupName"], Name=each["Name"])
        world.after(26 * 3600)
        looker = only(world, "lambda:InvokeFunction", function("list-grants"))
        world.remember()
        for more in ({}, {"dry_run": False}, {"time": "2027-03-01T12:00:00Z"}):
            looked = invoke(
                looker, "list-grants", event("audit_grants") | {"time": "2026-03-03T12:00:00Z"} | more
            )
            assert [grant["state"] for grant in looked["grants"]] == ["overdue"]
        with pytest.raises(ClientError, match="AccessDenied"):
            invoke(looker, "audit-grants", event("audit_grants"))
        assert world.changed() == [] and len(world.executions()) == 1


def test_who_may_delete_tables_deletes_no_journal() -> None:
    with incident() as world:
        table = world.outputs["JournalTable"]
        forger = only(world, "dynamodb:DeleteTable", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")
        with pytest.raises(ClientError) as refused:
            forger.delete_table(TableName=table)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        tables = world.account.client("dynamodb").list_tables()["TableNames"]
        assert table in tables
