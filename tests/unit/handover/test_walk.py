"""Whole handovers: what each way through the machine changes, and that every arrow is walked by some."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.fakes import DEFINITION, NEWER_DEFINITION, WORKER
from tests.unit.handover.walk import Failed, Walk
from tests.unit.handover.world import INPUT, NAME, Handing, done, failed

UNDO = {"mode": "undo", "handover": NAME}
GOOD = [
    *("OpenHandover", "CreateState", "RunImport", "ReadBuild", "RunPlan", "ReadBuild", "AskHandover"),
    *("CaptureServices", "RunApply", "ReadBuild", "CheckHandover", "CureServices", "RunDrift", "ReadBuild"),
    "CloseHandover",
]


def handing(outcome: str = "CURED", **given: Any) -> Walk:
    """A handover in which cures end like that as soon as somebody waits for them."""
    world = Handing()
    walk = Walk(world, **given)
    before = walk.heard

    def heard(state: str) -> None:
        before(state)
        if state == "PauseForCures":
            world.cures_end(outcome)
        if state == "PauseForRestore":
            world.services.finish()
            world.cures_end()

    walk.heard = heard
    return walk


def test_a_handover_moves_the_service_and_withdraws_its_grants() -> None:
    walk = handing().run()
    assert walk.short() == GOOD
    assert (walk.end, walk.report["outcome"]) == ("Done", "HANDED_OVER")
    assert walk.world.runs() == NEWER_DEFINITION
    assert walk.codes == ["TRIGGER", "NO_DRIFT", "MOVED", "GRANTS_WITHDRAWN", "ANSWERED"]
    ((_, given),) = walk.world.executions.started.items()
    assert given == {"service": str(WORKER), "mode": "cure"}


def test_import_and_undo_are_of_the_hcl_of_before_and_the_rest_of_that_of_after() -> None:
    walk = handing(builds={"apply": failed("apply", "TERRAFORM_FAILED")}).run()
    used = {walk.world.builds.variables[id_][1]: v for id_, v in walk.world.builds.sources.items()}
    before, after = INPUT["source"]["before"], INPUT["source"]["after"]
    assert used == {"import": before, "plan": after, "apply": after, "undo": before}


def test_what_ecs_rolls_back_is_undone_although_terraform_ends_well() -> None:
    walk = handing()

    def apply() -> dict[str, Any]:
        walk.world.rolls_back()
        return done("apply", applied=True)

    walk.builds["apply"] = apply
    walk.run()
    assert (walk.end, walk.report["outcome"]) == ("HandoverUndone", "UNDONE")
    assert "NOT_MOVED" in walk.codes
    assert walk.world.runs() == DEFINITION
    assert walk.world.revisions.inactive == [NEWER_DEFINITION]
    assert walk.report["receipt"]["equal"] is True
    assert walk.world.builds.actions() == ["import", "plan", "apply", "undo"]


def test_an_apply_that_fails_half_way_is_undone_at_ecs_and_in_the_state() -> None:
    walk = handing()

    def apply() -> dict[str, Any]:
        walk.world.applies()
        return failed("apply", "TERRAFORM_FAILED", "AccessDeniedException: UpdateService")

    walk.builds["apply"] = apply
    walk.run()
    assert (walk.end, walk.world.runs()) == ("HandoverUndone", DEFINITION)
    assert walk.short()[-6:] == [
        *("RestoreServices", "RunUndo", "ReadBuild", "RestoreServices", "RemoveState"),
        "CloseHandover",
    ]


def test_a_service_that_does_not_work_with_its_role_goes_back_once_its_grants_are_there() -> None:
    walk = handing("ROLLED_BACK").run()
    assert (walk.end, walk.report["outcome"]) == ("HandoverUndone", "UNDONE")
    assert "GRANTS_STAY" in walk.codes and walk.world.runs() == DEFINITION


def test_a_plan_that_the_gate_refuses_changes_nothing_and_keeps_what_was_imported() -> None:
    walk = handing(builds={"plan": failed("plan", "ROLE_GATE", "aws_sqs_queue.x: would change tags")}).run()
    assert (walk.end, walk.report["outcome"]) == ("Done", "REFUSED")
    assert walk.report["findings"][1]["code"] == "BUILD_REFUSED"
    assert "aws_sqs_queue.x: would change tags" in walk.report["findings"][1]["text"]
    assert walk.world.state_bucket.there and walk.world.lock_table.there
    assert walk.report["stays"][0].startswith("bucket retainwise-terraform-state: not empty")


def test_an_import_that_is_refused_leaves_neither_bucket_nor_table() -> None:
    walk = handing(builds={"import": failed("import", "IMPORT_GATE")}).run()
    assert (walk.end, walk.report["outcome"]) == ("Done", "REFUSED")
    assert walk.world.state_bucket.there is None and walk.world.lock_table.there is None


def test_an_import_that_says_nothing_may_have_left_a_lock_which_is_taken_off() -> None:
    walk = handing(builds={"import": Failed("States.Timeout")})
    walk.world.work.written[f"{NAME}/import.who"] = "root@ip-10-0-0-1"
    walk.run()
    assert walk.short()[2:] == [
        *("RunImport", "ReadBuild", "RestoreServices", "RunUndo", "ReadBuild", "RestoreServices"),
        *("RemoveState", "CloseHandover"),
    ]
    assert '"who":"root@ip-10-0-0-1"' in walk.world.work.written[f"{NAME}/undo.json"]
    (steps,) = [job["HANDOVER_STEPS"] for job in walk.world.builds.jobs.values() if "heal" in str(job)]
    assert steps == "prepare heal"  # no apply has begun, so there is no revision to go back to
    assert (walk.end, walk.report["outcome"]) == ("Done", "REFUSED")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"approved": False}, "NOT_APPROVED"),
        (Failed("States.Timeout"), "NOT_ANSWERED"),
        (Failed("No", "not tonight"), "NOT_APPROVED"),
        ("approved", "NOT_APPROVED"),
    ],
)
def test_no_plain_yes_is_a_no(answer: Any, code: str) -> None:
    walk = handing(answer=lambda world: answer).run()
    assert (walk.end, walk.report["outcome"]) == ("Done", "REFUSED")
    assert code in walk.codes and "apply" not in walk.world.builds.actions()
    assert walk.world.runs() == DEFINITION


def test_a_yes_that_no_person_gave_applies_nothing() -> None:
    """Somebody had the token, and sent it themselves."""
    walk = handing(answer=lambda world: {"approved": True}).run()
    assert (walk.end, walk.report["outcome"]) == ("NothingChanged", "REFUSED")
    assert "AnswerNotRecorded" in walk.codes and "apply" not in walk.world.builds.actions()


def test_a_question_that_cannot_be_asked_ends_the_handover() -> None:
    walk = handing(fails={"AskHandover": "AwsRefused"}).run()
    assert walk.end == "NothingChanged" and "AwsRefused" in walk.codes


def test_an_empty_plan_needs_no_yes_and_no_apply() -> None:
    walk = handing(builds={"plan": done("plan", sha256="0" * 64, empty=True, changes=[])}).run()
    assert (walk.end, walk.report["outcome"]) == ("Done", "HANDED_OVER")
    assert "AskHandover" not in walk.path and walk.world.builds.actions() == ["import", "plan", "drift"]


def test_a_handover_that_was_stopped_is_undone_once_its_build_has_ended() -> None:
    walk = handing()

    def apply() -> Failed:
        walk.world.applies()
        return Failed("States.TaskFailed")  # whatever: the execution is stopped now

    class Stop(Exception):
        pass

    def heard(state: str) -> None:
        if state == "ReadBuild" and walk.path.count("RunApply"):
            raise Stop

    walk.builds["apply"], walk.heard = apply, heard
    with pytest.raises(Stop):
        walk.run()
    assert walk.world.runs() == NEWER_DEFINITION
    walk.world.stopped()
    walk.world.leases.held.clear()
    rescue = handing(name="rescue")
    rescue.world = walk.world
    world = walk.world

    def settles(state: str) -> None:
        if state == "PauseForRestore":
            world.services.finish()

    rescue.heard = settles
    event = {
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "detail": {
            "name": NAME,
            "status": "ABORTED",
            "stateMachineArn": world.settings.handover_machine,
            "input": "{}",
        },
    }
    rescue.run(event)
    assert (rescue.end, rescue.report["outcome"]) == ("HandoverUndone", "UNDONE")
    assert world.runs() == DEFINITION and rescue.report["receipt"]["equal"] is True
    assert "PauseForBuild" in rescue.path  # the build was stopped, and waited for


def test_an_undo_later_puts_the_grants_back_before_the_service() -> None:
    walk = handing().run()
    walk.world.stopped()
    undo = handing(name="undo")
    undo.world, world = walk.world, walk.world
    order = []

    def heard(state: str) -> None:
        if state == "PauseForRestore":
            order.append((len(world.executions.started), world.runs()))
            world.cures_end()
            world.services.finish()

    undo.heard = heard
    undo.run(UNDO)
    assert (undo.end, undo.report["outcome"]) == ("HandoverUndone", "UNDONE")
    assert order[0] == (2, NEWER_DEFINITION)  # the cure's undo goes first
    assert world.runs() == DEFINITION


@pytest.mark.parametrize(
    ("error", "code", "builds"), [("LOCKED", "STATE_LOCKED", 2), ("FOREIGN_LOCK", "STATE_NOT_RESTORED", 1)]
)
def test_an_undo_whose_state_cannot_go_back_pages_a_person(error: str, code: str, builds: int) -> None:
    undo = failed("undo", error, "ID 1, Who a@b")
    walk = handing(builds={"apply": failed("apply", "STALE_PLAN"), "undo": undo}).run()
    assert (walk.end, walk.report["outcome"]) == ("HandoverIncomplete", "UNDO_INCOMPLETE")
    assert code in walk.codes and walk.world.builds.actions().count("undo") == builds
    assert "Who a@b" in walk.world.topic.sent[-1][1]


def test_an_undo_that_finds_its_own_lock_frees_it_in_a_second_build() -> None:
    ends = iter([failed("undo", "LOCKED", "ID 1, Who root@ip-10-0-0-1"), done("undo")])
    walk = handing(builds={"apply": failed("apply", "STALE_PLAN"), "undo": lambda: next(ends)})
    walk.world.work.written[f"{NAME}/undo.who"] = "root@ip-10-0-0-1"
    walk.run()
    assert (walk.end, walk.report["outcome"]) == ("HandoverUndone", "UNDONE")
    assert '"who":"root@ip-10-0-0-1"' in walk.world.work.written[f"{NAME}/undo.json"]
