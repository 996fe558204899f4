"""What somebody gains who may write what the lists name, or one entry of the catalogue: no other service's
grant, no permission to change permissions, and no run without the approval that the stack demands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.iam.requests import ACCOUNT, REGION
from sandbox.scenarios.seeds import retainwise, retainwise_account
from tests.e2e.test_forger import event, invoke, only
from tests.statemachine.world import POLICY, WORKER, World, incident

BACKEND = f"{retainwise.CLUSTER}/{retainwise.BACKEND}"


def entry_of(service: str) -> str:
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/regrant/services/{service}"


def write_entry(world: World, service: str, text: str) -> None:
    """As somebody who may write that one parameter and nothing else."""
    forger = only(world, "ssm:PutParameter", entry_of(service))
    forger.put_parameter(Name=f"/regrant/services/{service}", Value=text, Type="String", Overwrite=True)


def forged(statement: dict[str, Any]) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"} | statement]}
    )


@pytest.mark.parametrize(
    ("actions", "code"),
    [
        ("*", "POLICY_CHANGES_PERMISSIONS"),
        (["sqs:ReceiveMessage", "lambda:InvokeFunction"], "REACHES_THE_STACK"),
    ],
    ids=["an administrator", "an answer to an approval"],
)
def test_who_may_write_a_listed_policys_text_gets_no_more_out_of_it(
    actions: str | list[str], code: str
) -> None:
    with incident() as world:
        forger = only(world, "iam:CreatePolicyVersion", POLICY)
        text = forged({"Action": actions})
        forger.create_policy_version(PolicyArn=POLICY, PolicyDocument=text, SetAsDefault=True)
        world.remember()
        ended = world.run({"service": WORKER, "mode": "contain"})
        assert ended.outcome == "REFUSED" and code in ended.codes
        assert world.changed() == [] and not world.granted()


def test_the_audit_names_the_listed_policy_that_was_forged() -> None:
    with incident() as world:
        forger = only(world, "iam:CreatePolicyVersion", POLICY)
        no_iam = forged({"NotAction": "sts:*"})
        forger.create_policy_version(PolicyArn=POLICY, PolicyDocument=no_iam, SetAsDefault=True)
        for hour in (1, 2):  # one look more brings no second notification
            given = event("audit_grants") | {"time": f"2026-03-02T0{hour}:00:00Z"}
            invoke(world.account.client("lambda"), "audit-grants", given)
        (message,) = [text for subject, text in world.messages() if "refused list entry" in subject]
        assert POLICY in message and "POLICY_CHANGES_PERMISSIONS" in message


def test_who_may_write_one_entry_does_not_hold_another_services_grant_for_good() -> None:
    """The worker has moved to its own role. The backend runs with the one that still has the grant."""
    with incident() as world:
        contained = world.run({"service": WORKER, "mode": "contain"})
        assert contained.outcome == "CONTAINED"
        retainwise_account.move_worker(world.account)
        world.after(300)
        write_entry(world, BACKEND, "{")
        expiry = {"mode": "expire", "incident": contained.name}
        first, kept = world.run(expiry), world.granted()
        second = world.run(expiry)
        assert [first.outcome, second.outcome, kept, world.granted()] == ["REFUSED", "CURED", True, False]
        assert BACKEND in first.report["next"] and "GRANT_STAYS" in first.codes
        assert "ENTRY_UNREADABLE" in second.codes
        notified = [text for _, text in world.messages() if BACKEND in text]
        assert len(notified) == 2


def test_who_may_write_the_entry_does_not_take_the_stacks_approval_away() -> None:
    with incident(RequireApproval="all") as world:
        ssm = world.account.client("ssm")
        entry = json.loads(ssm.get_parameter(Name=f"/regrant/services/{WORKER}")["Parameter"]["Value"])
        write_entry(world, WORKER, json.dumps(entry | {"approval": "none"}))
        world.remember()
        ended = world.run({"service": WORKER, "mode": "contain"})
        assert "AskApproval" in ended.path
        assert (ended.outcome, world.changed(), world.granted()) == ("REFUSED", [], False)
