"""The least statement that what nobody declared lacks, and where the permission is if it is near."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.run import Diagnosis, Finding, Incident
from tests.unit.cure import CURE, EXPIRY, LATER, granted, planned
from tests.unit.fakes import (
    ACCOUNT,
    ALLOWED,
    DENIAL,
    ENTRY,
    EXECUTION_ROLE,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    QUEUE,
    RECEIVE,
    ROLE,
    SEND,
    TASK_DEFINITION,
    WORKER_ROLE,
    World,
)
from tests.unit.run import Run

TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/other"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0f9c2f1d-7f3f-4c5e-8a6b-9d0e1c2a3b4f"


def denied(action: str, resource: str) -> str:
    return DENIAL.replace("sqs:receivemessage", action).replace(QUEUE, resource)


UPDATE = denied("dynamodb:UpdateItem", TABLE)
BARE = UPDATE.split(" because ")[0]


def diagnosed(
    *messages: str, world: World | None = None, incident: Incident = INCIDENT_OF_WORKER
) -> Diagnosis:
    world = world or World()
    for number, message in enumerate(messages):
        world.logs.write(-60 + number / 100, message, "old-1")
    return Run(world, incident).diagnose()


def role_with(*statements: dict[str, Any], inline: str = "own") -> World:
    world = World()
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    world.roles.role = replace(ROLE, attached=(), inline={inline: document} if statements else {})
    return world


def allow(action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def of(code: str, diagnosis: Diagnosis) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.code == code]


def stated(diagnosis: Diagnosis) -> list[tuple[list[str], list[str]]]:
    """The statements of the finding; none without one."""
    found = of("MISSING_STATEMENT", diagnosis)
    return [
        (each["Action"], each["Resource"])
        for finding in found
        for each in json.loads(finding.evidence[0])["Statement"]
    ]


def elsewhere(diagnosis: Diagnosis) -> list[str]:
    return [finding.text for finding in of("PERMISSION_ELSEWHERE", diagnosis)]


def test_a_refused_run_says_what_is_missing() -> None:
    diagnosis = diagnosed(UPDATE)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "NOT_DECLARED"
    assert stated(diagnosis) == [(["dynamodb:UpdateItem"], [TABLE])]
    (finding,) = of("MISSING_STATEMENT", diagnosis)
    assert finding.text == (
        "retainwise-ecs-task-role lacks a statement for dynamodb:UpdateItem."
        " The least one is in the report's `next`."
    )


def test_all_denied_calls_are_in_it_each_on_its_own_resources() -> None:
    get = denied("dynamodb:getitem", f"{TABLE}/index/by-day")
    assert stated(diagnosed(UPDATE, get)) == [
        (["dynamodb:GetItem"], [f"{TABLE}/index/by-day"]),
        (["dynamodb:UpdateItem"], [TABLE]),
    ]


def test_beside_a_repair_it_has_what_stays_denied_and_nothing_that_the_repair_allows() -> None:
    diagnosis = diagnosed(DENIAL, UPDATE)
    assert diagnosis.plan is not None and diagnosis.plan.attach == (RECEIVE,)
    assert stated(diagnosis) == [(["dynamodb:UpdateItem"], [TABLE])]


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expire"])
def test_a_cure_and_an_expiry_say_it_too(incident: Incident) -> None:
    world = granted()
    world.logs.write(LATER - 60, UPDATE, "old-1")
    assert stated(planned(world, incident)) == [(["dynamodb:UpdateItem"], [TABLE])]


def test_a_declared_policy_that_does_not_exist_may_be_made_with_it() -> None:
    world = World()
    world.roles.nonexistent = (RECEIVE,)
    diagnosis = diagnosed(UPDATE, world=world)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "POLICY_MISSING"
    assert stated(diagnosis) == [(["dynamodb:UpdateItem"], [TABLE])]


@pytest.mark.parametrize(
    "message",
    [
        UPDATE.replace("retainwise-ecs-task-role", "somebody-else"),
        *(
            f"{BARE} with an explicit deny in {layer}"
            for layer in (
                *("an identity-based policy", "a service control policy", "a permissions boundary"),
                *("a resource-based policy", "a session policy", "a VPC endpoint policy"),
            )
        ),
        f"{BARE} because no permissions boundary allows the dynamodb:UpdateItem action",
        f"{BARE} because no resource-based policy allows the dynamodb:UpdateItem action",
        f"{BARE} with an explicit deny in an identity-based policy:"
        " arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
        *(
            denied(action, resource)
            for action, resource in (
                ("iam:PassRole", OLD_ROLE),
                ("sts:AssumeRole", OLD_ROLE),
                ("organizations:CreateAccount", "*"),
                ("kms:PutKeyPolicy", KEY),
                ("s3:PutBucketPolicy", "arn:aws:s3:::bucket"),
                ("lambda:AddPermission", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"),
                ("dynamodb:NoSuchAction", TABLE),
                ("dynamodb:UpdateItem", "*"),
                ("dynamodb:UpdateItem", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/*"),
                ("s3:GetObject", "arn:aws:s3:::bucket/${aws:username}"),
                ("s3:GetObject", 'arn:aws:s3:::bucket/a","arn:aws:s3:::*'),
            )
        ),
    ],
)
def test_none_is_written_for(message: str) -> None:
    assert 'arn:aws:s3:::*"' not in str(diagnosed(message).findings)
    assert all("*" not in on for _, on in stated(diagnosed(message)))
    assert stated(diagnosed(message)) in ([], [(["s3:GetObject"], ["arn:aws:s3:::bucket/a"])])


def test_beside_a_layer_that_is_in_the_way_a_statement_would_not_help() -> None:
    publish = denied("sns:Publish", TABLE).split(" because ")[0]
    by_scp = f"{publish} with an explicit deny in a service control policy"
    diagnosis = diagnosed(UPDATE, by_scp)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == "SCP_OR_RCP"
    assert stated(diagnosis) == []


def test_an_action_that_takes_no_resource_is_allowed_on_everything_as_it_must_be() -> None:
    assert stated(diagnosed(denied("ecr:GetAuthorizationToken", "*"))) == [
        (["ecr:GetAuthorizationToken"], ["*"])
    ]


def test_what_is_left_out_is_said() -> None:
    diagnosis = diagnosed(UPDATE, denied("iam:PassRole", OLD_ROLE))
    assert stated(diagnosis) == [(["dynamodb:UpdateItem"], [TABLE])]
    (finding,) = of("MISSING_STATEMENT", diagnosis)
    assert finding.text.endswith("It leaves out 1 denied call: see the other findings.")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("lambda:InvokeFunction", "lambda:us-east-1:123456789012:function:regrant-answer-approval"),
        ("dynamodb:PutItem", "dynamodb:us-east-1:123456789012:table/regrant-journal"),
        ("states:StartExecution", "states:us-east-1:123456789012:stateMachine:regrant-runbook"),
        ("ssm:PutParameter", "ssm:us-east-1:123456789012:parameter/regrant/services/a/b"),
    ],
)
def test_a_forged_line_brings_no_statement_for_a_part_of_the_stack(action: str, resource: str) -> None:
    forged = denied(action, f"arn:aws:{resource}")
    assert stated(diagnosed(forged)) == []
    assert stated(diagnosed(forged.replace("regrant", "other"))) == [
        ([action], [f"arn:aws:{resource.replace('regrant', 'other')}"])
    ]
    diagnosis = diagnosed(UPDATE, forged)
    assert stated(diagnosis) == [(["dynamodb:UpdateItem"], [TABLE])]
    assert of("MISSING_STATEMENT", diagnosis)[0].text.endswith(
        "It leaves out 1 denied call: see the other findings."
    )
    world = granted()
    world.logs.write(LATER - 60, forged, "old-1")
    assert stated(planned(world, CURE)) == []


def test_of_a_storm_only_so_much_is_stated_as_a_person_reads() -> None:
    storm = [denied("s3:GetObject", f"arn:aws:s3:::bucket/{number:03}") for number in range(30)]
    diagnosis = diagnosed(*storm)
    ((_, objects),) = stated(diagnosis)
    assert len(objects) == 20
    assert "leaves out 10 denied calls" in of("MISSING_STATEMENT", diagnosis)[0].text


def test_a_policy_for_another_service_s_arn_is_shown_with_the_part_that_differs() -> None:
    world = role_with(allow("sqs:ReceiveMessage", QUEUE.replace(":sqs:", ":ses:"), Sid="Read"))
    entry = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, policies=(SEND,)))
    diagnosis = diagnosed(DENIAL, world=world, incident=entry)
    assert elsewhere(diagnosis) == [
        f"own (statement Read) allows sqs:ReceiveMessage on {QUEUE.replace(':sqs:', ':ses:')}:"
        " arn:aws:ses: there, arn:aws:sqs: in the denied call."
    ]


@pytest.mark.parametrize(
    ("pattern", "theirs", "ours"),
    [
        (TABLE.replace("other", "another"), "table/another", "table/other"),
        (TABLE.replace("us-east-1", "eu-west-1"), "eu-west-1:", "us-east-1:"),
        (TABLE.replace(ACCOUNT, "999999999999"), "999999999999:", f"{ACCOUNT}:"),
        (f"{TABLE}/*", "table/other/*", "table/other"),
        (TABLE.replace("us-east-1", "*").replace("other", "x-*"), "table/x-*", "table/other"),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket", TABLE),
    ],
)
def test_the_part_that_differs_is_the_shortest_that_says_it(pattern: str, theirs: str, ours: str) -> None:
    diagnosis = diagnosed(UPDATE, world=role_with(allow("dynamodb:*", pattern)))
    assert elsewhere(diagnosis)[0].endswith(f": {theirs} there, {ours} in the denied call.")


def test_the_nearest_of_several_is_shown() -> None:
    near, far = TABLE.replace("other", "another"), "arn:aws:s3:::bucket"
    diagnosis = diagnosed(UPDATE, world=role_with(allow("*", far), allow("dynamodb:UpdateItem", near)))
    assert len(elsewhere(diagnosis)) == 1 and near in elsewhere(diagnosis)[0]


def test_another_service_s_action_of_that_name_is_shown() -> None:
    diagnosis = diagnosed(UPDATE, world=role_with(allow("dynamodbv2:UpdateItem", TABLE)))
    assert elsewhere(diagnosis) == [
        f"own (statement #1) allows dynamodbv2:UpdateItem on {TABLE}: dynamodbv2:UpdateItem there,"
        " dynamodb:UpdateItem in the denied call."
    ]


def with_roles(**statements: dict[str, Any]) -> World:
    """The execution role, and the declared role beside the one in use, with a policy of their own."""
    world = role_with()
    world.services.definition = replace(TASK_DEFINITION, execution_role=EXECUTION_ROLE)
    for role, arn in (("execution", EXECUTION_ROLE), ("declared", WORKER_ROLE)):
        listed = [statements[role]] if role in statements else []
        document = {"Version": "2012-10-17", "Statement": listed}
        world.roles.others[arn] = replace(
            ROLE, arn=arn, attached=(), inline={"own": document} if listed else {}
        )
    return world


def test_the_execution_role_may_have_what_the_task_role_lacks() -> None:
    diagnosis = diagnosed(UPDATE, world=with_roles(execution=allow("dynamodb:*", TABLE, Sid="Items")))
    (finding,) = of("PERMISSION_ELSEWHERE", diagnosis)
    assert finding.evidence == (EXECUTION_ROLE,)
    assert finding.text == (
        "The execution role retainwise-ecs-execution-role may do it (own, statement Items):"
        f" dynamodb:UpdateItem on {TABLE}. ECS uses that role only to start tasks; what the containers call"
        " needs it on the task role retainwise-ecs-task-role."
    )


def test_the_declared_role_may_have_what_the_role_in_use_lacks() -> None:
    (text,) = elsewhere(diagnosed(UPDATE, world=with_roles(declared=allow("dynamodb:*", TABLE))))
    assert text.startswith("The declared role prod-retainwise-worker-task-role may do it (own, statement #1)")
    assert text.endswith("The tasks run as retainwise-ecs-task-role; a cure moves them.")


def test_a_role_that_may_not_do_it_or_is_not_listed_is_not_named() -> None:
    assert elsewhere(diagnosed(UPDATE, world=with_roles(execution=allow("dynamodb:GetItem", TABLE)))) == []
    unlisted = with_roles(execution=allow("dynamodb:*", TABLE))
    unlisted.allowed.allowed = replace(ALLOWED, execution_roles=frozenset())
    assert elsewhere(diagnosed(UPDATE, world=unlisted)) == []


@pytest.mark.parametrize("error", [AwsRefused("no", "AccessDenied"), AwsUnavailable("busy")])
def test_a_role_that_cannot_be_read_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world = with_roles(execution=allow("dynamodb:*", TABLE))
    read = world.roles.permissions

    def refused(role: str, wanted: tuple[str, ...]) -> Any:
        if role == EXECUTION_ROLE:
            raise error
        return read(role, wanted)

    monkeypatch.setattr(world.roles, "permissions", refused)
    diagnosis = diagnosed(UPDATE, world=world)
    assert diagnosis.next == "REFUSE" and elsewhere(diagnosis) == []
    assert stated(diagnosis) != []
