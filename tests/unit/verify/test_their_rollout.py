"""Somebody else's deployment that could not end without the grant is watched to its end, and then proved."""

from __future__ import annotations

from typing import Literal

import pytest
from msgspec.structs import replace

from regrant.errors import AccountMoved
from regrant.model.results import Health
from regrant.verify.watch import LIMIT, ROLLOUT_LIMIT
from tests.unit.diagnosis.test_in_flight import CRASHED, DENIED, NEW, deployed
from tests.unit.fakes import (
    ENTRY,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    SUCCESS,
    THEIRS,
    WORKER_ROLE,
)
from tests.unit.run import Run

Redeploy = Literal["always", "if-needed", "never"]


class Denied:
    """The deployment of a revision with the worker's own role (or the old one), from the grant of 3 on; four
    of its tasks have failed."""

    def __init__(self, redeploy: Redeploy = "always", *, same_role: bool = False) -> None:
        self.world = deployed()
        if same_role:
            self.world.roles.role = ROLE
            self.world.services.definitions[NEWER_DEFINITION] = replace(NEW, task_role=OLD_ROLE)
        self.set(failed_tasks=4)
        self.world.services.died = (CRASHED,)
        self.world.logs.write(-5, DENIED.replace(WORKER_ROLE.rpartition("/")[2], self.role), "new-0")
        incident = replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, redeploy=redeploy))
        self.run = Run(self.world, incident)

    @property
    def role(self) -> str:
        arn = self.world.services.definitions[NEWER_DEFINITION].task_role
        assert arn is not None
        return arn.rpartition("/")[2]

    def grant(self) -> Denied:
        self.run.diagnose(1)
        self.run.capture(2)
        self.run.attach(3)
        return self

    def set(self, **changed: object) -> None:
        """Of the PRIMARY deployment."""
        state = self.world.services.state
        assert state is not None
        primary, *older = state.deployments
        self.world.services.state = replace(state, deployments=(replace(primary, **changed), *older))

    def roll_back(self) -> None:
        """The circuit breaker makes the old deployment PRIMARY again."""
        state = self.world.services.state
        assert state is not None
        failed = replace(state.deployments[0], status="ACTIVE", rollout_state="FAILED")
        back = replace(OLD, rollout_state="IN_PROGRESS", reason="rolling back to it")
        self.world.services.state = replace(
            state, task_definition=OLD.task_definition, deployments=(back, failed)
        )

    def look(self, seconds: float, *, success: str = "") -> Health:
        if success:
            self.world.logs.write(seconds - 2, SUCCESS, success)
        return self.run.verify(seconds)


def proved(denied: Denied, task: str, begin: int = 200) -> Health:
    return [denied.look(begin + 20 * n, success=task) for n in range(ENTRY.health.samples)][-1]


def test_failed_tasks_of_before_the_grant_are_no_verdict_and_the_deployment_is_waited_for() -> None:
    health = Denied().grant().look(23)
    assert (health.verdict, health.next, health.deployed_at) == ("PENDING", "WAIT", None)


def test_when_it_has_completed_its_own_tasks_prove_the_grant() -> None:
    denied = Denied().grant()
    denied.look(23)
    denied.world.services.finish()
    assert denied.look(180, success="old-1").streak == 0
    health = proved(denied, "new-1")
    assert (health.verdict, health.next) == ("HEALTHY", "CLOSE")
    assert denied.world.services.redeployed == []


def test_one_that_never_ends_is_undone_and_no_other_is_started() -> None:
    denied = Denied().grant()
    denied.look(23)
    health = denied.look(3 + ROLLOUT_LIMIT)
    assert (health.verdict, health.next) == ("UNHEALTHY", "UNDO")
    assert denied.world.services.redeployed == []


# One that goes on for longer than a run watches

LATE = 3 + ROLLOUT_LIMIT


def going_on(redeploy: Redeploy = "always") -> Denied:
    """Half of its tasks run, and the others find no capacity."""
    denied = Denied(redeploy).grant()
    denied.set(desired=2, running=1)
    denied.look(23)
    assert denied.look(LATE - 1).deployed_at is None
    return denied


def test_one_that_goes_on_for_long_is_proved_by_the_tasks_that_it_has_and_the_report_says_so() -> None:
    denied = going_on()
    assert denied.look(LATE, success="old-1").streak == 0
    health = proved(denied, "new-1", begin=20 + int(LATE))
    assert (health.verdict, health.next, health.unfinished) == ("HEALTHY", "CLOSE", True)
    report = denied.run.close()
    (said,) = [finding for finding in report.findings if finding.code == "ROLLOUT_UNFINISHED"]
    assert (report.outcome, THEIRS in said.text) == ("CONTAINED", True)
    assert denied.world.services.redeployed == []


@pytest.mark.parametrize("task", ["new-1", "new-2"])
def test_a_denial_of_a_task_of_it_that_runs_or_has_died_undoes_the_run_and_starts_no_other(task: str) -> None:
    denied = going_on()
    denied.look(LATE, success="new-1")
    denied.world.services.died = (replace(CRASHED, id="new-2"),)
    for seconds in (20, 40):
        denied.world.logs.write(LATE + seconds - 10, DENIED, task)
        health = denied.look(LATE + seconds, success="new-1")
    assert (health.verdict, health.next) == ("UNHEALTHY", "UNDO")


