"""What a person sees, and what is written for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regrant_terraform import result as written
from regrant_terraform import screen
from regrant_terraform.codes import CODES
from tests.terraform import recorded as r
from tests.terraform.acting import A_PLAN, CHANGES, LOCK, NO_LOCK, RAW, SHOWN_LOCK, result
from tests.terraform.fake import Fake, error, shown

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def page(done: dict[str, Any]) -> list[str]:
    lines = screen.page(done).splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 24, "\n".join(lines)
    assert "\x1b" not in "".join(lines)
    return lines


def test_a_plan_is_one_screen_with_what_approves_it(fake: Fake) -> None:
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    lines = page(result(fake, "plan"))
    assert lines[0] == "plan: DONE"
    assert f"delete/create {r.WORKER}" in lines
    assert "  from role/retainwise-ecs-task-role" in lines
    assert "  to   role/prod-retainwise-worker-task-role" in lines
    assert lines[lines.index("make handover-apply APPROVED=\\") + 1] == A_PLAN


def test_a_refusal_is_one_screen_with_what_to_do(fake: Fake) -> None:
    plan = r.recorded()
    for number in range(150):
        r.another(r.OLD_ROLE, f"aws_iam_role.a_name_that_is_long[{number}]", actions=["create"])(plan)
    fake.answer(plan=CHANGES, show=shown(plan))
    lines = page(result(fake, "plan"))
    assert lines[0] == "plan: PLAN_REFUSED"
    assert any("lines more" in line for line in lines)
    assert any(line.startswith("To do: Correct the HCL") for line in lines)


def test_a_lock_is_shown_with_holder_and_time(fake: Fake) -> None:
    fake.answer(plan=error(LOCK))
    lines = page(result(fake, "plan"))
    assert "  who       run-7@build" in lines
    assert "  created   2026-11-28 10:00:05.123456789 +0000 UTC" in lines


@pytest.mark.parametrize("code", CODES)
def test_what_to_do_fits_for_every_code(code: str) -> None:
    page(
        {"action": "plan", "status": "FAILED", "error": code, "reason": "x " * 800, "do": CODES[code].do}
        | {"commands": [], "dropped": []}
    )


ANSWERS: dict[str, dict[str, Any]] = {
    "prepare": {},
    "import": {"state_list": {"out": f"{r.OLD_ROLE}\n"}},
    "drift": {"plan": CHANGES, "show": shown(r.recorded())},
    "heal": {"force-unlock": [error(SHOWN_LOCK), {}, error(NO_LOCK)]},
}


@pytest.mark.parametrize("action", ANSWERS)
def test_every_action_has_its_screen(fake: Fake, action: str) -> None:
    fake.answer(**ANSWERS[action])
    lines = page(result(fake, action))
    assert lines[0] == f"{action}: DONE" and len(lines) > 3


def test_what_was_not_passed_on_is_said(fake: Fake) -> None:
    lines = page(result(fake, "drift", fake.environment(TF_LOG="TRACE", TF_CLI_ARGS="-destroy")))
    assert lines[-1] == "not passed on to Terraform: TF_CLI_ARGS, TF_LOG"


def test_a_result_for_programs_stays_below_what_step_functions_takes() -> None:
    changes = [{"address": f"a.b[{number}]", "attributes": ["x" * 100] * 20} for number in range(3000)]
    done = {"action": "drift", "status": "DONE", "changes": changes, "reason": "y" * 500_000}
    text = written.text(done)
    kept = json.loads(text)
    assert len(text) <= written.LARGEST and kept["cut"] is True
    assert kept["changes"] == changes[: len(kept["changes"])] != []


def run(fake: Fake, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    config = fake.folder / "config.json"
    config.write_text(json.dumps({"directory": "nowhere", **RAW}))
    given = ("--config", str(config), "--directory", str(fake.hcl), *arguments[1:])
    return subprocess.run(
        [sys.executable, "-m", "regrant_terraform", arguments[0], *given],
        env={**fake.environment(), "PYTHONPATH": str(ROOT / "terraform"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_writes_one_result_and_ends_with_its_status(fake: Fake, tmp_path: Path) -> None:
    fake.answer(plan=error(LOCK))
    out = tmp_path / "result.json"
    done = run(fake, "plan", "--out", str(out))
    assert (done.returncode, done.stdout) == (4, "")
    assert json.loads(out.read_text())["error"] == "LOCKED"
    assert "terraform plan: " in done.stderr


def test_what_was_approved_can_be_typed(fake: Fake) -> None:
    (fake.hcl / "role.tfplan").write_text("a plan")
    done = run(fake, "apply", "--approved", "e" * 64, "--screen")
    assert (done.returncode, done.stdout.splitlines()[0]) == (3, "apply: NOT_APPROVED")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_result_that_cannot_be_written_is_printed(fake: Fake) -> None:
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    done = run(fake, "plan", "--out", "/proc/result.json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["sha256"] == A_PLAN


def test_it_runs_with_the_standard_library_alone(fake: Fake) -> None:
    """As in a build, where nothing is installed: no site-packages, no boto3."""
    code = "import sys; sys.argv[1:] = ['--help']; import runpy; runpy.run_module('regrant_terraform')"
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT / 'terraform')!r}); {code}",
        ],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "boto" not in done.stdout
