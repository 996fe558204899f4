"""What Diagnose says: ranked, grouped, short whatever the log holds, and the decision that follows."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from regrant.denials.calls import read_calls
from regrant.denials.search import DENIAL_TERM
from regrant.model.aws import LogLine
from regrant.model.run import Diagnosis, Incident
from regrant.report.render import render
from tests.unit.fakes import (
    ACCOUNT,
    DEFINITION,
    DENIAL,
    ENTRY,
    INCIDENT_OF_WORKER,
    QUEUE,
    RECEIVE,
    ROLE,
    ROUTE,
    SEND,
    World,
    at,
)
from tests.unit.run import Run

SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/retainwise-ecs-task-role/0f9c2f1d7f3f4c5e8a6b"
STRANGER = f"arn:aws:sts::{ACCOUNT}:assumed-role/somebody-else/session"


def sentence(action: str, resource: str, who: str = SESSION, reason: str = "") -> str:
    because = reason or f" because no identity-based policy allows the {action} action"
    return f"ERROR: User: {who} is not authorized to perform: {action} on resource: {resource}{because}"


RECEIVING, SENDING = sentence("sqs:ReceiveMessage", QUEUE), sentence("sqs:SendMessage", QUEUE)
UNDECLARED = sentence("dynamodb:UpdateItem", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/predictions")
OTHERS = sentence("sqs:ReceiveMessage", QUEUE, STRANGER)
ENCODED = (
    "An error occurred (UnauthorizedOperation): You are not authorized to perform this operation."
    " Encoded authorization failure message: 4bQZ-abcdefghijklmnop"
)


def diagnosed(*lines: str, world: World | None = None, incident: Incident = INCIDENT_OF_WORKER) -> Diagnosis:
    world = world or World()
    for number, line in enumerate(lines):
        world.logs.write(number / max(1, len(lines) / 600) - 600, line, "old-1")
    return Run(world, incident).diagnose()


def has(*attached: str) -> World:
    world = World()
    world.roles.role = replace(ROLE, attached=attached)
    return world


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def declaring(*policies: str) -> Incident:
    return replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, policies=policies))


def refused(diagnosis: Diagnosis) -> str:
    assert diagnosis.next == "REFUSE" and diagnosis.plan is None and diagnosis.refusal is not None
    return diagnosis.refusal.code


def attached(diagnosis: Diagnosis) -> tuple[str, ...]:
    assert diagnosis.next == "CHANGE" and diagnosis.plan is not None
    return diagnosis.plan.attach


def test_only_what_the_denied_calls_need_is_attached() -> None:
    assert attached(diagnosed(RECEIVING, incident=declaring(SEND, RECEIVE))) == (RECEIVE,)


def test_all_that_is_denied_is_fixed_by_one_run() -> None:
    assert attached(diagnosed(RECEIVING, SENDING, incident=declaring(RECEIVE, SEND))) == (SEND, RECEIVE)


def test_a_call_that_nobody_declared_does_not_keep_another_from_its_repair() -> None:
    diagnosis = diagnosed(*[RECEIVING] * 9, UNDECLARED)
    assert attached(diagnosis) == (RECEIVE,)
    assert codes(diagnosis) == [
        *("NOT_DECLARED", "MISSING_ATTACHMENT", "MISSING_STATEMENT", "PERMISSION_ELSEWHERE"),
        "WRONG_TASK_ROLE",
    ]
    stays = ["It stays denied" in finding.text for finding in diagnosis.findings]
    assert stays == [True, False, False, False, False]


def test_a_call_that_nobody_declared_refuses_the_run_where_nothing_else_is_denied() -> None:
    diagnosis = diagnosed(UNDECLARED)
    assert refused(diagnosis) == "NOT_DECLARED"
    assert "stays denied" not in diagnosis.findings[0].text


def test_where_one_container_is_denied_it_is_not_named() -> None:
    assert "logged by" not in diagnosed(RECEIVING).findings[0].text


def test_where_several_containers_are_denied_each_finding_names_its_own() -> None:
    world = World()
    both = (ROUTE, replace(ROUTE, stream_prefix="ecs/otel"))
    world.services.definition = replace(world.services.definition, logs=both)
    world.logs.write(-9, RECEIVING, "old-1")
    world.logs.write(-8, UNDECLARED, "old-1", container="otel")
    found = {finding.code: finding.text for finding in diagnosed(world=world).findings}
    assert ", logged by otel. It stays denied" in found["NOT_DECLARED"]
    assert found["MISSING_ATTACHMENT"].endswith(", logged by worker.")


def test_what_the_enrolment_ignores_is_named_and_is_no_cause() -> None:
    ignoring = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, ignore_actions=("dynamodb:UpdateItem",)))
    diagnosis = diagnosed(RECEIVING, UNDECLARED, incident=ignoring)
    assert (attached(diagnosis), diagnosis.stays_denied) == ((RECEIVE,), ())
    assert codes(diagnosis) == ["MISSING_ATTACHMENT", "IGNORED", "WRONG_TASK_ROLE"]
    assert diagnosis.findings[1].text.startswith(
        "The enrolment says to ignore it (IgnoreActions): dynamodb:UpdateItem on "
    )


def test_where_all_that_is_denied_is_ignored_there_is_nothing_to_fix() -> None:
    ignoring = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, ignore_actions=("dynamodb:UpdateItem",)))
    report = Run(World(), ignoring, diagnosed(UNDECLARED, incident=ignoring)).close()
    assert report.outcome == "NOTHING_TO_FIX"
    assert [finding.code for finding in report.findings].count("IGNORED") == 1
    assert "IgnoreActions" in report.next


def test_another_principal_alone_refuses_the_run() -> None:
    assert refused(diagnosed(OTHERS)) == "OTHER_PRINCIPAL"


def test_another_principal_beside_the_task_role_does_not() -> None:
    diagnosis = diagnosed(RECEIVING, OTHERS, OTHERS)
    assert attached(diagnosis) == (RECEIVE,)
    assert codes(diagnosis) == ["MISSING_ATTACHMENT", "OTHER_PRINCIPAL", "WRONG_TASK_ROLE"]


def test_what_cannot_be_read_goes_by_the_catalogue() -> None:
    diagnosis = diagnosed(ENCODED)
    assert attached(diagnosis) == (RECEIVE,)
    assert codes(diagnosis) == ["UNREADABLE", "WRONG_TASK_ROLE", "MISSING_ATTACHMENT"]


def test_what_cannot_be_read_is_refused_where_everything_is_attached() -> None:
    diagnosis = diagnosed(ENCODED, world=has(RECEIVE))
    assert refused(diagnosis) == "UNREADABLE"


def test_what_is_granted_by_now_is_nothing_to_fix_though_more_is_declared() -> None:
    diagnosis = diagnosed(RECEIVING, world=has(RECEIVE), incident=declaring(RECEIVE, SEND))
    assert diagnosis.next == "NOTHING_TO_FIX"
    assert codes(diagnosis) == ["ALREADY_GRANTED", "WRONG_TASK_ROLE"]


def test_declared_policies_that_contradict_each_other_are_refused() -> None:
    world = World()
    allow = {"Effect": "Allow", "Action": "sqs:*", "Resource": QUEUE}
    deny = {"Effect": "Deny", "Action": "sqs:SendMessage", "Resource": QUEUE}
    world.roles.documents[RECEIVE] = {"Version": "2012-10-17", "Statement": [allow, deny]}
    diagnosis = diagnosed(RECEIVING, SENDING, world=world, incident=declaring(RECEIVE, SEND))
    assert refused(diagnosis) == "POLICIES_CONFLICT"


def test_the_limit_counts_only_what_would_be_attached() -> None:
    world = has("a")
    world.roles.quota = 2
    assert attached(diagnosed(RECEIVING, world=world, incident=declaring(RECEIVE, SEND))) == (RECEIVE,)


def test_a_dry_run_finds_the_same() -> None:
    contain = diagnosed(RECEIVING, OTHERS)
    plan = diagnosed(RECEIVING, OTHERS, incident=replace(INCIDENT_OF_WORKER, mode="plan"))
    assert (plan.next, plan.findings, plan.plan) == ("PLAN", contain.findings, contain.plan)


def test_many_resources_of_one_action_are_one_finding() -> None:
    lines = [sentence("s3:GetObject", f"arn:aws:s3:::uploads/file {n}.csv") for n in range(5)]
    finding = diagnosed(*lines).findings[0]
    assert finding.text.startswith("No policy that the catalogue declares allows it: s3:GetObject on ")
    assert (
        "and 4 other resources, denied 5 times from 2025-11-11T21:42:14Z to 2025-11-11T21:42:18Z."
        in finding.text
    )


def test_a_single_denial_has_one_time() -> None:
    assert diagnosed(RECEIVING).findings[0].text.endswith(", denied once at 2025-11-11T21:42:14Z.")


def test_sessions_of_one_role_and_spellings_of_one_action_are_one_call() -> None:
    lines = [LogLine(at(n), "ecs/worker/t", DENIAL.replace("8a6b is", f"8a6{n} is")) for n in range(3)]
    (call,) = read_calls([*lines, LogLine(at(3), "ecs/worker/t", RECEIVING)])
    assert (call.count, call.since, call.until) == (4, at(0), at(3))
    assert call.sample == lines[0].message


def test_a_line_of_somebody_elses_words_is_no_call() -> None:
    assert read_calls([LogLine(at(0), "s/t/u", "User bob is not authorized to perform checkout")]) == ()


HOSTILE = ["\x1b[31m", "\r\n", "\u202e", "{" * 40, "x" * 5000, "%s%n", "`$(reboot)`"]


@pytest.mark.parametrize("kind", ["resources", "actions"])
def test_whatever_the_log_holds_the_diagnosis_stays_small_and_the_page_on_one_screen(kind: str) -> None:
    lines = []
    for n in range(3000):
        junk = HOSTILE[n % len(HOSTILE)]
        action = f"sqs:Made{n}Up" if kind == "actions" else "s3:GetObject"
        lines.append(sentence(action, f"arn:aws:s3:::bucket/{n}/{junk}") + junk)
    diagnosis = diagnosed(*lines)
    assert len(msgspec.json.encode(diagnosis)) < 100_000
    page = render(Run(World(), diagnosis=diagnosis).close())
    screen, _, statement = page.partition("As JSON for IAM:")
    assert len(screen.splitlines()) <= 45 and len(statement.splitlines()) <= 45
    assert all(character.isprintable() for line in page.splitlines() for character in line)
    assert max(map(len, screen.splitlines())) <= 120


QUARANTINED = sentence(
    "lambda:CreateFunction",
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:resize",
    f"arn:aws:iam::{ACCOUNT}:user/ci",
    " with an explicit deny in an identity-based policy:"
    " arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3",
)


def test_a_leaked_key_refuses_the_run_though_the_task_roles_own_call_is_fixed() -> None:
    diagnosis = diagnosed(*[RECEIVING] * 9, QUARANTINED)
    assert refused(diagnosis) == "COMPROMISED_KEY"
    assert codes(diagnosis)[0] == "COMPROMISED_KEY"
    assert diagnosis.refusal is not None and "user/ci" in diagnosis.refusal.message


@pytest.mark.parametrize(
    "line",
    [
        '{"level":"error","msg":"You are not authorized to perform this action.","status":401}',
        "This request is not authorized to perform this operation. ErrorCode: AuthorizationFailure",
        "WARN Role 'packer' is not authorized to perform action 'ship'.",
    ],
)
def test_words_that_are_not_awss_attach_nothing(line: str) -> None:
    diagnosis = diagnosed(line)
    assert (diagnosis.next, diagnosis.plan) == ("NOTHING_TO_FIX", None)
    assert (
        diagnosis.refusal is not None
        and diagnosis.refusal.code == "NO_DENIAL"
        and line in diagnosis.refusal.message
    )
    assert diagnosis.refusal.outcome == "NOTHING_TO_FIX"


def test_a_line_that_ends_with_the_words_may_be_the_beginning_of_a_denial() -> None:
    assert attached(diagnosed("│ is not authorized to perform:        │")) == (RECEIVE,)


def test_words_that_are_not_awss_hide_no_denial_beside_them() -> None:
    assert attached(diagnosed("You are not authorized to perform this action.", RECEIVING)) == (RECEIVE,)


def test_a_log_that_is_not_read_whole_may_hold_a_denial_all_the_same() -> None:
    world = World()
    world.logs.endless = (DENIAL_TERM,)
    assert attached(diagnosed("You are not authorized to perform this action.", world=world)) == (RECEIVE,)


def test_a_refusal_says_over_which_action_and_revision_it_is_whatever_the_names_look_like() -> None:
    """What is news of it goes by that (regrant.refusals), and not by words of the text."""
    secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:Tenant7-AbCdEf"
    diagnosis = diagnosed(sentence("secretsmanager:GetSecretValue", secret))
    assert refused(diagnosis) == "NOT_DECLARED"
    actions = {finding.action for finding in diagnosis.findings if finding.action}
    assert (actions, diagnosis.tried) == ({"secretsmanager:GetSecretValue"}, (DEFINITION,))


def test_a_flood_of_made_up_denials_does_not_hide_the_one_that_a_grant_fixes() -> None:
    forged = [sentence(f"s3:PutObject{letter}", "*") for letter in "abcdefghijklmnopqrst"]
    found = [finding.code for finding in diagnosed(*forged, RECEIVING).findings]
    assert "MISSING_ATTACHMENT" in found and found.count("MORE") == 1
