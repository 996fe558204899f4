"""`make privileges` says what is wrong: each limit of the template, taken away, is found by it.

Here the template's own roles are bent; that the template as it is has nothing wrong is for `make privileges`,
which plays all stories.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox.engine.recording import Asked
from scripts.privileges import __main__ as command
from scripts.privileges import simulation
from scripts.privileges.hostile import ITEM, Attempt, attempts, bend, concrete
from scripts.privileges.judge import Finding, Judgement, bare, judge
from scripts.privileges.permissions import Role, deployed, listed, role_of
from scripts.privileges.reasons import COVERED, Reason

MANAGED = "arn:aws:iam::123456789012:role/retainwise-ecs-task-role"
GRANTABLE = "arn:aws:iam::123456789012:policy/retainwise/prod-retainwise-sqs-send"

needs_node = pytest.mark.skipif(
    simulation.missing() is not None,
    reason=f"needs {simulation.missing()}: make setup installs what npm can",
)


@pytest.fixture(scope="module")
def roles() -> dict[str, Role]:
    return {role.title: role for role in deployed()}


def used(*roles: Role) -> set[Asked]:
    """A call for each permission of the roles."""
    calls = set()
    for role in roles:
        for permission in role.permissions:
            resource = concrete(permission.resources[0], permission.action)
            calls.add(Asked.of(role.name, permission.action, resource, permission.fitting))
    return calls


def bent(role: Role, change: Callable[[list[dict[str, Any]]], None]) -> Role:
    """A copy of the role with its statements changed, which stand in one policy there."""
    documents = json.loads(json.dumps(role.documents))
    statements = [each for document in documents for each in listed(document["Statement"])]
    change(statements)
    return role_of(role.name, ({"Version": "2012-10-17", "Statement": statements},))


def statement(statements: list[dict[str, Any]], sid: str) -> dict[str, Any]:
    return next(each for each in statements if each.get("Sid") == sid)


def judged(roles: dict[str, Role], change: Callable[[list[dict[str, Any]]], None]) -> Judgement:
    """AttachPolicies with that change, beside AuditGrants, and the calls that they make without it."""
    attach, audit = roles["AttachPolicies"], roles["AuditGrants"]
    return judge([bent(attach, change), audit], used(attach, audit))


def whats(findings: list[Finding]) -> list[str]:
    return [each.what for each in bare(findings)]


@needs_node
def test_the_role_as_it_is_has_nothing_wrong(roles: dict[str, Role]) -> None:
    judgement = judged(roles, lambda statements: None)
    found = (judgement.insufficient, judgement.unneeded, judgement.hostile)
    assert [whats(each) for each in found] == [[], [], []]
    assert sum(judgement.tried.values()) > 400


@needs_node
def test_an_action_that_is_missing_is_insufficient(roles: dict[str, Role]) -> None:
    judgement = judged(roles, lambda statements: statements.remove(statement(statements, "PassScheduleRole")))
    (found,) = whats(judgement.insufficient)
    assert found.startswith("iam:PassRole on arn:aws:iam::123456789012:role/regrant-ScheduleRole-")


@needs_node
def test_a_condition_that_other_calls_do_not_meet_is_insufficient(roles: dict[str, Role]) -> None:
    def narrow(statements: list[dict[str, Any]]) -> None:
        statement(statements, "Attach")["Condition"]["ArnEquals"]["iam:PolicyARN"] = [f"{GRANTABLE}-2"]

    (found,) = whats(judged(roles, narrow).insufficient)
    assert found.startswith(f"iam:AttachRolePolicy on {MANAGED} with ")


@needs_node
def test_an_action_that_nothing_calls_is_unneeded(roles: dict[str, Role]) -> None:
    def more(statements: list[dict[str, Any]]) -> None:
        statement(statements, "ReadAttachments")["Action"] = ["iam:ListAttachedRolePolicies", "iam:GetRole"]

    assert whats(judged(roles, more).unneeded) == [f"iam:GetRole on {MANAGED} and 2 more"]


@needs_node
def test_of_two_permissions_for_the_same_neither_is_needed(roles: dict[str, Role]) -> None:
    def twice(statements: list[dict[str, Any]]) -> None:
        statements.append(statement(statements, "PassScheduleRole"))

    first, second = whats(judged(roles, twice).unneeded)
    assert first == second and first.startswith("iam:PassRole on ")


@needs_node
@pytest.mark.parametrize(
    ("sid", "change", "found"),
    [
        ("Attach", {"Resource": "*"}, "iam:AttachRolePolicy on arn:aws:iam::123456789012:role/administrator"),
        ("Attach", {"Condition": {}}, f"iam:AttachRolePolicy on {MANAGED}"),
        (
            "Attach",
            {"Condition": {"ArnLike": {"iam:PolicyARN": f"{GRANTABLE}*"}}},
            f"iam:AttachRolePolicy on {MANAGED} with {{'iam:policyarn': '{GRANTABLE}x'}}",
        ),
        (
            "Attach",
            {"Condition": {"ArnEqualsIfExists": {"iam:PolicyARN": GRANTABLE}}},
            f"iam:AttachRolePolicy on {MANAGED}",
        ),
        ("PassScheduleRole", {"Condition": {}}, "iam:PassRole on "),
        (
            "ScheduleExpiry",
            {"Resource": "arn:aws:scheduler:*:123456789012:schedule/regrant-grants/*"},
            "scheduler:CreateSchedule on arn:aws:scheduler:eu-west-1:123456789012:schedule/",
        ),
        (
            "Journal",
            {"Action": ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:DeleteItem"]},
            "dynamodb:DeleteItem on ",
        ),
    ],
    ids=["any role", "any policy", "prefix", "key left out", "any service", "any Region", "delete"],
)
def test_what_is_too_wide_is_hostile(
    roles: dict[str, Role], sid: str, change: dict[str, Any], found: str
) -> None:
    judgement = judged(roles, lambda statements: statement(statements, sid).update(change))
    assert any(what.startswith(found) for what in whats(judgement.hostile)), whats(judgement.hostile)[:5]


@needs_node
def test_what_another_role_does_is_hostile(roles: dict[str, Role]) -> None:
    def audit_too(statements: list[dict[str, Any]]) -> None:
        (start,) = [p for p in roles["AuditGrants"].permissions if p.action == "states:StartExecution"]
        statements.append(start.statement)

    (found,) = whats(judged(roles, audit_too).hostile)
    assert found.startswith("states:StartExecution on ")


@needs_node
def test_who_opens_an_incident_may_write_leases_of_services_only(roles: dict[str, Role]) -> None:
    opening, closing, audit = roles["OpenIncident"], roles["CloseIncident"], roles["AuditGrants"]
    (table,) = {each.resources[0] for each in closing.permissions if each.action == "dynamodb:PutItem"}
    written = {Asked.of(closing.name, "dynamodb:PutItem", table, {ITEM: [key]}) for key in ("run-1", "run-2")}
    calls = used(opening, closing, audit) | written

    def hostile(change: Callable[[list[dict[str, Any]]], None]) -> set[str]:
        return {*whats(judge([bent(opening, change), closing, audit], calls).hostile)}

    lease = "TakeServiceLease"
    assert hostile(lambda statements: None) == set()
    no_key = f"dynamodb:PutItem on {table}"
    assert hostile(lambda statements: statement(statements, lease)["Condition"].pop("Null")) == {no_key}
    widened = hostile(lambda statements: statement(statements, lease).pop("Condition"))
    assert {no_key, f"{no_key} with {{'{ITEM}': 'run-1'}}"} <= widened
    # Runs differ in their ids only, so one is tried for all.
    assert f"{no_key} with {{'{ITEM}': 'run-2'}}" not in widened


@needs_node
@pytest.mark.parametrize(
    ("step", "others"),
    [
        ("RedeployService", {"role#any", "service#any", "lease#service/any"}),
        ("UndoService", {"role#any", "service#any", "lease#service/any", "lease#role/any"}),
    ],
)
def test_who_deploys_writes_no_grants_and_no_leases_of_services(
    roles: dict[str, Role], step: str, others: set[str]
) -> None:
    role, closing, audit = roles[step], roles["CloseIncident"], roles["AuditGrants"]
    (table,) = {each.resources[0] for each in closing.permissions if each.action == "dynamodb:PutItem"}
    written = {Asked.of(closing.name, "dynamodb:PutItem", table, {ITEM: [key]}) for key in others}
    calls = used(role, closing, audit) | written
    puts = {f"dynamodb:PutItem on {table} with {{'{ITEM}': '{key}'}}" for key in others}

    def allowed(role: Role) -> set[str]:
        found = judge([role, closing, audit], calls).hostile
        return {each.what for each in found if each.role == step} & puts

    assert allowed(role) == set()
    assert allowed(bent(role, lambda each: statement(each, "WriteJournal").pop("Condition"))) == puts


@needs_node
def test_a_call_of_a_role_that_is_not_there_is_insufficient(roles: dict[str, Role]) -> None:
    attach, audit = roles["AttachPolicies"], roles["AuditGrants"]
    stranger = replace(audit, name="regrant-GoneFunctionRole-0123456789AB")
    judgement = judge([attach, audit], used(attach, audit, stranger))
    assert {finding.role for finding in judgement.insufficient} == {stranger.name}


@needs_node
def test_an_exception_that_nothing_needs_is_told(roles: dict[str, Role]) -> None:
    attach, audit = roles["AttachPolicies"], roles["AuditGrants"]
    needless = Reason("It was needed once.", ("ecs:RunTask",), "[*]", ("AttachPolicies",))
    judgement = judge([attach, audit], used(attach, audit), covered=(*COVERED, needless))
    assert "AttachPolicies: ecs:RunTask on [*]" in judgement.idle
    assert any("NOTHING NEEDS" in line and "ecs:RunTask" in line for line in judgement.wrong)


def test_a_boundary_that_a_role_has_is_not_something_to_send(roles: dict[str, Role]) -> None:
    """GetRole of a role with another boundary is GetRole of the same role, so no second request."""
    attach, audit = roles["AttachPolicies"], roles["AuditGrants"]
    boundary = "arn:aws:iam::123456789012:policy/retainwise/retainwise-boundary"
    calls = used(attach, audit)
    bounded = {
        Asked(each.role, each.action, each.resource, (("iam:permissionsboundary", (boundary,)),))
        for each in calls
        if each.action == "iam:GetRole"
    }
    assert bounded
    assert attempts([attach, audit], calls | bounded) == attempts([attach, audit], calls)
    assert "iam:PutRolePermissionsBoundary" in {each.action for each in attempts([attach, audit], calls)}


def test_a_bent_name_is_each_time_another(roles: dict[str, Role]) -> None:
    others = list(bend("arn:aws:iam::123456789012:role/app/worker"))
    name = "arn:aws:iam::123456789012:role"
    assert {
        *("arn:aws:iam::210987654321:role/app/worker", "arn:aws-cn:iam::123456789012:role/app/worker"),
        *(f"{name}/app/workerx", f"{name}/app/xworker", f"{name}/app/worke", f"{name}/app/WORKER"),
        *(f"{name}/app/x/worker", f"{name}/x/app/worker", f"{name}/another/worker"),
    } <= set(others)
    assert len(others) == len(set(others)) and f"{name}/app/worker" not in others


def test_hostile_requests_are_thousands_and_among_them_the_worst(roles: dict[str, Role]) -> None:
    tried = attempts(list(roles.values()), used(*roles.values()))
    assert len(tried) == len(set(tried)) > 5000
    admin, key = "arn:aws:iam::aws:policy/AdministratorAccess", "iam:policyarn"
    own = f"arn:aws:iam::123456789012:role/{roles['AttachPolicies'].name}"
    schedules = f"arn:aws:iam::123456789012:role/{roles['ScheduleRole'].name}"
    execution = "arn:aws:iam::123456789012:role/retainwise-ecs-execution-role"
    passed = "iam:passedtoservice"
    assert {
        Attempt("AttachPolicies", "iam:AttachRolePolicy", MANAGED),
        Attempt("AttachPolicies", "iam:AttachRolePolicy", MANAGED, ((key, admin),)),
        Attempt("AttachPolicies", "iam:AttachRolePolicy", own, ((key, GRANTABLE),)),
        Attempt("AttachPolicies", "iam:PutRolePolicy", own),
        Attempt("WithdrawGrants", "iam:AttachRolePolicy", MANAGED, ((key, GRANTABLE),)),
        Attempt("RedeployService", "iam:PassRole", MANAGED, ((passed, "lambda.amazonaws.com"),)),
        Attempt("RedeployService", "iam:PassRole", execution, ((passed, "ec2.amazonaws.com"),)),
        Attempt("AttachPolicies", "iam:PassRole", execution, ((passed, "ecs-tasks.amazonaws.com"),)),
        Attempt("RedeployService", "iam:PassRole", schedules, ((passed, "scheduler.amazonaws.com"),)),
        Attempt(
            "RedeployService",
            "ecs:UpdateService",
            "arn:aws:ecs:us-east-1:123456789012:service/another/any",
        ),
        Attempt(
            "OpenIncident",
            "ssm:GetParameters",
            "arn:aws:ssm:us-east-1:123456789012:parameter/another/services/any",
        ),
    } <= set(tried)


def test_the_arns_of_one_list_are_one_permission(roles: dict[str, Role]) -> None:
    (attach,) = [p for p in roles["AttachPolicies"].permissions if p.action == "iam:AttachRolePolicy"]
    assert len(attach.resources) == 3
    invoked = [p for p in roles["RunbookRole"].permissions if p.action == "lambda:InvokeFunction"]
    assert {len(each.resources) for each in invoked} == {1} and len(invoked) == 13


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"},
        {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "NotResource": "*"},
    ],
)
def test_what_is_not_looked_at_is_an_error(statement: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Only Allow, Action and Resource"):
        role_of("regrant-SomeRole-0123456789AB", ({"Version": "2012-10-17", "Statement": [statement]},))


def test_the_figures_count_what_has_no_reason() -> None:
    reason = Reason("It must.", ("ecs:RunTask",), "[*]")
    judgement = Judgement(
        insufficient=[Finding("A", "x")],
        unneeded=[Finding("A", "y"), Finding("A", "z", reason)],
        hostile=[Finding("A", "w", reason)],
        tried={"A": 7, "B": 5},
    )
    figures = command.figures(judgement)
    assert {
        key: figures[key] for key in ("insufficient", "unneeded", "hostile_allowed", "hostile_tried")
    } == {
        "insufficient": 1,
        "unneeded": 1,
        "hostile_allowed": 0,
        "hostile_tried": 12,
    }
    assert figures["exceptions"]["hostile_allowed"] == [{"role": "A", "what": "w", "reason": "It must."}]
    assert [line.partition("  ")[0] for line in judgement.wrong] == [
        "DENIED BUT NEEDED",
        "ALLOWED BUT NOT NEEDED",
    ]


def test_without_node_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert command.main([]) == 2
    assert "needs Node.js 18 or later" in capsys.readouterr().err
