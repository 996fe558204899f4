"""The outcome, the report that is the run's output, and what a person does next."""

import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable, GrantWithdrawn
from regrant.model.aws import Baseline
from regrant.model.journal import Change
from regrant.model.results import (
    Access,
    BaselineMark,
    Grant,
    Health,
    Reattachment,
    Receipt,
    Restore,
    Revision,
    Rollout,
    Stay,
    Withdrawal,
)
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Failure, Leasing, Report, RunState
from regrant.report.close import close_incident, page_operator
from tests.unit.cure import CURE, EXPIRY
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    INCIDENT,
    INCIDENT_OF_WORKER,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    PLAN,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    SUCCESS,
    UNDO,
    WORKER,
    FakeTopic,
    World,
    at,
)

OURS = "ecs-svc/4026531840000000042"
REFUSAL = Refusal("NOT_ENROLLED", "It has no entry.", "Enrol it.")
ROLLOUT = Rollout(OURS, at(5), at(155), "HEALTHY", 9)
HEALTHY = Health("HEALTHY", 4, 3, 3, at(240), proof=SUCCESS)
UNHEALTHY = Health("UNHEALTHY", 4, 0, 3, at(240), evidence=("2 denied calls.",))
RECEIPT = Receipt("abc", "abc", "abc", True, at(300))
DONE = RunState(
    incident=INCIDENT_OF_WORKER,
    diagnosis=CONTAIN,
    baseline=BaselineMark("abc", at(2), OLD_DEPLOYMENT, DEFINITION),
    grant=Grant(OLD_ROLE, (RECEIVE,), at(3)),
    access=Access(at(4)),
    rollout=ROLLOUT,
    health=HEALTHY,
)
UNDONE = replace(DONE, health=UNHEALTHY, restore=Restore("HEALTHY", 0, at(250), at(250)), receipt=RECEIPT)
STUCK = replace(UNDONE, receipt=None)
REFUSED = RunState(incident=replace(INCIDENT_OF_WORKER, refusal=REFUSAL))


def closed(state: RunState, world: World | None = None) -> Report:
    world = world or World()
    return close_incident(state, world.journal, world.leases, world.topic, at(310))


def paged(state: RunState, world: World) -> Report:
    return page_operator(state, world.journal, world.holds, world.leases, world.topic, at(310))


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def with_changes(*before: str) -> World:
    """A run that attached two policies and redeployed; `before` was attached before it."""
    world = World()
    role = replace(ROLE, attached=before)
    world.journal.keep_baseline(INCIDENT, Baseline(str(WORKER), role, RUNNING, at(2)))
    for policy in (RECEIVE, SEND):
        world.journal.intend(INCIDENT, Change("attach", OLD_ROLE, policy, at(3), done_at=at(3)))
    world.journal.intend(INCIDENT, Change("redeploy", str(WORKER), OURS, at(5), done_at=at(5)))
    return world


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
def test_a_topic_that_cannot_be_told_does_not_undo_a_good_fix(failure: Any) -> None:
    world = World()
    world.topic = FakeTopic(failure)
    report = closed(DONE, world)
    assert report.outcome == "CONTAINED"
    assert codes(report)[-1] == "NOT_NOTIFIED"


def test_what_somebody_else_attached_is_not_told_to_have_an_end() -> None:
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
        (replace(UNDONE, health=replace(UNHEALTHY, verdict="PENDING", checks=30)), "NOT_HEALTHY"),
        (replace(UNDONE, health=None, rollout=replace(ROLLOUT, verdict="UNHEALTHY")), "ROLLOUT_FAILED"),
        (replace(UNDONE, health=None, rollout=replace(ROLLOUT, verdict="PENDING")), "ROLLOUT_FAILED"),
        (replace(UNDONE, health=None, rollout=None), "STEP_FAILED"),
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


def test_an_undo_that_a_person_asked_for_needs_no_reason() -> None:
    assert codes(closed(RunState(incident=UNDO, receipt=RECEIPT))) == ["TRIGGER"]


def test_a_stack_trace_is_cut() -> None:
    report = closed(RunState(INCIDENT_OF_WORKER, error=Failure("AwsRefused", "x" * 30_000)))
    assert len(report.findings[-1].text) <= 1000


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


def test_a_page_has_the_commands_that_finish_the_undo_service_first() -> None:
    step = paged(STUCK, with_changes()).next
    service = f"aws ecs describe-services --cluster {WORKER.cluster} --services {WORKER.name}"
    detach = f"aws iam detach-role-policy --role-name retainwise-ecs-task-role --policy-arn {RECEIVE}"
    assert service in step and detach in step and step.index(service) < step.index(detach)
    assert json.dumps({"mode": "rollback", "incident": INCIDENT}) in step


