"""A person is asked, and only a plain yes carries out the plan that was shown."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from regrant.approval.answered import with_answer
from regrant.approval.plan import plan_digest
from regrant.baseline.drift import ROUNDS
from regrant.errors import AccountMoved, AnswerNotRecorded, AwsRefused
from regrant.iam.policy import Policy
from regrant.leases import take_role
from regrant.model.aws import name_of
from regrant.model.journal import Hold
from regrant.model.run import AskEvent, Diagnosis, Finding, Incident, RunState
from regrant.report.approval import TIME_LIMIT, ask_approval, judge_answer
from regrant.report.compose import make_report
from regrant.settings import Settings
from tests.unit.cure import CURE, EXPIRY, granted, planned
from tests.unit.fakes import (
    APPROVER,
    CONTAIN,
    DOCUMENTS,
    ENTRY,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    OPENED,
    PLAN,
    POLICY_IDS,
    RECEIVE,
    ROLE,
    SEND,
    WORKER,
    FakeTopic,
    World,
    at,
    text_of,
)
from tests.unit.run import Run

CAREFUL = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, approval="required"))
ASK = replace(CONTAIN, next="ASK")
TOKEN = "AQCEAAAAKgAAAAMAAAAA+/token=="
YES = {"approved": True}


def asked(diagnosis: Diagnosis = ASK, world: World | None = None, incident: Incident = CAREFUL) -> str:
    world = world or World()
    ask_approval(AskEvent(RunState(incident, diagnosis), at(3), TOKEN), world)
    ((_, message),) = world.topic.sent
    return message


def test_the_question_stands_in_the_journal_as_in_the_mail() -> None:
    """Whoever has no mail reads it there (make report)."""
    world = World()
    message = asked(world=world)
    question = world.approvals.last(INCIDENT)
    assert question is not None and question.text == message and TOKEN not in message


def answered(answer: object, diagnosis: Diagnosis = ASK) -> RunState:
    return RunState(CAREFUL, replace(diagnosis, answer=answer))


def approved(world: World) -> Run:
    """A run that a person has said yes to."""
    run = Run(world, CAREFUL)
    run.diagnose()
    run.approve()
    return run


def test_a_plan_of_a_service_that_asks_for_it_waits_for_a_person() -> None:
    assert Run(World(), CAREFUL).diagnose().next == "ASK"
    assert Run(World(), INCIDENT_OF_WORKER).diagnose().next == "CHANGE"


def test_the_question_has_the_change_its_reason_the_time_limit_and_both_answers() -> None:
    finding = Finding("MISSING_ATTACHMENT", "retainwise-ecs-task-role lacks it\n\x1b[2Jnow")
    message = asked(replace(ASK, findings=(finding,)))
    assert f"- attach prod-retainwise-sqs-worker ({RECEIVE}) to {OLD_ROLE}" in message
    assert "lacks it \\u001b[2Jnow" in message
    assert at(3 + TIME_LIMIT) in message
    assert "force a new deployment" in message
    lines = message.splitlines()
    for word, answer in (("Yes", "approve"), ("No", "reject")):
        command = lines[lines.index(f"{word}:") + 1]
        plan = plan_digest(RunState(CAREFUL, ASK))
        given = [f"RUN={INCIDENT}", f"PLAN={plan}", f"ANSWER={answer}", "STACK=regrant"]
        assert shlex.split(command) == ["make", "answer", *given]


def test_the_token_is_in_the_journal_and_in_no_message() -> None:
    world = World()
    assert TOKEN not in asked(world=world)
    question = world.approvals.last(INCIDENT)
    assert question is not None and (question.token, question.answer) == (TOKEN, None)
    assert (question.asked_at, question.until, question.started) == (at(3), at(3 + TIME_LIMIT), OPENED)
    assert question.plan == plan_digest(RunState(CAREFUL, ASK))


@pytest.mark.parametrize("approvers", ["", "any", APPROVER])
def test_the_question_says_who_may_answer_and_if_nobody_may(approvers: str) -> None:
    environment = {"CATALOGUE_PREFIX": "/regrant/services/", "APPROVERS": approvers}
    message = asked(world=World(settings=Settings(environment)))
    assert ("NOBODY CAN ANSWER" in message) is (approvers == "")


AGAINST = ASK.planned_against
assert AGAINST is not None


@pytest.mark.parametrize(
    "changed",
    [
        replace(CAREFUL, id="another-run"),
        replace(CAREFUL, service=replace(WORKER, name="another")),
        replace(ASK, plan=replace(PLAN, attach=(SEND,))),
        replace(ASK, plan=replace(PLAN, redeploy=False)),
        replace(ASK, planned_against=replace(AGAINST, entry="0" * 64)),
        replace(ASK, planned_against=replace(AGAINST, policies={})),
        replace(ASK, planned_against=replace(AGAINST, rest="0" * 64)),
    ],
)
def test_another_run_other_changes_and_other_texts_are_another_plan(changed: Incident | Diagnosis) -> None:
    incident = changed if isinstance(changed, Incident) else CAREFUL
    diagnosis = changed if isinstance(changed, Diagnosis) else ASK
    assert plan_digest(RunState(incident, diagnosis)) != plan_digest(RunState(CAREFUL, ASK))


def test_a_plan_has_one_hash_before_its_answer_and_after_it() -> None:
    """CaptureBaseline gets what Step Functions has made of the state: JSON, with the answer in it."""
    before, after = RunState(CAREFUL, ASK), answered(YES)
    passed = msgspec.json.decode(msgspec.json.encode(after), type=RunState)
    assert plan_digest(passed) == plan_digest(before)


def test_a_yes_that_the_journal_does_not_have_changes_nothing() -> None:
    """Somebody has read the token in the execution's history, and may call SendTaskSuccess."""
    world = World()
    run = approved(world)
    world.approvals.questions.clear()
    asked(run.state.diagnosis or ASK, world)
    with pytest.raises(AnswerNotRecorded, match="did not come through"):
        run.capture(110)
    assert world.journal.baselines == {}


