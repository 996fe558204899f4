"""The outcome, the report that is the run's output, and what a person does next."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable, GrantWithdrawn
from regrant.model.journal import Change
from regrant.model.results import (
    BaselineMark,
    Health,
    KeptGrant,
    Refusal,
    Rollout,
    Sample,
    Undo,
    Withdrawal,
)
from regrant.model.run import CloseEvent, Diagnosis, Failure, Incident, Report, RunState
from regrant.report.close import close_incident
from regrant.report.render import render
from tests.unit.cure import CURE, EXPIRY
from tests.unit.ended import DONE, HEALTHY, OURS, RECEIPT, UNDONE, UNHEALTHY
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    ENTRY,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    PLAN,
    RECEIVE,
    UNDO,
    WORKER,
    FakeTopic,
    World,
    at,
)
from tests.unit.run import sent

REFUSAL = Refusal("NOT_ENROLLED", "It has no entry.", "Enrol it.")
REFUSED = RunState(incident=replace(INCIDENT_OF_WORKER, refusal=REFUSAL))


def closed(state: RunState, world: World | None = None) -> Report:
    return close_incident(
        CloseEvent(msgspec.to_builtins(state), at(310), {}, state.incident.id), world or World(), sent
    )


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


NOTHING_TO_FIX = replace(REFUSAL, outcome="NOTHING_TO_FIX")


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (DONE, "CONTAINED"),
        (UNDONE, "ROLLED_BACK"),
        (RunState(incident=UNDO, receipt=RECEIPT), "ROLLED_BACK"),
        (REFUSED, "REFUSED"),
        (RunState(incident=replace(INCIDENT_OF_WORKER, refusal=NOTHING_TO_FIX)), "NOTHING_TO_FIX"),
        (RunState(INCIDENT_OF_WORKER, Diagnosis("REFUSE", at(1), refusal=REFUSAL)), "REFUSED"),
        (RunState(INCIDENT_OF_WORKER, Diagnosis("NOTHING_TO_FIX", at(1))), "NOTHING_TO_FIX"),
        (RunState(INCIDENT_OF_WORKER, Diagnosis("PLAN", at(1), plan=CONTAIN.plan)), "PLANNED"),
        (RunState(INCIDENT_OF_WORKER, error=Failure("AwsRefused", "no")), "REFUSED"),
    ],
)
def test_each_end_has_its_outcome_and_a_next_step(state: RunState, outcome: str) -> None:
    report = closed(state)
    assert report.outcome == outcome
    assert report.next.strip()


def test_a_run_without_proof_is_never_contained() -> None:
    assert closed(replace(DONE, health=replace(HEALTHY, verdict="PENDING"))).outcome != "CONTAINED"


def test_the_report_is_in_the_journal_and_on_the_topic() -> None:
    world = World()
    report = closed(DONE, world)
    assert world.journal.closed == {INCIDENT: report}
    ((subject, message),) = world.topic.sent
    assert subject == f"CONTAINED {WORKER}" and INCIDENT in message


def test_a_run_that_knows_no_service_still_has_a_subject() -> None:
    world = World()
    closed(RunState(incident=replace(REFUSED.incident, service=None)), world)
    assert world.topic.sent[0][0] == "REFUSED"


@pytest.mark.parametrize("failure", [AwsRefused("no such topic", "NotFound"), AwsUnavailable("throttled")])
def test_a_topic_that_cannot_be_notified_does_not_undo_a_good_fix(failure: Any) -> None:
    world = World()
    world.topic = FakeTopic(failure)
    report = closed(DONE, world)
    assert report.outcome == "CONTAINED"
    assert codes(report)[-1] == "NOT_NOTIFIED"


def test_what_somebody_else_attached_is_not_said_to_have_an_end() -> None:
    assert DONE.grant
    report = closed(replace(DONE, grant=replace(DONE.grant, attached=())))
    assert report.outcome == "CONTAINED" and "temporary" not in report.next and "{" not in report.next


def test_the_report_of_a_contained_run_gives_the_input_that_undoes_it() -> None:
    step = closed(DONE).next
    cure, undo = [json.loads(found) for found in re.findall(r"\{.*?\}", step)]
    assert cure == {"service": str(WORKER), "mode": "cure"}
    assert undo == {"mode": "rollback", "incident": INCIDENT}
    assert "24 hours" in step


def test_the_report_of_a_dry_run_gives_the_input_that_does_it() -> None:
    step = closed(RunState(INCIDENT_OF_WORKER, Diagnosis("PLAN", at(1)))).next
    assert json.loads(step[step.index("{") :]) == {"service": str(WORKER), "mode": "contain"}


def test_a_refusal_is_a_finding_and_its_advice_is_the_next_step() -> None:
    report = closed(REFUSED)
    assert codes(report) == ["TRIGGER", "NOT_ENROLLED"]
    assert report.next == "Enrol it."


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (UNDONE, "NOT_HEALTHY"),
        (replace(UNDONE, health=replace(UNHEALTHY, verdict="PENDING")), "NOT_HEALTHY"),
        (replace(UNDONE, health=replace(UNHEALTHY, deployed_at=None), rollout=None), "NOT_HEALTHY"),
        (replace(UNDONE, health=replace(UNHEALTHY, deployed_at=None)), "ROLLOUT_FAILED"),
        (replace(UNDONE, health=Health("PENDING", at(150))), "ROLLOUT_FAILED"),
        (replace(UNDONE, health=Health("UNHEALTHY", at(4), "REDEPLOY")), "STEP_FAILED"),
        (replace(UNDONE, health=None, rollout=None), "STEP_FAILED"),
    ],
    ids=[
        "disproved",
        "not proved",
        "disproved without a deployment",
        "the rollout failed",
        "the rollout did not finish",
        "the deployment was never looked at",
        "nothing was looked at",
    ],
)
def test_a_run_that_was_undone_says_why(state: RunState, code: str) -> None:
    assert codes(closed(state)) == ["TRIGGER", code]


@pytest.mark.parametrize(
    "state",
    [replace(UNDONE, health=None), replace(UNDONE, health=HEALTHY)],
    ids=["the first sample failed", "the report could not be written"],
)
def test_what_was_proved_is_not_blamed_for_a_later_step_that_failed(state: RunState) -> None:
    report = closed(replace(state, error=Failure("AwsRefused", "no")))
    assert codes(report) == ["TRIGGER", "STEP_FAILED", "AwsRefused"]


def test_a_cure_that_waited_for_the_role_in_vain_says_for_whom() -> None:
    waits = Withdrawal("WAIT", 60, at(290), evidence=("Waits for run x, which is changing the role.",))
    report = closed(replace(UNDONE, incident=CURE, health=HEALTHY, withdrawal=waits))
    (found,) = [finding for finding in report.findings if finding.code == "STEP_FAILED"]
    assert found.evidence == waits.evidence


def test_an_undo_that_a_person_asked_for_needs_no_reason() -> None:
    assert codes(closed(RunState(incident=UNDO, receipt=RECEIPT))) == ["TRIGGER"]


def test_an_undo_that_left_a_revision_does_not_say_that_everything_is_undone() -> None:
    whole = Undo("CONFIRM", "DETACH", 0, at(250), service="HEALTHY")
    for undo, words in (
        (whole, "Everything that the incident changed is undone."),
        (replace(whole, in_use=(DEFINITION,)), "undone, but for retainwise-worker:1, which is in use"),
    ):
        world = redeployed(Change("restore", str(WORKER), OURS, at(245), done_at=at(246)))
        assert words in closed(RunState(incident=UNDO, undo=undo, receipt=RECEIPT), world).next


def test_a_stack_trace_is_cut() -> None:
    report = closed(RunState(INCIDENT_OF_WORKER, error=Failure("AwsRefused", "x" * 30_000)))
    assert len(report.findings[-1].text) <= 1000


REFUSED_CALL = "ecs:UpdateService: AccessDeniedException: User is not authorized to perform: iam:PassRole"
FUNCTION_ERROR = {
    "errorMessage": REFUSED_CALL,
    "errorType": "AwsRefused",
    "requestId": "9b8f",
    "stackTrace": ['  File "/var/task/regrant/step.py", line 45, in handler'],
}


def test_a_failure_is_shown_by_its_message_without_the_stack() -> None:
    failure = Failure("AwsRefused", json.dumps(FUNCTION_ERROR))
    assert closed(RunState(INCIDENT_OF_WORKER, error=failure)).findings[-1].text == REFUSED_CALL


@pytest.mark.parametrize("cause", ["no", "{", "[]", '"no"', '{"errorType": "Sandbox.Timedout"}', "7"])
def test_a_cause_that_is_no_functions_error_is_shown_as_it_is(cause: str) -> None:
    assert closed(RunState(INCIDENT_OF_WORKER, error=Failure("X", cause))).findings[-1].text == cause


def test_a_cure_that_failed_names_the_error_in_what_to_do_next() -> None:
    failed = replace(UNDONE, incident=CURE, health=None, error=Failure("AwsRefused", "no"))
    assert "see AwsRefused, repair that" in closed(failed).next
    assert "did not work with its declared role" in closed(replace(UNDONE, incident=CURE)).next


QUIET = Sample(at(220), at(240), tasks=2, successes=0, denials=0, backlog=0, dead_letters=0)


def idle(**changed: Any) -> RunState:
    """Undone, with a last sample that shows nothing at all but for what is changed."""
    watched = replace(UNHEALTHY, verdict="PENDING", proof=None, last=replace(QUIET, **changed))
    return replace(UNDONE, health=watched)


@pytest.mark.parametrize("incident", [INCIDENT_OF_WORKER, CURE])
def test_a_fix_that_was_undone_because_nothing_was_to_be_done_says_so(incident: Incident) -> None:
    assert "No work arrived" in closed(replace(idle(), incident=incident)).next


@pytest.mark.parametrize(
    "trouble",
    [{"denials": 1}, {"backlog": 1}, {"dead_letters": 1}, {"tasks": 0}, {"complete": False}],
    ids=lambda trouble: next(iter(trouble)),
)
def test_a_service_in_trouble_or_with_work_is_not_said_to_be_idle(trouble: dict[str, Any]) -> None:
    assert "No work arrived" not in closed(idle(**trouble)).next


def test_a_service_without_a_queue_is_not_said_to_be_idle() -> None:
    assert "No work arrived" not in closed(idle(backlog=None)).next


def test_the_timeline_adds_up_to_the_whole_run() -> None:
    *stages, total = closed(UNDONE).timeline
    assert [stage.stage for stage in stages] == [
        "diagnose",
        "grant",
        "rollout",
        "verify",
        "undo",
        "close",
    ]
    assert sum(stage.seconds for stage in stages) == total.seconds == 310


def test_a_dry_run_says_how_long_it_looked() -> None:
    timeline = closed(RunState(INCIDENT_OF_WORKER, Diagnosis("PLAN", at(1), plan=PLAN))).timeline
    assert [stage.stage for stage in timeline] == ["diagnose", "close", "total"]


def test_a_grant_that_another_run_undid_is_not_contained() -> None:
    world = World()
    undone = Change("attach", OLD_ROLE, RECEIVE, at(3), done_at=at(3), undone_at=at(305))
    world.journal.intend(INCIDENT, undone)
    with pytest.raises(GrantWithdrawn):
        closed(DONE, world)


REDEPLOYED = Change("redeploy", str(WORKER), OURS, at(5), done_at=at(5))


def redeployed(*more: Change) -> World:
    world = World()
    for change in (REDEPLOYED, *more):
        world.journal.intend(INCIDENT, change)
    return world


def test_a_deployment_is_undone_by_what_was_deployed_in_its_place() -> None:
    restored = Change("restore", str(WORKER), OURS, at(245), done_at=at(246))
    world = redeployed(restored)
    report = closed(UNDONE, world)
    assert report.changes == (replace(REDEPLOYED, undone_at=at(246)), restored)
    assert f"redeployed {WORKER} as {OURS} (undone)" in " ".join(render(report).split())
    # Where it is open, an undo that is started again looks at the service again.
    assert world.journal.load(INCIDENT).changes == (REDEPLOYED, restored)


def test_a_deployment_that_settled_automatically_is_undone_by_then() -> None:
    (change,) = closed(UNDONE, redeployed()).changes
    assert UNDONE.undo and change.undone_at == UNDONE.undo.at


def test_a_deployment_of_a_run_that_is_not_undone_stands() -> None:
    assert closed(DONE, redeployed()).changes == (REDEPLOYED,)


def test_a_plan_says_what_it_would_do() -> None:
    report = closed(RunState(INCIDENT_OF_WORKER, Diagnosis("PLAN", at(1), plan=PLAN)))
    assert codes(report)[-2:] == ["WOULD_ATTACH", "WOULD_REDEPLOY"]


def test_a_plan_of_a_service_that_asks_for_approval_says_so() -> None:
    careful = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, approval="required"))
    assert codes(closed(RunState(careful, Diagnosis("PLAN", at(1), plan=PLAN))))[-1] == "WOULD_ASK"


def test_a_run_that_waited_for_its_role_in_vain_is_refused() -> None:
    busy = Refusal("ROLE_BUSY", "Run x has been changing the role.", "See how far that run is.")
    mark = BaselineMark("CLOSE", at(700), checks=200, holder="x", since=at(2), refusal=busy)
    report = closed(replace(DONE, baseline=mark, grant=None, rollout=None, health=None))
    assert (report.outcome, codes(report)[-1], report.next) == ("REFUSED", "ROLE_BUSY", busy.next)


def test_the_diagnosis_of_a_run_that_recorded_no_baseline_lasted_to_its_end() -> None:
    mark = BaselineMark("CLOSE", at(200), checks=200, holder="x", since=at(2))
    report = closed(replace(DONE, baseline=mark, grant=None, rollout=None, health=None))
    assert (report.timeline[0].stage, report.timeline[0].seconds) == ("diagnose", 310)


EXPIRING = RunState(EXPIRY, CONTAIN, DONE.baseline)
RENEWED = Withdrawal("CLOSE", 1, at(300), kept=(KeptGrant(RECEIVE, "it is needed", at(86_700)),))
TAKEN_OFF = Withdrawal("WATCH", 1, at(300), (RECEIVE,))


def test_an_expiry_that_was_only_renewed_is_refused_and_says_that_the_cure_is_overdue() -> None:
    report = closed(replace(EXPIRING, withdrawal=RENEWED))
    assert report.outcome == "REFUSED" and '"mode": "cure"' in report.next
    assert {"GRANT_STAYS", "CURE_OVERDUE"} <= set(codes(report))


def test_an_expiry_that_was_put_back_says_that_the_cure_is_overdue() -> None:
    back = Undo("CONFIRM", "DETACH", checks=0, at=at(400), put_back=(RECEIVE,))
    report = closed(replace(EXPIRING, withdrawal=TAKEN_OFF, undo=back, receipt=RECEIPT))
    assert report.outcome == "ROLLED_BACK" and "CURE_OVERDUE" in codes(report)


def test_an_expiry_that_could_not_begin_claims_nothing_of_the_grant() -> None:
    busy = Refusal("SERVICE_BUSY", "Run x works on it.", "Read its report.")
    report = closed(RunState(replace(EXPIRY, refusal=busy)))
    assert report.outcome == "REFUSED" and "CURE_OVERDUE" not in codes(report)


def test_an_expiry_whose_grant_is_held_for_another_service_has_come_to_its_end() -> None:
    others = replace(RENEWED, kept=(KeptGrant(RECEIVE, "run-2 holds it"),))
    report = closed(replace(EXPIRING, withdrawal=others))
    assert report.outcome == "CURED" and "A grant stays for others" in report.next


def test_a_cure_ends_cured_and_names_its_revision() -> None:
    rollout = Rollout(OURS, at(4), revision=DEFINITION)
    report = closed(replace(EXPIRING, incident=CURE, rollout=rollout, withdrawal=TAKEN_OFF))
    assert report.outcome == "CURED" and DEFINITION in report.next


@pytest.mark.parametrize("kind", ["register", "withdraw"])
def test_a_cure_that_another_run_has_undone_is_not_cured(kind: Any) -> None:
    world = World()
    world.journal.intend(CURE.id, Change(kind, OLD_ROLE, RECEIVE, at(3), at(3), undone_at=at(90)))
    with pytest.raises(GrantWithdrawn):
        closed(replace(EXPIRING, incident=CURE, withdrawal=TAKEN_OFF), world)


def test_a_state_that_is_none_is_refused_with_the_path_of_what_is_wrong() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.incident"):
        close_incident(CloseEvent({"incident": 7}, at(310), {}, "run-1"), World(), sent)


def test_a_leaked_key_is_notified_by_itself_before_the_report() -> None:
    world = World()
    leaked = Refusal(
        "COMPROMISED_KEY", "AWS has quarantined user/ci: an access key has leaked.", "Replace it."
    )
    report = closed(RunState(INCIDENT_OF_WORKER, Diagnosis("REFUSE", at(1), refusal=leaked)), world)
    assert report.outcome == "REFUSED"
    (subject, message), (of_report, _) = world.topic.sent
    assert (subject, of_report) == (f"COMPROMISED_KEY {WORKER}", f"REFUSED {WORKER}")
    assert "access key has leaked" in message and "Replace it." in message and INCIDENT in message


def test_a_cure_that_finds_no_grant_gives_the_input_for_a_service_that_is_denied() -> None:
    cure = replace(CURE, mode="cure")
    step = closed(RunState(cure, Diagnosis("NOTHING_TO_FIX", at(1)))).next
    assert json.loads(step[step.index("{") :]) == {"service": str(WORKER), "mode": "contain"}
    forgotten = replace(cure, mode="expire", entry=None, expires=INCIDENT, role=OLD_ROLE)
    assert "{" not in closed(RunState(forgotten, Diagnosis("NOTHING_TO_FIX", at(1)))).next