def test_tasks_of_it_that_do_nothing_prove_nothing_and_no_other_is_started() -> None:
    denied = going_on()
    assert denied.look(LATE).next == "WAIT"
    health = denied.look(LATE + LIMIT)
    assert (health.next, health.evidence[-1]) == ("UNDO", "Not proved after 10.5 minutes.")


def test_one_that_ends_while_its_tasks_are_proved_is_one_that_has_ended() -> None:
    denied = going_on()
    denied.look(LATE, success="new-1")
    denied.world.services.finish()
    health = proved(denied, "new-1", begin=20 + int(LATE))
    assert (health.next, health.unfinished) == ("CLOSE", False)
    assert "ROLLOUT_UNFINISHED" not in [finding.code for finding in denied.run.close().findings]


def test_one_that_ecs_gives_up_while_its_tasks_are_proved_is_undone() -> None:
    denied = going_on()
    denied.look(LATE, success="new-1")
    denied.set(rollout_state="FAILED")
    assert denied.look(LATE + 20, success="new-1").next == "UNDO"


@pytest.mark.parametrize(("enrolled", "then"), [("always", "REDEPLOY"), ("never", "UNDO")])
def test_only_when_it_has_ended_and_its_tasks_do_not_work_are_they_replaced(
    enrolled: Redeploy, then: str
) -> None:
    denied = Denied(enrolled).grant()
    denied.world.services.finish()
    assert denied.look(180).next == "WAIT"
    assert denied.look(180 + LIMIT).next == then


def test_our_own_deployment_comes_in_place_of_theirs_once_that_has_ended() -> None:
    denied = Denied().grant()
    denied.world.services.finish()
    denied.look(180)
    denied.look(180 + LIMIT)
    ours = denied.run.redeploy(200 + LIMIT).deployment
    assert [ours] == denied.world.services.redeployed
    assert denied.look(230 + LIMIT).deployed_at is None


def test_one_that_ecs_takes_back_to_another_role_is_undone_and_the_receipt_says_who_moved_it() -> None:
    denied = Denied().grant()
    denied.roll_back()
    health = denied.look(60)
    assert (health.verdict, health.next) == ("UNHEALTHY", "UNDO")
    denied.world.services.finish()
    assert denied.run.undo().next == "CONFIRM"
    assert denied.world.roles.others[WORKER_ROLE].attached == ()
    receipt = denied.run.confirm()
    assert receipt.equal
    assert any(OLD.task_definition in line for line in receipt.changed_by_others)
    assert denied.world.services.redeployed == []


def test_one_that_ecs_takes_back_to_the_same_role_is_proved_there() -> None:
    denied = Denied(same_role=True).grant()
    denied.roll_back()
    assert denied.look(60).next == "WAIT"
    denied.world.services.finish()
    health = proved(denied, "old-1")
    assert (health.verdict, health.next, health.deployment) == ("HEALTHY", "CLOSE", OLD_DEPLOYMENT)
    (said,) = [each for each in denied.run.close().findings if each.code == "ROLLOUT_REPLACED"]
    assert said.text.startswith(f"{THEIRS} is not in use any more. {OLD_DEPLOYMENT} is")


def test_one_in_whose_place_somebody_starts_the_same_once_more_is_proved_there_and_the_report_names_it() -> (
    None
):
    denied = Denied().grant()
    denied.world.services.finish(id="ecs-svc/78")
    denied.world.services.tasks["ecs-svc/78"] = ("newer-1",)
    assert proved(denied, "newer-1").next == "CLOSE"
    (said,) = [each for each in denied.run.close().findings if each.code == "ROLLOUT_REPLACED"]
    assert "ecs-svc/78 is, with the same role, and was proved." in said.text


def test_a_report_of_one_that_ended_says_neither() -> None:
    denied = Denied().grant()
    denied.world.services.finish()
    assert proved(denied, "new-1").deployment == THEIRS
    codes = {finding.code for finding in denied.run.close().findings}
    assert codes.isdisjoint({"ROLLOUT_REPLACED", "ROLLOUT_UNFINISHED"})


def test_an_undo_takes_the_grant_off_and_leaves_the_deployment_that_somebody_finished() -> None:
    denied = Denied().grant()
    denied.world.services.finish()
    before = denied.world.services.state
    denied.run.undo()
    receipt = denied.run.confirm()
    assert denied.world.services.state == before
    assert (denied.world.roles.others[WORKER_ROLE].attached, receipt.equal) == ((), True)
    assert receipt.changed_by_others == (f"- service.revisions.{OLD.task_definition} = true",)


def test_one_that_is_taken_back_before_the_grant_is_diagnosed_again() -> None:
    denied = Denied(same_role=True)
    denied.run.diagnose(1)
    denied.roll_back()
    with pytest.raises(AccountMoved):
        denied.run.capture(2)


def test_one_that_completes_before_the_grant_is_granted_all_the_same() -> None:
    denied = Denied()
    denied.run.diagnose(1)
    denied.world.services.finish()
    assert denied.run.capture(2).next == "ATTACH"
    assert denied.run.attach(3).attached == (RECEIVE,)


def test_a_report_of_one_that_did_not_end_says_so() -> None:
    denied = Denied().grant()
    denied.look(23)
    denied.look(3 + ROLLOUT_LIMIT)
    denied.run.undo()
    denied.run.confirm()
    report = denied.run.close()
    (why,) = [finding for finding in report.findings if finding.code == "ROLLOUT_FAILED"]
    assert THEIRS in why.text and OLD_DEPLOYMENT not in why.text
