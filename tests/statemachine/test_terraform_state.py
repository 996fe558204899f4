"""A run whose grant the owner's Terraform removes, on the local account, with IAM enforced on its state."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from moto.s3.models import s3_backends

from sandbox.scenarios.seeds import retainwise
from tests.statemachine.world import Ended, World, incident

RECORDED = Path(__file__).parents[1] / "unit" / "terraform" / "recorded"
BUCKET, _, KEY = retainwise.STATE.rpartition(":")[2].partition("/")
ADDRESS = "aws_iam_policy_attachment.sqs"
CODES = ("GRANT_DURABLE", "GRANT_NOT_DURABLE", "GRANT_DURABILITY_UNKNOWN")


def terraform_has(world: World, name: str) -> None:
    """The state of the owner's last apply."""
    s3 = world.account.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=(RECORDED / f"{name}.state.json").read_bytes())


def said(run: Ended) -> tuple[str, str]:
    """Code and sentence of what the report says of Terraform."""
    (finding,) = [each for each in run.report["findings"] if each["code"] in CODES]
    return finding["code"], finding["text"]


def asked_of_s3(world: World) -> list[tuple[str | None, str, bool]]:
    calls = [call for call in world.account.calls if call.service == "s3" and call.function]
    return [(call.function, call.operation, call.allowed) for call in calls]


def test_a_grant_is_made_and_not_kept_until_terraform_has_it() -> None:
    with incident(redeploy="never") as world:
        terraform_has(world, "exclusive-of-policy")
        world.change_entry(terraform_state=retainwise.STATE)
        contained = world.run()
        assert (contained.outcome, world.granted()) == ("CONTAINED", True)
        assert said(contained)[0] == "GRANT_NOT_DURABLE"
        ((_, mail),) = world.messages()
        advice = f"denied again: take the grant into the HCL ({ADDRESS})."
        assert advice in contained.report["next"] and advice in " ".join(mail.split())
        keep = {"mode": "keep", "incident": contained.name}
        refused = world.run(keep)
        assert refused.outcome == "REFUSED" and "GRANT_NOT_DURABLE" in refused.codes
        assert len(world.account.client("scheduler").list_schedules()["Schedules"]) == 1
        terraform_has(world, "one-by-one")
        kept = world.run(keep)
        assert (kept.outcome, said(kept)[0], world.granted()) == ("CURED", "GRANT_DURABLE", True)
        assert world.account.client("scheduler").list_schedules()["Schedules"] == []


def test_a_state_that_the_owner_has_not_listed_is_not_read_and_the_run_goes_on() -> None:
    with incident(redeploy="never", TerraformStateObjectArns="") as world:
        terraform_has(world, "exclusive-of-policy")
        world.change_entry(terraform_state=retainwise.STATE)
        run = world.run()
        assert (run.outcome, said(run)[0]) == ("CONTAINED", "GRANT_DURABILITY_UNKNOWN")
        assert "(AccessDenied): it is not in the stack's TerraformStateObjectArns" in said(run)[1]
        assert asked_of_s3(world) == [("regrant-diagnose", "GetObject", False)]


def test_a_bucket_that_somebody_else_made_again_says_nothing() -> None:
    """The name of a deleted bucket is free for every account."""
    with incident(redeploy="never") as world:
        theirs: Any = s3_backends["999999999999"]["aws"]
        theirs.create_bucket(BUCKET, "us-east-1")
        theirs.put_object(BUCKET, KEY, (RECORDED / "one-by-one.state.json").read_bytes())
        world.change_entry(terraform_state=retainwise.STATE)
        run = world.run()
        assert (run.outcome, said(run)[0]) == ("CONTAINED", "GRANT_DURABILITY_UNKNOWN")
        assert asked_of_s3(world) == [("regrant-diagnose", "GetObject", False)]


def test_a_state_costs_its_service_one_call_and_others_none() -> None:
    def calls(world: World) -> Counter[str]:
        assert world.run({"service": retainwise_worker, "mode": "plan"}).outcome == "PLANNED"
        return Counter(f"{call.service}:{call.operation}" for call in world.account.calls if call.function)

    retainwise_worker = f"{retainwise.CLUSTER}/{retainwise.WORKER}"
    with incident() as world:
        terraform_has(world, "exclusive-of-policy")
        without = calls(world)
    with incident() as world:
        terraform_has(world, "exclusive-of-policy")
        world.change_entry(managed_by="terraform")
        assert calls(world) == without
    with incident() as world:
        terraform_has(world, "exclusive-of-policy")
        world.change_entry(terraform_state=retainwise.STATE)
        assert calls(world) - without == {"s3:GetObject": 1}
    assert not [call for call in without if call.startswith("s3:")]
