"""What the runner makes of a Terraform that fails: a name for each failure, and what to do."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import yaml

from regrant_terraform.codes import CODES
from tests.terraform import recorded as r
from tests.terraform.acting import CHANGES, LOCK, result
from tests.terraform.fake import Fake, error, shown


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


FAILURES = yaml.safe_load((Path(__file__).parent / "failures.yaml").read_text("utf-8"))


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: f"{each['code']}: {each['says'][:40]}")
def test_a_failure_has_a_name_and_something_to_do(fake: Fake, failure: dict[str, str]) -> None:
    code, command = failure["code"], failure["command"]
    fake.answer(**({"plan": CHANGES, "show": shown(r.recorded())} | {command: error(failure["says"])}))
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
