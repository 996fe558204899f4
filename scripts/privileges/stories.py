"""Stories that between them make every call that the runbook makes, on simulated time.

They are not judged here beyond their ends: that what they play works is the tests' matter.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sandbox.account import LocalAccount
from sandbox.chaos.explorer import watch_states
from sandbox.chaos.world import WORKER, World, world
from sandbox.engine.faults import Effect
from sandbox.engine.recording import VARIABLE, Recorded, read
from sandbox.scenarios.play import play as play_scenario
from sandbox.scenarios.scenarios import SCENARIOS
from sandbox.scenarios.seeds import retainwise

EVENT = Path(__file__).resolve().parents[2] / "events" / "cloudtrail.json"
OLD_ROLE = f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.OLD_ROLE}"
RECEIVE = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.RECEIVE}"
SEND = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.SEND}"
AWS_POLICY = "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"
AWS_POLICIES = (
    *("AmazonS3ReadOnlyAccess", "AmazonEC2ReadOnlyAccess", "AmazonSQSReadOnlyAccess", "IAMReadOnlyAccess"),
    *("AmazonDynamoDBReadOnlyAccess", "AmazonRDSReadOnlyAccess", "AmazonSNSReadOnlyAccess"),
    "CloudWatchReadOnlyAccess",
)
"""With what the role has already they are ten, an account's quota for a role."""
ENDED = "a-run-that-ended"
HOUR = 3600


@contextmanager
def incident(variant: str = "broken", uploads: int = 60, *, second: bool = False) -> Iterator[World]:
    """The worker's incident; one of AWS's own policies is on its role, too, and its definition has a tag."""
    with world(variant, 1, uploads=uploads, second=second) as there:
        _client(there, "iam").attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=AWS_POLICY)
        declared = {"RoleName": retainwise.WORKER_ROLE, "PolicyArn": AWS_POLICY}
        _client(there, "iam").attach_role_policy(**declared)
        _tag_definition(there)
        given = json.dumps({"service": "nobody-enrolled/this"})
        _client(there, "stepfunctions").start_execution(
            stateMachineArn=there.machine, name=ENDED, input=given
        )
        there.rest()
        yield there


def alarms() -> None:
    """Alarms start the runs, for both services. EventBridge does not hear that it has started the first, and
    starts it again under its name."""
    with LocalAccount() as account:
        account.faults.add(Effect.RESPONSE_LOST, "states", "StartExecution")
        result = play_scenario(account, SCENARIOS["contained"])
        assert result.ok, result.complaints


def deployed_by_somebody() -> None:
    """The denial comes with a deployment, which cannot end because of it."""
    with LocalAccount() as account:
        result = play_scenario(account, SCENARIOS["denied-rollout"])
        assert result.ok, result.complaints


def approved_and_undone() -> None:
    """A person says yes, and undoes it later."""
    with incident() as there:
        there.ask_first()
        _run(there, {"service": WORKER}, "CONTAINED")
        _holds(there, f"role/{OLD_ROLE}")
        _run(there, {"mode": "rollback", "incident": there.first}, "ROLLED_BACK")


