"""Whatever is wrong with the input, the catalogue or the service: a named outcome, and no change made.

Each story runs the deployed state machine on the seed's account and compares the whole account.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import WORKER, World, incident

EVENTS = Path(__file__).resolve().parents[2] / "events"
NOBODY = f"{retainwise.CLUSTER}/nobody"
NAME = f"/regrant/services/{WORKER}"


def alarm(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "alarm.json").read_text())
    event["detail"] |= changes
    return event


def catalogue(text: str) -> Callable[[World], None]:
    return lambda world: world.account.client("ssm").put_parameter(Name=NAME, Value=text, Overwrite=True)


def other_policy(world: World) -> None:
    world.change_entry(policies=["arn:aws:iam::aws:policy/AdministratorAccess"])


def queue_with_a_typo(world: World) -> None:
    entry = world.account.client("ssm").get_parameter(Name=NAME)["Parameter"]["Value"]
    catalogue(entry.replace("predictions-queue-dlq", "predictions-queue-dql"))(world)


def enrolled_nobody(world: World) -> None:
    ssm = world.account.client("ssm")
    entry = ssm.get_parameter(Name=NAME)["Parameter"]["Value"]
    ssm.put_parameter(Name=f"/regrant/services/{NOBODY}", Value=entry, Type="String")


def no_entry(world: World) -> None:
    world.account.client("ssm").delete_parameter(Name=NAME)


def update(**change: Any) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        world.account.client("ecs").update_service(
            cluster=retainwise.CLUSTER, service=retainwise.WORKER, **change
        )

    return arrange


def scaled_to_zero(world: World) -> None:
    update(desiredCount=0)(world)
    world.after(300)


def deleted(world: World) -> None:
    world.account.client("ecs").delete_service(
        cluster=retainwise.CLUSTER, service=retainwise.WORKER, force=True
    )
    world.after(300)


def code_deploy(world: World) -> None:
    """The same service once more, but deployed by CodeDeploy."""
    deleted(world)
    ecs = world.account.client("ecs")
    ecs.create_service(
        cluster=retainwise.CLUSTER,
        serviceName=retainwise.WORKER,
        taskDefinition=retainwise.WORKER,
        desiredCount=1,
        deploymentController={"type": "CODE_DEPLOY"},
    )


def role_at_its_limit(world: World) -> None:
    iam = world.account.client("iam")
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    while len(world.attached()) < 10:
        name = f"filler-{len(world.attached())}"
        policy = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=policy)


@dataclass(frozen=True)
class Story:
    code: str
    given: Any = None
    arrange: Callable[[World], object] = lambda world: None
    outcome: str = "REFUSED"


STORIES = {
    "a service that ECS does not know": Story(
        "UNKNOWN_SERVICE", {"service": NOBODY}, arrange=enrolled_nobody
    ),
    "a service that is not enrolled": Story("NOT_ENROLLED", {"service": NOBODY}),
    "a cluster that nobody enrolled in": Story("NOT_ENROLLED", {"service": "nowhere/retainwise-worker"}),
    "a mode that does not exist": Story("UNKNOWN_MODE", {"service": WORKER, "mode": "fix-everything"}),
    "no input": Story("INVALID_INPUT", {}),
    "an input that is a list": Story("INVALID_INPUT", ["retainwise-cluster/retainwise-worker"]),
    "an input with somebody's own results": Story(
        "INVALID_INPUT", {"service": WORKER, "receipt": {"equal": True}, "baseline": {}}
    ),
    "a rollback of a run that never was": Story(
        "UNKNOWN_INCIDENT", {"mode": "rollback", "incident": "never-was"}
    ),
    "no catalogue entry": Story("NOT_ENROLLED", arrange=no_entry),
    "a catalogue entry that does not parse": Story("INVALID_CATALOGUE", arrange=catalogue("{not json")),
    "a catalogue entry with an unknown key": Story("INVALID_CATALOGUE", arrange=catalogue('{"polices": []}')),
    "a policy that the stack may not grant": Story("POLICY_NOT_GRANTABLE", arrange=other_policy),
    "a queue that does not exist": Story("QUEUE_MISSING", arrange=queue_with_a_typo),
    "a deleted service": Story("SERVICE_INACTIVE", arrange=deleted),
    "a service scaled to zero": Story("DESIRED_COUNT_ZERO", arrange=scaled_to_zero),
    "a deployment in flight, and a dry run": Story(
        "DEPLOYMENT_IN_FLIGHT", {"service": WORKER, "mode": "plan"}, arrange=update(forceNewDeployment=True)
    ),
    "a CodeDeploy service": Story("UNSUPPORTED_CONTROLLER", arrange=code_deploy),
    "a role at its policy limit": Story("POLICY_LIMIT", arrange=role_at_its_limit),
    "somebody else's alarm": Story("OTHER_ALARM", alarm(alarmName="billing-too-high")),
    "an alarm that goes to OK": Story(
        "ALARM_NOT_FIRING", alarm(state={"value": "OK"}), outcome="NOTHING_TO_FIX"
    ),
    "another kind of event": Story(
        "EVENT_NOT_SUPPORTED", {"detail-type": "EC2 Instance State-change Notification", "detail": {}}
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_run_names_what_is_wrong_and_changes_nothing(name: str) -> None:
    story = STORIES[name]
    with incident() as world:
        story.arrange(world)
        world.remember()
        ended = world.run(story.given)
        assert (ended.status, ended.outcome) == ("SUCCEEDED", story.outcome), ended.report
        assert story.code in ended.codes
        assert ended.report["next"]
        assert world.mutations() == []
        assert ended.report["changes"] == []
        assert world.changed() == []


def test_an_event_as_eventbridge_delivers_it_is_contained() -> None:
    with incident() as world:
        ended = world.run(alarm())
        assert (ended.status, ended.outcome) == ("SUCCEEDED", "CONTAINED")


def test_a_plan_says_what_it_would_do_and_does_nothing() -> None:
    with incident() as world:
        ended = world.run({"service": WORKER, "mode": "plan"})
        assert (ended.status, ended.outcome) == ("SUCCEEDED", "PLANNED")
        assert {"WRONG_TASK_ROLE", "MISSING_ATTACHMENT"} <= set(ended.codes)
        assert world.mutations() == []
        assert world.changed() == []


def test_an_alarm_that_an_undo_brings_back_does_not_start_it_all_again() -> None:
    with incident("model-missing") as world:
        undone = world.run(alarm())
        assert undone.outcome == "ROLLED_BACK"
        before = len(world.mutations())
        again = world.run(alarm())
        assert again.outcome == "REFUSED"
        assert "RECENTLY_UNDONE" in again.codes
        assert len(world.mutations()) == before