OTHERS = [{"id": "another-run"}, {"opened_at": at(-91 * 24 * 3600)}]
"""The second has the same name, which Step Functions lets another run have 90 days after its end."""


@pytest.mark.parametrize("other", OTHERS)
def test_a_yes_to_another_run_changes_nothing(other: dict[str, str]) -> None:
    world = World()
    run = approved(world)
    question = world.approvals.last(INCIDENT)
    assert question is not None
    plan = plan_digest(replace(run.state, incident=replace(run.state.incident, **other)))
    world.approvals.ask(replace(question, plan=plan))
    with pytest.raises(AnswerNotRecorded, match="another plan"):
        run.capture(110)


def test_a_no_in_the_journal_is_no_yes() -> None:
    world = World()
    run = approved(world)
    question = world.approvals.last(INCIDENT)
    assert question is not None and question.answer is not None
    world.approvals.ask(replace(question, answer=replace(question.answer, approved=False)))
    with pytest.raises(AnswerNotRecorded):
        run.capture(110)


def test_the_question_says_which_texts_a_yes_is_to() -> None:
    """Each hash on its own line, to be compared with a command's."""
    lines = asked().splitlines()
    policy = json.dumps(DOCUMENTS[RECEIVE], sort_keys=True, separators=(",", ":"))
    at_policy = lines.index(f"- policy {RECEIVE}: id {POLICY_IDS[RECEIVE]}, version v1, SHA-256")
    at_entry = lines.index(f"- catalogue entry /regrant/services/{WORKER}: SHA-256")
    assert lines[at_policy + 1].strip() == hashlib.sha256(policy.encode()).hexdigest()
    assert lines[at_entry + 1].strip() == hashlib.sha256(text_of(ENTRY).encode()).hexdigest()


def test_a_cure_asks_about_the_policies_that_the_new_role_needs() -> None:
    world = granted()
    careful = replace(CURE, entry=CAREFUL.entry)
    message = asked(planned(world, careful), world)
    assert f"- policy {RECEIVE}: id {POLICY_IDS[RECEIVE]}, version v1, SHA-256" in message


