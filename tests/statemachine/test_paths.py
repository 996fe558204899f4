"""Every arrow of the graph, walked on the local account by at least one story.

A story breaks one thing and says how the run must end and which arrows it is there for. The account is
compared as a whole: whatever failed, it is either repaired, or as it was, or a person was paged. Those of a
cure and of a grant's end are in test_cure_paths.py.
"""

from __future__ import annotations

from collections import Counter

import pytest

from sandbox.scenarios.seeds import retainwise
from sandbox.scenarios.snapshot import snapshot
from tests.statemachine import test_cure_paths
from tests.statemachine.story import (
    ROLL_BACK,
    Story,
    an_ended_run_holds,
    answering,
    ask_first,
    ask_first_in_vain,
    deny,
    deny_all,
    image_disappears_when,
    play,
    say,
    somebody_deletes_when,
    somebody_deploys_when,
    somebody_holds,
    somebody_takes_the_role_when,
    tasks_die_when,
    without_circuit_breaker,
    yes_after_somebody_tagged_the_role,
)
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, World, edges, incident

STORIES = {
    "contained": Story(
        "OpenIncident > RouteMode > LeaseService > DecideLease > Diagnose > Decide"
        " > LeaseRole > DecideRole > CaptureBaseline > DecideChange > AttachPolicies > ConfirmAccess"
        " > DecideRedeploy > RedeployService > PauseForRollout > CheckRollout > DecideRollout"
        " > PauseForHealth > VerifyHealth > DecideHealth > CloseIncident > DecideOutcome > Done"
        "; DecideRollout > PauseForRollout; DecideHealth > PauseForHealth",
        error=None,
        outcome="CONTAINED",
        restored=False,
    ),
    "contained without a redeploy": Story(
        "DecideRedeploy > PauseForHealth",
        error=None,
        outcome="CONTAINED",
        redeploy="never",
        restored=False,
    ),
    "contained without a redeploy, since the tasks recover by themselves": Story(
        "DecideRedeploy > PauseForHealth",
        error=None,
        outcome="CONTAINED",
        redeploy="if-needed",
        restored=False,
    ),
    "a task dies while it is watched, so all are replaced": Story(
        "DecideHealth > RedeployService > PauseForRollout",
        error=None,
        outcome="CONTAINED",
        meanwhile=tasks_die_when("PauseForHealth"),
        redeploy="if-needed",
        restored=False,
    ),
    "what new tasks would not mend is undone without replacing them": Story(
        "DecideRedeploy > PauseForHealth; DecideHealth > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        variant="model-missing",
        redeploy="if-needed",
    ),
    "a person says yes": Story(
        "Decide > AskApproval > DecideApproval > LeaseRole",
        error=None,
        outcome="CONTAINED",
        arrange=ask_first,
        meanwhile=answering(say("Yes")),
        restored=False,
    ),
    "a person says no": Story(
        "DecideApproval > CloseIncident",
        error=None,
        outcome="REFUSED",
        arrange=ask_first,
        meanwhile=answering(say("No")),
    ),
    "nobody says anything": Story(
        "AskApproval > CloseIncident",
        error=None,
        outcome="REFUSED",
        arrange=ask_first,
    ),
    "nobody can be asked": Story(
        "AskApproval > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=ask_first_in_vain,
    ),
    "somebody changes the role before the yes, so it is asked again": Story(
        "CaptureBaseline > DecideLease > Diagnose > Decide > AskApproval",
        error=None,
        outcome="CONTAINED",
        arrange=ask_first,
        meanwhile=answering(yes_after_somebody_tagged_the_role, say("Yes")),
        restored=False,
    ),
    "bad input": Story(
        "RouteMode > CloseIncident", error=None, outcome="REFUSED", given={"service": "no-slash"}
    ),
    "the catalogue cannot be read": Story(
        "OpenIncident > PageUnopened > NotOpened",
        error="NotOpened",
        outcome=None,
        arrange=deny("open-incident", "ssm", "GetParameter"),
    ),
    "plan": Story(
        "RouteMode > Diagnose; Decide > CloseIncident",
        error=None,
        outcome="PLANNED",
        given={"service": WORKER, "mode": "plan"},
    ),
    "another run works on the service": Story(
        "DecideLease > DecideBusy > CloseIncident",
        error=None,
        outcome="REFUSED",
        arrange=somebody_holds(f"service/{WORKER}"),
    ),
    "a run that ended a moment ago has the service": Story(
        "DecideLease > PauseForService > LeaseService",
        error=None,
        outcome="CONTAINED",
        arrange=an_ended_run_holds(f"service/{WORKER}"),
        restored=False,
    ),
    "the role is another run's for a minute": Story(
        "DecideRole > PauseForRole > LeaseRole",
        error=None,
        outcome="CONTAINED",
        arrange=an_ended_run_holds(f"role/{OLD_ROLE}"),
        restored=False,
    ),
    "the role is another run's for too long": Story(
        "DecideRole > CloseIncident",
        error=None,
        outcome="REFUSED",
        arrange=somebody_holds(f"role/{OLD_ROLE}"),
    ),
    "the role is another run's for as long as this one waits to undo": Story(
        "RestoreService > DecideRestore > PauseForRestore > CheckRestore; DecideRestore > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny("verify-health", "logs", "FilterLogEvents"),
        meanwhile=somebody_takes_the_role_when("PauseForRollout"),
        restored=False,
    ),
    "the service cannot be leased": Story(
        "LeaseService > DecideUnleased > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=deny("lease-service", "dynamodb", "PutItem"),
    ),
    "the role cannot be leased": Story(
        "LeaseRole > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=deny("lease-role", "dynamodb", "PutItem"),
    ),
    "diagnosis fails": Story(
        "Diagnose > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=deny("diagnose", "ecs", "DescribeServices"),
    ),
    "no baseline": Story(
        "CaptureBaseline > CloseIncident; DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=deny("capture-baseline", "iam", "GetRole"),
    ),
    "attach denied": Story(
        f"AttachPolicies > {ROLL_BACK} > RolledBack",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("attach-policies", "iam", "AttachRolePolicy"),
    ),
    "attachment cannot be read back": Story(
        "ConfirmAccess > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("confirm-access", "iam", "ListAttachedRolePolicies"),
    ),
    "redeploy denied": Story(
        "RedeployService > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("redeploy-service", "ecs", "UpdateService"),
    ),
    "rollout cannot be checked, so the restore waits for it": Story(
        "CheckRollout > ReattachPolicies"
        "; RestoreService > DecideRestore > PauseForRestore > CheckRestore > DecideRestore > DetachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("check-rollout", "ecs", "DescribeServices"),
    ),
    "somebody else deploys during the rollout": Story(
        "DecideRollout > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        meanwhile=somebody_deploys_when("CheckRollout"),
    ),
    "health cannot be checked": Story(
        "VerifyHealth > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("verify-health", "logs", "FilterLogEvents"),
    ),
    "the fix does not help": Story(
        "DecideHealth > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        variant="model-missing",
    ),
    "the restore fails": Story(
        "RestoreService > PageOperator > RollbackIncomplete",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny_all(
            ("confirm-access", "iam", "ListAttachedRolePolicies"), ("restore-service", "dynamodb", "Query")
        ),
        restored=False,
    ),
    "the restore cannot be checked": Story(
        "CheckRestore > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny_all(
            ("check-rollout", "ecs", "DescribeServices"), ("check-restore", "ecs", "DescribeServices")
        ),
        restored=False,
    ),
    "somebody else deploys during the restore, which waits for it": Story(
        "DecideRestore > PauseForRestore",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("check-rollout", "ecs", "DescribeServices"),
        meanwhile=somebody_deploys_when("PauseForRestore"),
    ),
    "the service is deleted during the restore": Story(
        "CheckRestore > DecideRestore > DetachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("check-rollout", "ecs", "DescribeServices"),
        meanwhile=somebody_deletes_when("PauseForRestore"),
        restored=False,
    ),
    "the service never settles again, so a person is told when the policies are off": Story(
        "DecideRestore > DetachPolicies; ConfirmBaseline > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=without_circuit_breaker,
        meanwhile=image_disappears_when("ConfirmAccess"),
        restored=False,
    ),
    "the circuit breaker goes back to the old deployment, which is the restore": Story(
        "DecideRollout > ReattachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        meanwhile=image_disappears_when("ConfirmAccess"),
    ),
    "detach denied": Story(
        "DetachPolicies > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny_all(
            ("confirm-access", "iam", "ListAttachedRolePolicies"),
            ("detach-policies", "iam", "DetachRolePolicy"),
        ),
        restored=False,
    ),
    "the baseline cannot be confirmed": Story(
        "ConfirmBaseline > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny_all(
            ("confirm-access", "iam", "ListAttachedRolePolicies"), ("confirm-baseline", "iam", "GetRole")
        ),
    ),
    "a refusal cannot be recorded": Story(
        "CloseIncident > DecideUnclosed > NothingChanged",
        error="NothingChanged",
        outcome=None,
        arrange=deny("close-incident", "dynamodb", "TransactWriteItems"),
        given={"service": "no-slash"},
    ),
    "a good fix cannot be recorded, so it is undone and a person is told": Story(
        "CloseIncident > DecideUnclosed > ReattachPolicies; DecideUnclosed > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny("close-incident", "dynamodb", "TransactWriteItems"),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_run_takes_its_way_and_ends_as_told(name: str) -> None:
    play(STORIES[name])


UNDO_BY_HAND = {("RouteMode", "LeaseService"), ("DecideLease", "ReattachPolicies")}


def test_a_contained_run_is_rolled_back_by_hand_later() -> None:
    with incident() as world:
        contained = world.run()
        assert POLICY.rsplit("/", 1)[-1] in world.attached()
        ended = world.run({"mode": "rollback", "incident": contained.name})
        assert ended.walked >= UNDO_BY_HAND
        assert (ended.error, ended.outcome) == ("RolledBack", "ROLLED_BACK")
        assert world.changed() == []
        again = world.run({"mode": "rollback", "incident": contained.name})
        assert (again.outcome, again.report["receipt"]["equal"]) == ("ROLLED_BACK", True)


def test_few_calls_stand_between_the_denial_and_the_grant() -> None:
    with incident() as world:
        world.run()
        calls = [call for call in world.account.calls if call.function]
        (granted,) = [i for i, call in enumerate(calls) if call.operation == "AttachRolePolicy"]
        by_function = Counter(str(call.function).removeprefix("regrant-") for call in calls[:granted])
    # In sequence 1 + 1 + 5 + 1 + 3 + 3, because most go side by side (tests/unit/test_reads_side_by_side.py).
    assert by_function == {
        "open-incident": 1,
        "lease-service": 1,
        "diagnose": 16,
        "lease-role": 1,
        "capture-baseline": 11,
        "attach-policies": 3,
    }


def test_a_role_that_changes_after_each_yes_is_left_alone_in_the_end() -> None:
    with incident() as world:
        ask_first(world)
        tags = iter("abcdef")

        def tag_and_agree(world: World) -> None:
            iam = world.account.client("iam")
            iam.tag_role(RoleName=retainwise.OLD_ROLE, Tags=[{"Key": "seen-by", "Value": next(tags)}])
            world.before["roles"][retainwise.OLD_ROLE] = snapshot(world.account)["roles"][retainwise.OLD_ROLE]
            say("Yes")(world)

        answers = answering(*[tag_and_agree] * 4)
        ended = world.run(meanwhile=lambda state: answers(world, state))
        assert ended.outcome == "REFUSED"
        assert ended.path.count("AskApproval") == 3
        assert "ACCOUNT_MOVING" in [finding["code"] for finding in ended.report["findings"]]
        assert world.changed() == []


def test_no_arrow_is_left_out() -> None:
    stories = (*STORIES.values(), *test_cure_paths.STORIES.values())
    told = set().union(*(story.edges for story in stories), UNDO_BY_HAND)
    assert told == edges()