def removed_by_terraform() -> None:
    """The owner's Terraform says which are the only roles with the policy, and this one is not among them."""
    with incident() as there:
        _, bucket, key = re.split(":::|/", retainwise.STATE, maxsplit=2)
        s3 = _client(there, "s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(_exclusive()).encode())
        _enrol(there, terraform_state=retainwise.STATE)
        _run(there, {"service": WORKER}, "CONTAINED")
        assert "GRANT_NOT_DURABLE" in [finding["code"] for finding in there.reports()[-1][1]["findings"]]


def _exclusive() -> dict[str, Any]:
    attributes = {"policy_arn": RECEIVE, "roles": [retainwise.WORKER_ROLE]}
    one = {"mode": "managed", "type": "aws_iam_policy_attachment", "name": "sqs"}
    return {"version": 4, "resources": [one | {"instances": [{"attributes": attributes}]}]}


def recorded_denial() -> None:
    """A record of CloudTrail starts it. Service and role are those of runs that have ended; it is stopped."""
    with incident() as there:
        _holds(there, f"service/{WORKER}")
        _when(there, "CaptureBaseline", lambda: _holds(there, f"role/{OLD_ROLE}"))
        _when(there, "PauseForHealth", there.stop)
        _run(there, _record(there), "ROLLED_BACK")


def not_fixed() -> None:
    """Neither the grant nor new tasks help, and while the service is put back another run takes the role."""
    with incident("model-missing", uploads=15) as there:
        _enrol(there, redeploy="if-needed")
        _when(there, "UndoService", lambda: _holds(there, f"role/{OLD_ROLE}"))
        _run(there, {"service": WORKER}, "ROLLED_BACK")


def cured() -> None:
    """The service gets its role, and the grant goes. Another run had the role until then, and functions die
    in the middle of their work and find what they had done."""
    with incident() as there:
        _dies_after(there, "capture-baseline", "dynamodb", "TransactWriteItems")
        _dies_after(there, "attach-policies", "iam", "AttachRolePolicy")
        _dies_after(there, "redeploy-service", "ecs", "RegisterTaskDefinition")
        _run(there, {"service": WORKER}, "CONTAINED")
        _when(there, "WithdrawGrants", lambda: _holds(there, f"role/{OLD_ROLE}"))
        _run(there, {"service": WORKER, "mode": "cure"}, "CURED")


def cure_undone() -> None:
    """The declared role loses its policy when the grant is gone, so the old revision comes back."""
    with incident(uploads=15) as there:
        _run(there, {"service": WORKER}, "CONTAINED")

        def lost() -> None:
            role = {"RoleName": retainwise.WORKER_ROLE, "PolicyArn": RECEIVE}
            _client(there, "iam").detach_role_policy(**role)

        _when(there, "DecideWithdrawal", lost)
        _when(there, "UndoRole", lambda: _holds(there, f"role/{OLD_ROLE}"))
        _run(there, {"service": WORKER, "mode": "cure"}, "ROLLED_BACK")


def cure_lost() -> None:
    """The new revision is registered, but nobody could record it; the undo finds it."""
    with incident() as there:
        _run(there, {"service": WORKER}, "CONTAINED")
        _dies_after(there, "redeploy-service", "ecs", "RegisterTaskDefinition")
        function = "regrant-redeploy-service"
        there.account.faults.add(Effect.DENIED, "ecs", "ListTaskDefinitions", function=function, occurrence=2)
        _run(there, {"service": WORKER, "mode": "cure"}, "ROLLED_BACK")


def cure_stuck() -> None:
    """The cure is not proved, and the old revision has been deregistered, so a person is notified."""
    with incident(uploads=15) as there:
        _run(there, {"service": WORKER}, "CONTAINED")

        def lost() -> None:
            _client(there, "ecs").deregister_task_definition(taskDefinition=f"{retainwise.WORKER}:2")
            role = {"RoleName": retainwise.WORKER_ROLE, "PolicyArn": RECEIVE}
            _client(there, "iam").detach_role_policy(**role)

        _when(there, "DecideWithdrawal", lost)
        _run(there, {"service": WORKER, "mode": "cure"}, "ROLLBACK_INCOMPLETE")


def expired() -> None:
    """The grant has expired. It is still needed; then no schedule fires, and the audit finds it. It does not
    hear that it has started the expiry, and starts it again under its name."""
    with incident() as there:
        audit = "regrant-audit-grants"
        there.account.faults.add(Effect.RESPONSE_LOST, "states", "StartExecution", function=audit)
        _enrol(there, grant_ttl_hours=1)
        _run(there, {"service": WORKER}, "CONTAINED")
        _pass(there, HOUR, "ROLLED_BACK")
        scheduler = _client(there, "scheduler")
        for each in scheduler.list_schedules()["Schedules"]:
            scheduler.delete_schedule(GroupName=each["GroupName"], Name=each["Name"])
        _pass(there, 3 * HOUR, "ROLLED_BACK")


def answered_by_the_audit() -> None:
    """The alarm's event came while its rule was disabled. The audit starts the run, which is refused; then
    the catalogue entry is corrected."""
    with incident() as there:
        cloudwatch, alarm = _client(there, "cloudwatch"), f"regrant/{WORKER}"
        cloudwatch.put_composite_alarm(AlarmName=alarm, AlarmRule='ALARM("denials")')
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="denied")
        there.account.clock.run_for(60)
        _client(there, "events").enable_rule(Name="regrant-alarm")
        _enrol(there, policies=[SEND])
        there.account.clock.run_for(900)
        assert _neglected(there)
        _pass(there, HOUR + 600, "REFUSED")
        _enrol(there, policies=[RECEIVE])
        _pass(there, HOUR, "CONTAINED")


