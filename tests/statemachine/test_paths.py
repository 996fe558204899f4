"""Every arrow of the graph, walked on the local account by at least one story.

A story breaks one thing and says how the run must end and which arrows it is there for. The account is
compared as a whole: whatever failed, it is either repaired, or as it was, or a person was paged.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from moto.sns.models import sns_backends

from sandbox import ecs
from sandbox.seeds import retainwise
from sandbox.snapshot import snapshot
from tests.statemachine.world import OLD_ROLE, POLICY, WORKER, Edge, World, edges, incident

Arrange = Callable[[World], None]


@dataclass(frozen=True)
class Story:
    """What is broken, how the run ends (`None` for success), and the arrows that only it walks."""

    arrows: str
    error: str | None
    outcome: str | None
    arrange: Arrange = lambda world: None
    meanwhile: Callable[[World, str], None] | None = None
    given: dict[str, str] = field(default_factory=lambda: {"service": WORKER})
    variant: str = "broken"
    restored: bool = True

    @property
    def edges(self) -> set[Edge]:
        """`A > B > C; D > E` as pairs."""
        chains = [[name.strip() for name in chain.split(">")] for chain in self.arrows.split(";")]
        return {pair for chain in chains for pair in pairwise(chain)}


def deny(function: str, service: str, operation: str, *, occurrence: int = 1) -> Arrange:
    return lambda world: world.deny(function, service, operation, occurrence=occurrence)


def deny_all(*calls: tuple[str, str, str]) -> Arrange:
    def arrange(world: World) -> None:
        for function, service, operation in calls:
            world.deny(function, service, operation)

    return arrange


def never_redeploy(world: World) -> None:
    ssm = world.account.client("ssm")
    name = f"/regrant/services/{WORKER}"
    entry = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value=entry.replace('"always"', '"never"'), Overwrite=True)
    world.before["parameters"][name] = entry.replace('"always"', '"never"')


def somebody_deploys_when(entered: str) -> Callable[[World, str], None]:
    """A colleague forces a deployment of their own while the run is in that state, once."""
    done: list[str] = []

    def meanwhile(world: World, state: str) -> None:
        if state == entered and not done:
            done.append(state)
            world.account.client("ecs").update_service(
                cluster=retainwise.CLUSTER, service=retainwise.WORKER, forceNewDeployment=True
            )

    return meanwhile


def somebody_deletes_when(entered: str) -> Callable[[World, str], None]:
    done: list[str] = []

    def meanwhile(world: World, state: str) -> None:
        if state == entered and not done:
            done.append(state)
            world.account.client("ecs").delete_service(
                cluster=retainwise.CLUSTER, service=retainwise.WORKER, force=True
            )

    return meanwhile


def without_circuit_breaker(world: World) -> None:
    configuration = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.account.client("ecs").update_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, deploymentConfiguration=configuration
    )
    world.remember()


def image_disappears_when(entered: str) -> Callable[[World, str], None]:
    """Whatever tag the service runs, it cannot be pulled any more: no new task starts."""

    def meanwhile(world: World, state: str) -> None:
        if state == entered:
            ecs.of(world.account).runner.missing_images.add("retainwise-worker:2025.11")

    return meanwhile


def somebody_holds(resource: str, owner: str = "a-run-that-goes-on") -> Arrange:
    """Another execution has the lease, for longer than anybody waits."""

    def arrange(world: World) -> None:
        item = {
            "incident": f"lease#{resource}",
            "entry": "lease",
            "held_by": owner,
            "taken_at": "2026-03-02T09:00:00.000Z",
            "ends_at": "2026-03-03T09:00:00.000Z",
        }
        world.account.client("dynamodb").put_item(
            TableName=world.outputs["JournalTable"],
            Item={key: {"S": value} for key, value in item.items()},
        )

    return arrange


def somebody_takes_the_role_when(entered: str) -> Callable[[World, str], None]:
    def meanwhile(world: World, state: str) -> None:
        if state == entered:
            somebody_holds(f"role/{OLD_ROLE}")(world)

    return meanwhile


def an_ended_run_holds(resource: str) -> Arrange:
    def arrange(world: World) -> None:
        somebody_holds(resource, world.run({"service": "nobody-enrolled/this"}).name)(world)

    return arrange


def ask_first(world: World) -> None:
    """From here on the worker's enrolment asks for approval."""
    ssm = world.account.client("ssm")
    name = f"/regrant/services/{WORKER}"
    entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"]) | {"approval": "required"}
    ssm.put_parameter(Name=name, Value=json.dumps(entry), Overwrite=True)
    world.remember()


def ask_first_in_vain(world: World) -> None:
    ask_first(world)
    world.deny("ask-approval", "sns", "Publish")


