"""What the runner makes of a Terraform that fails: a name for each failure, and what to do."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from regrant_terraform.codes import CODES
from tests.terraform import recorded as r
from tests.terraform.acting import CHANGES, LOCK, result
from tests.terraform.fake import Fake, error, shown


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


FAILURES = [
    ("STALE_PLAN", "apply", "Error: Saved plan is stale\n\nThe given plan file can no longer be applied because the\nstate was changed"),
    ("NOT_INITIALIZED", "plan", "Error: Backend initialization required, please run \"terraform\ninit\""),
    ("NOT_INITIALIZED", "plan", "Error: Inconsistent dependency lock file\n\nThe following dependency selections"),
    ("NOT_INITIALIZED", "plan", "Error: Required plugins are not installed"),
    ("PROVIDER_UNAVAILABLE", "init", "Error: Failed to query available provider packages\n\nCould not retrieve the list of available versions for provider hashicorp/aws"),
    ("PROVIDER_UNAVAILABLE", "init", "Error: Failed to install provider\n\nError while installing hashicorp/aws v5.100.0"),
    ("PROVIDER_UNAVAILABLE", "init", "Error: Required plugins\n\nthe current package for registry.terraform.io/hashicorp/aws 5.100.0 doesn't match\nany of the checksums previously recorded"),
    ("HCL_INVALID", "plan", "Error: Unsupported block type\n\n  on iam.tf line 3:\n   3: resorce \"a\" \"b\" {\n\nBlocks of type"),
    ("HCL_INVALID", "init", "Error: Invalid character\n\n  on ecs.tf line 12, in resource \"a\" \"b\":\n  12: ?"),
    ("DISK_FULL", "plan", "Error: Failed to write plan file\n\nopen role.tfplan: no space left\non device"),
    ("DISK_FULL", "apply", "Error: Failed to save state\n\nwrite /tmp/x: no space left on device"),
    ("STATE_NOT_SAVED", "apply", "Error: Failed to save state\n\nError saving state: failed to upload state"),
    ("STATE_DIFFERS", "plan", "Error: Error loading state: state data in S3 does not have\nthe expected content."),
    ("BACKEND_MISSING", "init", "Error: Failed to get existing workspaces: S3 bucket \"x\" does not exist.\n\napi error NoSuchBucket: The specified bucket does not exist"),
    ("BACKEND_MISSING", "plan", "Error: Error acquiring the state lock\n\nResourceNotFoundException: Requested resource not found"),
    ("ACCESS_DENIED", "plan", "Error: Error acquiring the state lock\n\napi error AccessDenied: User: arn:aws:sts::123456789012:assumed-role/x is not authorized\nto perform: s3:PutObject"),
    ("ACCESS_DENIED", "plan", "Error: reading ECS Cluster\n\n  with aws_ecs_cluster.main,\n  on ecs.tf line 1, in resource \"aws_ecs_cluster\" \"main\":\n\nis not authorized to perform: ecs:DescribeClusters"),
    ("PLAN_UNREADABLE", "show", "Error: Failed to read the given file as a state or plan file"),
    ("LOCKED", "plan", LOCK),
    ("TERRAFORM_FAILED", "plan", "Error: waiting for ECS Service (x) update: timeout\n\n  with aws_ecs_service.x,\n  on ecs.tf line 9, in resource"),
    ("TERRAFORM_FAILED", "plan", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "command", "text"), FAILURES, ids=[f"{c}-{n}" for n, (c, *_) in enumerate(FAILURES)]
)
def test_a_failure_has_a_name_and_something_to_do(fake: Fake, code: str, command: str, text: str) -> None:
    fake.answer(**({"plan": CHANGES, "show": shown(r.recorded())} | {command: error(text)}))
    (fake.hcl / "role.tfplan").write_text("a plan")
    done = result(fake, {"init": "prepare", "apply": "apply"}.get(command, "plan"))
    assert (done["status"], done["error"], done["do"]) == ("FAILED", code, CODES[code].do)
    assert done["commands"][-1]["command"] == command
    assert not any(line.startswith(("╷", "│")) for line in done["reason"].splitlines())


def test_without_terraform_the_fix_is_named(fake: Fake) -> None:
    done = result(fake, "plan", {"PATH": str(fake.hcl)})
    assert (done["error"], done["commands"]) == ("TERRAFORM_MISSING", [])


@pytest.mark.parametrize("said", ["1.10.5", "1.12.0", "1.110.0", "2.11.0"])
def test_another_minor_version_is_not_used(fake: Fake, said: str) -> None:
    fake.answer(version={"out": f'{{"terraform_version": "{said}"}}'})
    done = result(fake, "apply")
    assert (done["error"], fake.commands) == ("TERRAFORM_VERSION", ["version"])
    assert f"is {said}, 1.11 is needed" in done["reason"]


@pytest.mark.parametrize("said", ["Terraform v1.11.4", "[]", "{}", ""])
def test_what_says_no_version_is_not_used(fake: Fake, said: str) -> None:
    fake.answer(version={"out": said})
    assert result(fake, "plan")["error"] == "TERRAFORM_VERSION"
    assert fake.commands == ["version"]


@pytest.mark.parametrize(
    "said",
    [
        "garbage",
        "[]",
        "{}",
        '{"format_version": "2.0"}',
        '{"format_version": "1.2", "resource_changes": [{}]}',
        '{"format_version": "1.2", "resource_changes": 7}',
    ],
)
def test_a_plan_that_cannot_be_read_is_not_approved(fake: Fake, said: str) -> None:
    fake.answer(plan=CHANGES, show={"out": said})
    done = result(fake, "plan")
    assert (done["error"], "sha256" in done) == ("PLAN_UNREADABLE", False)
    assert not (fake.hcl / "role.tfplan").exists()


def test_output_that_is_no_text_is_no_crash(fake: Fake) -> None:
    fake.answer(plan={"rc": 1, "utf8": [0xFF, 0xFE, 0x00]})
    assert result(fake, "plan")["error"] == "TERRAFORM_FAILED"


def test_a_killed_command_says_that_a_lock_may_be_left(fake: Fake) -> None:
    fake.answer(plan={"dies": signal.SIGKILL})
    done = result(fake, "plan")
    assert (done["error"], "SIGKILL" in done["reason"]) == ("TERRAFORM_KILLED", True)
    assert "Heal" in done["do"]


def test_a_lock_is_named_with_its_holder_and_time(fake: Fake) -> None:
    fake.answer(plan=error(LOCK))
    done = result(fake, "plan")
    assert done["lock"] == {
        "id": "5d0e6fd9-6dfa-95c5-dc8c-5a5a4a3f7d7d",
        "path": "retainwise-terraform-state/prod/terraform.tfstate",
        "operation": "OperationTypeApply",
        "who": "run-7@build",
        "version": "1.11.4",
        "created": "2026-11-28 10:00:05.123456789 +0000 UTC",
    }
    assert done["reason"].startswith("run-7@build holds the state's lock since 2026-11-28 10:00:05.123456789")


def test_a_state_that_was_not_saved_is_kept_and_nothing_runs_over_it(fake: Fake) -> None:
    (fake.hcl / "role.tfplan").write_text("a plan")
    fake.answer(
        show=shown(r.recorded()), apply=error("Error: Failed to save state") | {"writes": "errored.tfstate"}
    )
    done = result(fake, "apply")
    assert (done["error"], done["errored_state"]) == ("STATE_NOT_SAVED", "errored.tfstate")
    ran = len(fake.calls)
    for action in ("import", "plan", "apply", "undo"):
        assert result(fake, action)["error"] == "STATE_NOT_SAVED"
    assert (len(fake.calls), (fake.hcl / "errored.tfstate").exists()) == (ran, True)


def test_a_name_that_no_text_of_terraform_has_is_an_error_of_regrants(fake: Fake) -> None:
    (fake.hcl / "role.tfplan").mkdir()
    done = result(fake, "apply")
    assert (done["error"], done["do"]) == ("RUNNER_FAILED", CODES["RUNNER_FAILED"].do)