def _neglected(there: World) -> list[Any]:
    """What a person sees of it, who looks."""
    given = json.dumps({"time": there.account.clock.now().isoformat()})
    answer = _client(there, "lambda").invoke(FunctionName="regrant-list-grants", Payload=given)
    return list(json.loads(answer["Payload"].read())["neglected"])


def needed_no_more() -> None:
    """The grant has expired, and nobody depends on it."""
    with incident() as there:
        _run(there, {"service": WORKER}, "CONTAINED")
        there.move_to_declared_role(WORKER)
        _run(there, {"mode": "expire", "incident": there.first}, "CURED")


def needed_by_another() -> None:
    """The grant has expired, but another service depends on it, so it stays for one more period."""
    with incident(uploads=8, second=True) as there:
        _run(there, {"service": WORKER}, "CONTAINED")
        there.move_to_declared_role(WORKER)
        _run(there, {"mode": "expire", "incident": there.first}, "REFUSED")


def attached_by_hand() -> None:
    """A person attaches the policy just before the runbook would, so nothing of it has to end."""
    with incident() as there:
        by_hand = {"RoleName": retainwise.OLD_ROLE, "PolicyArn": RECEIVE}
        _when(there, "AttachPolicies", lambda: _client(there, "iam").attach_role_policy(**by_hand))
        _run(there, {"service": WORKER}, "CONTAINED")


def taken_off() -> None:
    """Somebody detaches the grant before its end, so the expiry has nothing to take off."""
    with incident() as there:
        _run(there, {"service": WORKER}, "CONTAINED")
        _client(there, "iam").detach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=RECEIVE)
        there.account.clock.run_for(HOUR)
        _run(there, {"mode": "expire", "incident": there.first}, "NOTHING_TO_FIX")


def full_role() -> None:
    """The role has as many policies as the account allows."""
    with incident() as there:
        for name in AWS_POLICIES:
            arn = f"arn:aws:iam::aws:policy/{name}"
            _client(there, "iam").attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=arn)
        _run(there, {"service": WORKER}, "REFUSED")


def undeclared() -> None:
    """No declared policy allows the call; the execution role is looked at, and what it has of its own."""
    with incident("table-lost", uploads=15) as there:
        _run(there, {"service": WORKER}, "REFUSED")


def paged() -> None:
    """The catalogue cannot be read; then an undo cannot get the role. A person is notified of both."""
    with incident() as there:
        there.account.faults.add(Effect.DENIED, "ssm", "GetParameters", function="regrant-open-incident")
        _run(there, {"service": WORKER}, "REFUSED")
        _run(there, {"service": WORKER}, "CONTAINED")
        _holds(there, f"role/{OLD_ROLE}", "a-run-that-goes-on")
        assert _neglected(there) == []
        _run(there, {"mode": "rollback", "incident": there.incident(WORKER)}, "ROLLBACK_INCOMPLETE")