def test_a_page_leaves_out_what_is_undone_already() -> None:
    world = with_changes()
    world.journal.record(INCIDENT, replace(world.changes("attach")[0], undone_at=at(305)))
    step = paged(STUCK, world).next
    assert RECEIVE not in step and SEND in step


def test_a_page_leaves_out_what_was_attached_before_us() -> None:
    step = paged(STUCK, with_changes(SEND)).next
    assert SEND not in step and RECEIVE in step


def test_a_page_is_an_incomplete_rollback_on_the_topic() -> None:
    world = with_changes()
    report = paged(STUCK, world)
    assert report.outcome == "ROLLBACK_INCOMPLETE" and world.journal.closed[INCIDENT] == report
    assert world.topic.sent[0][0] == f"ROLLBACK_INCOMPLETE {WORKER}"


def test_a_page_about_an_undo_that_could_not_be_recorded_asks_for_nothing_by_hand() -> None:
    step = paged(replace(UNDONE, error=Failure("AwsRefused", "no")), with_changes()).next
    assert "Everything is undone" in step and "detach-role-policy" not in step


def test_a_person_is_told_even_if_the_journal_is_out_of_reach() -> None:
    world = with_changes()
    world.journal.failure = AwsRefused("no access to the table", "AccessDeniedException")
    report = paged(STUCK, world)
    # Whether another incident lives on it cannot be known now, so the undo is all that is asked for.
    assert "detach-role-policy" not in report.next and '"mode": "rollback"' in report.next
    assert {"JOURNAL_UNREADABLE", "NOT_RECORDED"} <= set(codes(report))
    assert world.topic.sent[0][0] == f"ROLLBACK_INCOMPLETE {WORKER}"


def test_a_grant_that_another_run_undid_is_not_contained() -> None:
    world = with_changes()
    world.journal.record(INCIDENT, replace(world.changes("attach")[0], undone_at=at(305)))
    with pytest.raises(GrantWithdrawn):
        closed(DONE, world)


def test_a_plan_says_what_it_would_do() -> None:
    report = closed(RunState(INCIDENT_OF_WORKER, Diagnosis("PLAN", at(1), plan=PLAN)))
    assert codes(report)[-2:] == ["WOULD_ATTACH", "WOULD_REDEPLOY"]


EXPIRING = RunState(EXPIRY, replace(CONTAIN, decision="EXPIRE"), DONE.baseline)
STAYS = Withdrawal("HEALTHY", 1, at(300), stays=(Stay(RECEIVE, "it is needed", at(86_700)),))


def test_an_expiry_that_was_only_renewed_is_refused_and_says_that_the_cure_is_overdue() -> None:
    report = closed(replace(EXPIRING, withdrawal=STAYS))
    assert report.outcome == "REFUSED" and '"mode": "cure"' in report.next
    assert {"GRANT_STAYS", "CURE_OVERDUE"} <= set(codes(report))


def test_an_expiry_that_was_put_back_says_that_the_cure_is_overdue() -> None:
    back = Reattachment("HEALTHY", 1, at(400), (RECEIVE,))
    report = closed(replace(EXPIRING, reattachment=back, receipt=RECEIPT))
    assert report.outcome == "ROLLED_BACK" and "CURE_OVERDUE" in codes(report)


def test_an_expiry_that_could_not_begin_claims_nothing_of_the_grant() -> None:
    busy = Refusal("SERVICE_BUSY", "Run x works on it.", "Read its report.")
    report = closed(RunState(EXPIRY, lease=Leasing("BUSY", at(2), 1, "x", busy)))
    assert report.outcome == "REFUSED" and "CURE_OVERDUE" not in codes(report)


def test_an_expiry_whose_grant_is_held_for_another_service_is_at_its_end() -> None:
    others = replace(STAYS, stays=(Stay(RECEIVE, "run-2 holds it"),))
    report = closed(replace(EXPIRING, withdrawal=others))
    assert report.outcome == "CURED" and "A grant stays for others" in report.next


def test_a_cure_ends_cured_and_names_its_revision() -> None:
    cure = replace(EXPIRING, incident=CURE, revision=Revision(DEFINITION, at(4)))
    report = closed(replace(cure, withdrawal=Withdrawal("HEALTHY", 1, at(300), (RECEIVE,))))
    assert report.outcome == "CURED" and DEFINITION in report.next


@pytest.mark.parametrize("kind", ["register", "withdraw"])
def test_a_cure_that_another_run_undid_meanwhile_is_not_cured(kind: Any) -> None:
    world = World()
    world.journal.intend(CURE.id, Change(kind, OLD_ROLE, RECEIVE, at(3), at(3), undone_at=at(90)))
    with pytest.raises(GrantWithdrawn):
        closed(replace(EXPIRING, incident=CURE, withdrawal=Withdrawal("HEALTHY", 1, at(300))), world)