def test_a_policy_that_was_replaced_while_a_person_thought_is_asked_about_again() -> None:
    """Terraform deletes and creates it: the same ARN, v1 again, and another text."""
    world = World()
    run = approved(world)
    first = asked(run.state.diagnosis or ASK)
    world.roles.ids[RECEIVE] = "ANPAMADEAGAIN"
    statement = {"Effect": "Allow", "Action": ["sqs:*Message*", "sqs:PurgeQueue"], "Resource": "*"}
    world.roles.documents[RECEIVE] = wider = {"Version": "2012-10-17", "Statement": statement}
    with pytest.raises(AccountMoved, match=RECEIVE):
        run.capture(3000)
    again = run.diagnose(3001)
    assert (again.next, again.answer) == ("ASK", UNSET)
    second = asked(again)
    assert Policy(RECEIVE, wider).mark.sha256 in second and "ANPAMADEAGAIN" in second
    assert Policy(RECEIVE, wider).mark.sha256 not in first


def test_the_question_says_the_mode_what_started_it_and_how_long_the_grant_lasts() -> None:
    lines = asked().splitlines()
    assert f"Mode contain, started by {CAREFUL.trigger}." in lines
    hours = ENTRY.grant_ttl_hours
    assert f"The grant is temporary: after {hours} hours the service is tried without it." in lines


def test_what_is_kept_for_good_is_not_said_to_be_undone_if_it_does_not_help() -> None:
    world = granted()
    keep = replace(EXPIRY, id="keep-1", subject="keep-1", mode="keep", entry=CAREFUL.entry)
    message = asked(planned(world, keep), world, keep)
    assert "does not help" not in message and "after 24 hours" not in message
    assert "It stays like that until somebody undoes this run (mode rollback)." in message


def test_a_second_question_says_that_it_is_one_and_what_moved() -> None:
    assert "asks again" not in asked()
    world = World()
    run = approved(world)
    world.roles.role = replace(world.roles.role, attached=(SEND,))
    world.catalogue.parameters[WORKER] = text_of(replace(ENTRY, approval="required", grant_ttl_hours=4))
    message = asked(run.diagnose(20), world)
    assert "The run asks again: since the plan that it asked about before, this has changed: " in message
    assert f"whether {name_of(SEND)} is attached, the catalogue entry." in message


def test_the_step_says_until_when_the_answer_counts() -> None:
    assert ask_approval(AskEvent(RunState(CAREFUL, ASK), at(3), TOKEN), World()) == at(3 + TIME_LIMIT)


def test_a_run_that_waits_for_a_person_keeps_no_role_from_others() -> None:
    world = World()
    take_role(OLD_ROLE, CAREFUL, world, at(2))
    asked(world=world)
    assert world.leases.held[f"role/{OLD_ROLE}"].ends_at == at(3)


def test_where_nobody_can_be_asked_the_run_fails() -> None:
    world = World()
    world.topic = FakeTopic(failure=AwsRefused("no such topic", "NotFound"))
    with pytest.raises(AwsRefused):
        asked(world=world)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"approved": True}, None),
        ({"approved": True, "by": "somebody"}, None),
        ({"approved": False}, "NOT_APPROVED"),
        ({"approved": "true"}, "NOT_APPROVED"),
        ({"approved": 1}, "NOT_APPROVED"),
        ({}, "NOT_APPROVED"),
        ("yes", "NOT_APPROVED"),
        (True, "NOT_APPROVED"),
        (None, "NOT_APPROVED"),
        ([{"approved": True}], "NOT_APPROVED"),
        ({"Error": "States.Timeout", "Cause": ""}, "NOT_ANSWERED"),
        ({"Error": None, "Cause": None}, "NOT_APPROVED"),
        ({"Error": "Declined", "Cause": "not tonight"}, "NOT_APPROVED"),
        ({"Error": "Declined", "Cause": '{"errorType": "ticket 7"}'}, "NOT_APPROVED"),
        ({"Error": "KeyError", "Cause": '{"errorType": "KeyError", "errorMessage": "X"}'}, "NOT_ASKED"),
        ({"Error": 7, "Cause": {}}, "NOT_APPROVED"),
    ],
)
def test_only_a_plain_yes_is_a_yes(answer: object, code: str | None) -> None:
    refusal = judge_answer(answered(answer))
    assert (refusal.code if refusal else None) == code