STORIES: tuple[Callable[[], None], ...] = (
    expired,
    alarms,
    deployed_by_somebody,
    approved_and_undone,
    removed_by_terraform,
    recorded_denial,
    not_fixed,
    cured,
    cure_undone,
    cure_lost,
    cure_stuck,
    answered_by_the_audit,
    needed_no_more,
    needed_by_another,
    attached_by_hand,
    taken_off,
    full_role,
    undeclared,
    paged,
)


def record(calls: Path) -> set[Recorded]:
    """Play all of them, one on each processor; each call is appended to that file.

    Raises AssertionError if a story does not end as it says.
    """
    with ProcessPoolExecutor(
        mp_context=get_context("spawn"), initializer=_record_to, initargs=(str(calls),)
    ) as pool:
        for played in [pool.submit(story) for story in STORIES]:
            played.result()
    return read(calls)


def _record_to(calls: str) -> None:
    os.environ[VARIABLE] = calls


def _client(there: World, service: str) -> Any:
    return there.account.client(service)


def _run(there: World, given: dict[str, Any], outcome: str) -> None:
    there.start(given)
    there.rest()
    _ended(there, outcome)


def _pass(there: World, seconds: float, outcome: str) -> None:
    """Let time pass, in which something other than a person starts a run."""
    before = len(there.reports())
    there.account.clock.run_for(seconds)
    there.rest()
    assert len(there.reports()) > before, "no run started"
    _ended(there, outcome)


def _ended(there: World, outcome: str) -> None:
    error, report = there.reports()[-1]
    assert report.get("outcome") == outcome, (error, report)


def _when(there: World, state: str, act: Callable[[], None]) -> None:
    """Once, before the state begins."""
    acts = [act]

    def entered(name: str) -> bool:
        if name == state and acts:
            acts.pop()()
        return not there.running()

    watch_states(there.account, entered)


def _dies_after(there: World, step: str, service: str, operation: str) -> None:
    there.account.faults.add(Effect.CRASH_AFTER, service, operation, function=f"regrant-{step}")


def _holds(there: World, resource: str, owner: str = ENDED) -> None:
    """The run has the lease for longer than anybody waits, unless it has ended."""
    ends = there.account.clock.now() + timedelta(days=1)
    item = {
        "incident": f"lease#{resource}",
        "entry": "lease",
        "held_by": owner,
        "taken_at": "2026-03-02T09:00:00.000Z",
        "ends_at": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    _client(there, "dynamodb").put_item(
        TableName=there.journal, Item={key: {"S": value} for key, value in item.items()}
    )


def _enrol(there: World, **changed: object) -> None:
    ssm = _client(there, "ssm")
    name = f"/regrant/services/{WORKER}"
    entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"]) | changed
    ssm.put_parameter(Name=name, Value=json.dumps(entry), Overwrite=True)


def _tag_definition(there: World) -> None:
    """Somebody deploys a revision that has a tag, which a cure must keep."""
    ecs = _client(there, "ecs")
    given = there.definition(retainwise.WORKER) | {"tags": [{"key": "team", "value": "predictions"}]}
    output = ("status", "requiresAttributes", "compatibilities")
    new = ecs.register_task_definition(**{key: value for key, value in given.items() if key not in output})
    ecs.update_service(
        cluster=retainwise.CLUSTER,
        service=retainwise.WORKER,
        taskDefinition=new["taskDefinition"]["taskDefinitionArn"],
    )
    there.account.clock.run_for(200)


def _record(there: World) -> dict[str, Any]:
    """What CloudTrail delivers of a task of the worker."""
    arns = _client(there, "ecs").list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.WORKER)
    text = EVENT.read_text("utf-8")
    session = json.loads(text)["detail"]["userIdentity"]["arn"].rpartition("/")[2]
    event: dict[str, Any] = json.loads(text.replace(session, arns["taskArns"][0].rpartition("/")[2]))
    return event