def answering(*answers: Callable[[World], object]) -> Callable[[World, str], None]:
    """What happens while the question is open, the first time, the second time, and so on."""
    left = list(answers)

    def meanwhile(world: World, state: str) -> None:
        if state == "AskApproval" and left:
            left.pop(0)(world)

    return meanwhile


def question(world: World) -> str:
    (topic,) = sns_backends[retainwise.ACCOUNT][world.account.region].topics.values()
    return [
        str(message) for _, message, subject, *_ in topic.sent_notifications if "APPROVAL" in str(subject)
    ][-1]


def say(word: str) -> Callable[[World], object]:
    """Run the command that the question gives for yes or for no."""

    def answer(world: World) -> None:
        lines = question(world).splitlines()
        command = shlex.split(lines[lines.index(f"{word}:") + 1])
        assert command[:4] == ["aws", "stepfunctions", "send-task-success", "--task-token"]
        world.account.client("stepfunctions").send_task_success(taskToken=command[4], output=command[6])

    return answer


def yes_after_somebody_tagged_the_role(world: World) -> None:
    iam = world.account.client("iam")
    iam.tag_role(RoleName=retainwise.OLD_ROLE, Tags=[{"Key": "seen-by", "Value": "a colleague"}])
    say("Yes")(world)


ROLL_BACK = (
    "RestoreService > DecideRestore > DetachPolicies > ConfirmBaseline > CloseIncident > DecideOutcome"
)

STORIES = {
    "contained": Story(
        "OpenIncident > RouteMode > LeaseService > DecideLease > Diagnose > Decide"
        " > LeaseRole > DecideRole > CaptureBaseline > AttachPolicies > ConfirmAccess > DecideRedeploy"
        " > RedeployService > PauseForRollout > CheckRollout > DecideRollout"
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
        arrange=never_redeploy,
        restored=False,
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
        "CaptureBaseline > Diagnose > Decide > AskApproval",
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
        "OpenIncident > NotOpened",
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
        "DecideLease > CloseIncident",
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
        "RestoreService > DecideRestore > PauseForRestore > CheckRestore; ConfirmBaseline > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny("verify-health", "logs", "FilterLogEvents"),
        meanwhile=somebody_takes_the_role_when("PauseForRollout"),
        restored=False,
    ),
    "the service cannot be leased": Story(
        "LeaseService > CloseIncident; DecideOutcome > NothingChanged",
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
        "ConfirmAccess > RestoreService",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("confirm-access", "iam", "ListAttachedRolePolicies"),
    ),
    "redeploy denied": Story(
        "RedeployService > RestoreService",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("redeploy-service", "ecs", "UpdateService"),
    ),
    "rollout cannot be checked, so the restore waits for it": Story(
        "CheckRollout > RestoreService > DecideRestore > PauseForRestore > CheckRestore > DecideRestore"
        " > DetachPolicies",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("check-rollout", "ecs", "DescribeServices"),
    ),
    "somebody else deploys during the rollout": Story(
        "DecideRollout > RestoreService",
        error="RolledBack",
        outcome="ROLLED_BACK",
        meanwhile=somebody_deploys_when("CheckRollout"),
    ),
    "health cannot be checked": Story(
        "VerifyHealth > RestoreService",
        error="RolledBack",
        outcome="ROLLED_BACK",
        arrange=deny("verify-health", "logs", "FilterLogEvents"),
    ),
    "the fix does not help": Story(
        "DecideHealth > RestoreService",
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
        "DecideRollout > RestoreService",
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
        arrange=deny("close-incident", "dynamodb", "PutItem"),
        given={"service": "no-slash"},
    ),
    "a good fix cannot be recorded, so it is undone and a person is told": Story(
        "CloseIncident > DecideUnclosed > RestoreService; DecideUnclosed > PageOperator",
        error="RollbackIncomplete",
        outcome="ROLLBACK_INCOMPLETE",
        arrange=deny("close-incident", "dynamodb", "PutItem"),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_run_takes_its_way_and_ends_as_told(name: str) -> None:
    story = STORIES[name]
    with incident(story.variant) as world:
        story.arrange(world)
        meanwhile = story.meanwhile
        ended = world.run(story.given, (lambda state: meanwhile(world, state)) if meanwhile else None)
        assert (ended.error, ended.outcome) == (story.error, story.outcome), ended.report
        assert story.edges <= ended.walked
        if story.restored:
            world.after(300)
            assert world.changed() == []


UNDO_BY_HAND = {("RouteMode", "LeaseService"), ("DecideLease", "RestoreService")}


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
    # In sequence 1 + 1 + 5 + 1 + 3 + 2, because most go side by side (tests/unit/test_reads_side_by_side.py).
    assert by_function == {
        "open-incident": 1,
        "lease-service": 1,
        "diagnose": 15,
        "lease-role": 1,
        "capture-baseline": 11,
        "attach-policies": 2,
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
    told = set().union(*(story.edges for story in STORIES.values()), UNDO_BY_HAND)
    assert told == edges()
