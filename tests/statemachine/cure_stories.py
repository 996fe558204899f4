"""The stories of a cure, of a grant's end, and of undos that cannot begin: each of a service that was
contained."""

from __future__ import annotations

from tests.statemachine.happenings import (
    ROLE,
    SERVICE,
    all_of,
    an_ended_run_holds,
    contained,
    deny,
    end_of_the_grants_run,
    move_to_declared_role,
    of_the_grant,
    somebody_holds,
    the_workloads_rest,
    when,
)
from tests.statemachine.story import Story
from tests.statemachine.world import WORKER, World

CURE = {"service": WORKER, "mode": "cure"}
NO_PROOF = deny("verify-health", "logs", "FilterLogEvents")
UNDONE = "UndoRole > DecideUndo > ConfirmBaseline > CloseIncident > DecideOutcome > RolledBack"


def on_the_declared_role_already(world: World) -> None:
    move_to_declared_role(world)
    world.after(300)


STORIES = {
    "cured": Story(
        "DecidePlan > CaptureBaseline > DecideChange > RedeployService > PauseForHealth > VerifyHealth"
        "; VerifyHealth > DecideHealth > WithdrawGrants > DecideWithdrawal > PauseForHealth"
        "; VerifyHealth > DecideHealth > CloseIncident > DecideOutcome > Done",
        error=None,
        outcome="CURED",
        arrange=contained(),
        given=CURE,
        restored=False,
        granted=False,
    ),
    "a cure of what is cured takes the grant that is left": Story(
        "DecideChange > WithdrawGrants > DecideWithdrawal",
        error=None,
        outcome="CURED",
        arrange=contained(on_the_declared_role_already),
        given=CURE,
        never=("RedeployService",),
        restored=False,
        granted=False,
    ),
    "the cure cannot be planned": Story(
        "Diagnose > CloseIncident > DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome="REFUSED",
        arrange=contained(deny("diagnose", "iam", "GetRole")),
        given=CURE,
        finding="AwsRefused",
    ),
    "the revision cannot be registered": Story(
        f"RedeployService > UndoRole > DecideUndo > UndoService > DecideUndo > {UNDONE}",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(deny("redeploy-service", "ecs", "RegisterTaskDefinition")),
        given=CURE,
        finding="AwsRefused",
    ),
    "the revision is registered and cannot be deployed": Story(
        f"RedeployService > UndoRole > DecideUndo > UndoService > DecideUndo > {UNDONE}",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(deny("redeploy-service", "ecs", "UpdateService")),
        given=CURE,
        finding="AwsRefused",
    ),
    "the new revision cannot be proved": Story(
        "VerifyHealth > UndoRole > DecideUndo > UndoService > DecideUndo > PauseForUndo"
        f"; UndoService > DecideUndo > {UNDONE}",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(NO_PROOF),
        given=CURE,
        finding="AwsRefused",
    ),
    "the grant cannot be taken off": Story(
        "WithdrawGrants > UndoRole",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(deny("withdraw-grants", "iam", "DetachRolePolicy")),
        given=CURE,
        finding="AwsRefused",
    ),
    "the role is another run's when the grant is to go": Story(
        "WithdrawGrants > DecideWithdrawal > PauseForHealth > VerifyHealth > DecideHealth > WithdrawGrants",
        error=None,
        outcome="CURED",
        arrange=contained(),
        on_state=when("VerifyHealth", somebody_holds(ROLE, seconds=300)),
        given=CURE,
        restored=False,
        granted=False,
    ),
    "the role is another run's for too long when the grant is to go": Story(
        f"DecideWithdrawal > UndoRole; UndoService > DecideUndo > {UNDONE}",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(),
        on_state=when("VerifyHealth", somebody_holds(ROLE)),
        given=CURE,
    ),
    "the second proof fails while another run has the role": Story(
        "VerifyHealth > UndoRole > DecideUndo > PauseForUndo > UndoRole",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(),
        on_state=when("DecideWithdrawal", all_of(an_ended_run_holds(ROLE), NO_PROOF)),
        given=CURE,
    ),
    "another run has the role for as long as the grant is to be put back": Story(
        "UndoRole > DecideUndo > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(),
        on_state=when("DecideWithdrawal", all_of(somebody_holds(ROLE), NO_PROOF, the_workloads_rest)),
        given=CURE,
        never=("UndoService",),
        restored=False,
        granted=False,
    ),
    "the grant cannot be put back, so nothing restarts without it": Story(
        "VerifyHealth > UndoRole > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(deny("undo-role", "iam", "AttachRolePolicy")),
        on_state=when("DecideWithdrawal", NO_PROOF),
        given=CURE,
        never=("UndoService",),
        restored=False,
        granted=False,
    ),
    "the revision cannot be deregistered": Story(
        "UndoService > PageOperator > RollbackIncomplete",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(
            deny("verify-health", "ecs", "DescribeServices"),
            deny("undo-service", "ecs", "DeregisterTaskDefinition"),
        ),
        given=CURE,
        restored=False,
        granted=True,
    ),
    "a grant that has expired is still needed, so it is put back": Story(
        "DecideChange > WithdrawGrants > DecideWithdrawal > PauseForHealth"
        f"; VerifyHealth > DecideHealth > {UNDONE}",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=contained(),
        given=of_the_grant("expire"),
        never=("UndoService",),
        finding="CURE_OVERDUE",
    ),
    "a grant that has expired and that nobody depends on goes without a proof": Story(
        "WithdrawGrants > DecideWithdrawal > CloseIncident",
        error=None,
        outcome="CURED",
        arrange=contained(on_the_declared_role_already),
        given=of_the_grant("expire"),
        never=("VerifyHealth",),
        restored=False,
        granted=False,
    ),
    "the end of a grant cannot be planned": Story(
        "Diagnose > CloseIncident > DecideOutcome > NothingChanged",
        error="NothingChanged",
        outcome="REFUSED",
        arrange=contained(deny("diagnose", "dynamodb", "Query")),
        given=of_the_grant("expire"),
        finding="AwsRefused",
    ),
    "an undo that cannot get its service pages a person": Story(
        "OpenIncident > DecideMode > PageOperator > RollbackIncomplete",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(deny("open-incident", "dynamodb", "PutItem")),
        given=of_the_grant("rollback"),
        finding="LEASE_REFUSED",
    ),
    "an undo that nobody asked for waits for an hour, and then pages a person": Story(
        "DecideMode > PauseForService > OpenIncident > DecideMode > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=contained(somebody_holds(SERVICE), the_workloads_rest),
        given=end_of_the_grants_run("ABORTED"),
        finding="SERVICE_BUSY",
    ),
}
