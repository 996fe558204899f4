"""What a run says of a grant that the owner's Terraform removes, and what it does all the same."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.approval.plan import plan_digest
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.run import AskEvent, Diagnosis, Finding, Report
from regrant.report.approval import ask_approval
from regrant.report.render import render
from regrant.terraform import durability
from tests.unit.cure import CURE, EXPIRY, LATER, granted, planned
from tests.unit.ended import HEALTHY
from tests.unit.fakes import DENIAL, ENTRY, INCIDENT, INCIDENT_OF_WORKER, OLD_ROLE, RECEIVE, World, at
from tests.unit.run import Run, contain

STATE = "arn:aws:s3:::retainwise-terraform-state/prod/terraform.tfstate"
OURS = replace(ENTRY, managed_by="terraform", terraform_state=STATE)
CONTAIN = replace(INCIDENT_OF_WORKER, entry=OURS)
KEEP = replace(EXPIRY, id="keep-1", subject="keep-1", mode="keep", expires=INCIDENT, entry=OURS)
ADDRESS = "aws_iam_policy_attachment.sqs"
CODES = ("GRANT_DURABLE", "GRANT_NOT_DURABLE", "GRANT_DURABILITY_UNKNOWN")


def recorded(name: str) -> bytes:
    return (Path(__file__).parent / "recorded" / f"{name}.state.json").read_bytes()


def with_state(world: World, name: str = "exclusive-of-policy") -> World:
    world.terraform_states.texts[STATE] = recorded(name)
    return world


def about(found: Diagnosis | Report) -> list[Finding]:
    return [finding for finding in found.findings if finding.code in CODES]


def contained(world: World, **entry: Any) -> Report:
    run = Run(world, replace(CONTAIN, entry=replace(OURS, **entry)))
    run.diagnose()
    run.capture()
    run.attach()
    return run.closed(replace(run.state, health=HEALTHY))


def test_what_terraform_removes_is_granted_all_the_same_and_the_report_says_so() -> None:
    world = with_state(World())
    report = contained(world)
    assert (report.outcome, world.roles.role.attached) == ("CONTAINED", (RECEIVE,))
    (finding,) = about(report)
    assert (finding.code, finding.evidence) == ("GRANT_NOT_DURABLE", (ADDRESS,))
    assert "the next apply removes this" in finding.text and ADDRESS in finding.text
    assert report.next.startswith(
        f"After the next apply of Terraform it is denied again: take the grant into the HCL ({ADDRESS})."
    )
    assert "take the grant into the HCL" in " ".join(render(report).split())


def test_it_is_said_before_what_anybody_may_have_written_into_a_log() -> None:
    world = with_state(World())
    world.logs.write(-30, DENIAL)
    codes = [finding.code for finding in planned(world, CONTAIN, 1).findings]
    assert codes[0] == "GRANT_NOT_DURABLE" and len(codes) > 1


def test_what_stays_and_what_is_not_known_is_said_as_well() -> None:
    def said(name: str) -> tuple[str, tuple[str, ...]]:
        report = contained(with_state(World(), name))
        assert report.next.startswith("The grant is temporary")
        (finding,) = about(report)
        return finding.code, finding.evidence

    assert said("one-by-one")[0] == "GRANT_DURABLE"
    assert said("managed-policy-arns") == (
        "GRANT_DURABILITY_UNKNOWN",
        ('module.roles["prod.us"].aws_iam_role.old',),
    )


def test_a_dry_run_says_it_too_and_a_cure_and_an_expiry_do_not_ask() -> None:
    dry = planned(with_state(World()), replace(CONTAIN, mode="plan"), 1)
    assert (dry.next, [finding.code for finding in about(dry)]) == ("PLAN", ["GRANT_NOT_DURABLE"])
    world = with_state(granted())
    for incident in (replace(CURE, entry=OURS), replace(EXPIRY, entry=OURS)):
        assert about(planned(world, incident)) == []
    assert world.terraform_states.asked == []


def test_who_approves_sees_it_and_a_yes_is_to_the_same_plan() -> None:
    """The state may change while the run waits: that makes it no other plan."""
    world, other = with_state(World()), World()
    asks = replace(OURS, approval="required")
    runs = [Run(each, replace(CONTAIN, entry=asks)) for each in (world, other)]
    for run in runs:
        assert run.diagnose().next == "ASK"
    assert plan_digest(runs[0].state) == plan_digest(runs[1].state)
    ask_approval(AskEvent(runs[0].state, at(3), "token"), world)
    ((_, text),) = world.topic.sent
    assert "GRANT_NOT_DURABLE: The owner's Terraform has no" in text and ADDRESS in text


def test_a_grant_that_terraform_removes_is_not_kept() -> None:
    world = with_state(granted())
    diagnosis = planned(world, KEEP)
    refusal = diagnosis.refusal
    assert (diagnosis.next, diagnosis.plan) == ("REFUSE", None) and refusal
    assert refusal.code == "GRANT_NOT_DURABLE" and ADDRESS in refusal.message
    assert f"take it into the hcl ({ADDRESS})" in refusal.next.lower()
    assert json.loads(refusal.next.splitlines()[-1]) == {"mode": "keep", "incident": INCIDENT}
    report = Run(world, KEEP, diagnosis).close(LATER + 1)
    assert [finding.code for finding in about(report)] == ["GRANT_NOT_DURABLE"]
    (hold,) = world.holds.of(OLD_ROLE)
    assert hold.incident == INCIDENT and world.schedules.at  # it still has its end


def test_once_terraform_has_it_or_nothing_is_known_it_is_kept() -> None:
    for name, code in (("one-by-one", "GRANT_DURABLE"), ("inline", "GRANT_DURABILITY_UNKNOWN")):
        diagnosis = planned(with_state(granted(), name), KEEP)
        assert diagnosis.next == "CHANGE" and [finding.code for finding in about(diagnosis)] == [code]


def test_a_list_that_a_refresh_may_have_written_does_not_stop_a_keep() -> None:
    path = Path(__file__).parent / "recorded" / "exclusive-of-role.refreshed.json"
    world = granted()
    world.terraform_states.texts[STATE] = path.read_bytes()
    (finding,) = about(planned(world, KEEP))
    assert finding.code == "GRANT_DURABILITY_UNKNOWN" and "refresh" in finding.text


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (AwsRefused("secret", "AccessDenied"), "TerraformStateObjectArns"),
        (AwsRefused("secret", "NoSuchBucket"), "(NoSuchBucket)"),
        (AwsRefused("secret", "PermanentRedirect"), "(PermanentRedirect)"),
        (AwsUnavailable("secret"), "could not be asked"),
    ],
)
def test_a_state_that_s3_does_not_give_ends_no_run(failure: Exception, why: str) -> None:
    world = World()
    world.terraform_states.failure = failure
    report = contained(world)
    (finding,) = about(report)
    assert (report.outcome, finding.code) == ("CONTAINED", "GRANT_DURABILITY_UNKNOWN")
    assert why in finding.text and STATE in finding.text and "secret" not in finding.text
    assert world.terraform_states.asked == [STATE]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "is not a Terraform state of format 4"),
        (b"<html>", "is not a Terraform state of format 4"),
        (b"0123456789", "is larger than"),
    ],
)
def test_what_is_no_state_or_too_long_ends_no_run(
    text: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "LARGEST", 9)
    world = World()
    world.terraform_states.texts[STATE] = text
    (finding,) = about(contained(world))
    assert finding.code == "GRANT_DURABILITY_UNKNOWN" and f"{STATE} {why}" in finding.text


def test_a_run_does_not_wait_for_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "PATIENCE", 0.05)
    hangs, world = threading.Event(), World()

    class Slow:
        def read(self, arn: str, most: int) -> bytes | None:
            hangs.wait(30)
            return None

    monkeypatch.setattr(world, "terraform_states", Slow())
    try:
        (finding,) = about(contained(world))
    finally:
        hangs.set()
    assert finding.code == "GRANT_DURABILITY_UNKNOWN" and "did not give" in finding.text


def test_a_service_of_terraform_whose_entry_names_no_state_is_told_what_would_say_it() -> None:
    world = with_state(World())
    (finding,) = about(contained(world, terraform_state=None))
    assert finding.code == "GRANT_DURABILITY_UNKNOWN" and "names no terraform_state" in finding.text
    assert world.terraform_states.asked == []


def test_a_role_of_terraform_may_run_what_a_pipeline_deploys() -> None:
    (finding,) = about(contained(with_state(World()), managed_by=None))
    assert finding.code == "GRANT_NOT_DURABLE"


def test_other_services_neither_ask_nor_hear_of_it() -> None:
    world = with_state(World())
    report = contained(world, managed_by=None, terraform_state=None)
    assert (about(report), world.terraform_states.asked) == ([], [])


def test_a_state_is_read_once_for_all_policies_and_only_for_a_plan() -> None:
    world = with_state(World())
    contain(world)
    world.roles.role = replace(world.roles.role, attached=(RECEIVE,))
    diagnosis = planned(world, CONTAIN, 600)
    assert (diagnosis.plan, about(diagnosis), world.terraform_states.asked) == (None, [], [])