def test_a_no_ends_refused_and_says_so() -> None:
    run = Run(World(), CAREFUL, replace(ASK, answer={"approved": False}))
    report = run.close(60)
    assert (report.outcome, report.findings[-1].code, report.changes) == ("REFUSED", "NOT_APPROVED", ())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Error": None, "Cause": None}, "SendTaskFailure, without a reason."),
        ({"Error": "Declined", "Cause": "not tonight"}, "SendTaskFailure, 'Declined', 'not tonight'."),
        ({"Error": None, "Cause": "not tonight"}, "SendTaskFailure, 'not tonight'."),
    ],
)
def test_a_no_by_send_task_failure_says_what_it_gave_as_a_reason(answer: object, said: str) -> None:
    """It may leave out both (API reference, SendTaskFailure)."""
    report = Run(World(), CAREFUL, replace(ASK, answer=answer)).close(60)
    assert (report.outcome, report.findings[-1].code) == ("REFUSED", "NOT_APPROVED")
    assert report.findings[-1].text.endswith(said) and "start the run again" in report.next


def test_a_plan_that_nobody_was_asked_about_needs_no_answer() -> None:
    assert judge_answer(answered({"approved": False}, CONTAIN)) is None
    assert judge_answer(answered(UNSET)) is None


def test_a_yes_is_for_its_plan_only() -> None:
    """A new diagnosis replaces the plan, and the answer with it."""
    assert approved(World()).diagnose(20).answer is UNSET


def test_the_account_as_it_was_is_the_one_that_is_changed() -> None:
    world = World()
    approved(world).capture(4)
    assert INCIDENT in world.journal.baselines


def test_what_was_approved_is_read_again_as_a_whole_before_it_is_changed() -> None:
    """Whatever happened to the role while the person thought about it."""
    world = World()
    run = approved(world)
    world.roles.role = replace(ROLE, tags={"Environment": "test"})
    with pytest.raises(AccountMoved):
        run.capture(3000)


@pytest.mark.parametrize(
    "change",
    [
        {"attached": (SEND,)},
        {"inline": {}},
        {"boundary": SEND},
        {"tags": {"Environment": "test"}},
        {"trust": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_role_that_somebody_changed_since_needs_a_new_plan(change: dict[str, Any]) -> None:
    world = World()
    run = approved(world)
    world.roles.role = replace(ROLE, **change)
    with pytest.raises(AccountMoved, match="Changed since the diagnosis"):
        run.capture(4)
    assert world.journal.baselines == {}


def test_a_catalogue_entry_that_was_changed_since_needs_a_new_plan() -> None:
    world = World()
    run = approved(world)
    world.catalogue.parameters[WORKER] = text_of(replace(ENTRY, approval="required", grant_ttl_hours=720))
    with pytest.raises(AccountMoved, match="the catalogue entry"):
        run.capture(4)


def test_what_another_incident_is_granted_after_that_moves_nothing() -> None:
    world = World()
    run = approved(world)
    world.holds.write(OLD_ROLE, Hold(SEND, "another", "retainwise-cluster/retainwise-backend"))
    world.roles.role = replace(ROLE, attached=(SEND,))
    run.capture(4)
    assert world.journal.baselines[INCIDENT].granted == (SEND,)


def test_what_was_another_incidents_grant_before_moves_nothing_either() -> None:
    world = World()
    world.holds.write(OLD_ROLE, Hold(SEND, "another", "retainwise-cluster/retainwise-backend"))
    world.roles.role = replace(ROLE, attached=(SEND,))
    approved(world).capture(4)
    assert INCIDENT in world.journal.baselines


def test_an_account_that_goes_on_changing_is_left_alone_in_the_end() -> None:
    run = approved(World())
    for _ in range(ROUNDS - 1):
        assert run.diagnose().next == "ASK"
    last = run.diagnose()
    assert (last.next, last.plan, last.checks) == ("REFUSE", None, ROUNDS + 1)
    assert last.refusal is not None and last.refusal.code == "ACCOUNT_MOVING"


def test_a_report_does_not_repeat_what_was_said_to_an_earlier_run_of_the_same_name() -> None:
    world = World()
    state = approved(world).state
    report = make_report(state, "CONTAINED", (), "", at(240))
    assert [each.code for each in with_answer(report, state, world).findings][1] == "ANSWERED"
    question = world.approvals.last(INCIDENT)
    assert question is not None
    world.approvals.ask(replace(question, started=at(-91 * 24 * 3600)))
    assert with_answer(report, state, world) == report
