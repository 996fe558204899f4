"""By hand: `make handover-…` in a person's own checkout, and what the pages say of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from regrant_terraform.codes import CODES
from regrant_terraform.config import Config
from regrant_terraform.run import ACTIONS
from tests.terraform import recorded as r
from tests.terraform.acting import A_PLAN, CHANGES, NO_LOCK, RAW, SHOWN_LOCK
from tests.terraform.fake import Fake, error, shown

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "handover.md").read_text("utf-8")


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def made(fake: Fake, target: str, *variables: str, ends: bool = True) -> str:
    config = fake.folder / "hand over's.json"
    raw = {name: value for name, value in RAW.items() if name not in ("approved", "ended_run")}
    config.write_text(json.dumps({"directory": "nowhere", **raw}))
    given = {**os.environ, **fake.environment()}
    done = subprocess.run(
        ["make", "--no-print-directory", target, f"DIR={fake.hcl}", f"CONFIG={config}", *variables],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is ends, done.stderr
    return done.stdout


def test_a_plan_is_approved_by_typing_its_hash(fake: Fake) -> None:
    fake.answer(plan=[CHANGES, {}], show=shown(r.recorded()))
    assert A_PLAN in made(fake, "handover-plan").splitlines()
    assert made(fake, "handover-apply", ends=False).startswith("apply: BAD_CONFIG\n\napproved: needed")
    assert made(fake, "handover-apply", f"APPROVED={'e' * 64}", ends=False).startswith(
        "apply: NOT_APPROVED\n"
    )
    assert made(fake, "handover-apply", f"APPROVED={A_PLAN}").startswith("apply: DONE\n")


def test_a_lock_is_healed_by_naming_the_run_that_has_ended(fake: Fake) -> None:
    fake.answer(**{"force-unlock": [error(SHOWN_LOCK), {}, error(NO_LOCK)]})
    run = ("WHO=run-7@build", "BEGAN=2026-11-28T10:00:00", "ENDED=2026-11-28T10:05:00")
    assert "Opened run-7@build's lock" in made(fake, "handover-heal", *run)


def test_the_result_is_there_for_programs_too(fake: Fake, tmp_path: Path) -> None:
    fake.answer(plan=CHANGES, show=shown(r.recorded()))
    made(fake, "handover-drift", f"JSON={tmp_path / 'result.json'}")
    assert json.loads((tmp_path / "result.json").read_text())["empty"] is False


def test_every_action_has_its_target_and_its_line_on_the_page() -> None:
    for action in ACTIONS:
        assert f"make handover-{action}" in PAGE, action


def test_every_key_of_the_configuration_is_on_the_page() -> None:
    assert [name for name in Config.__dataclass_fields__ if f"`{name}`" not in PAGE] == []


def test_every_code_is_explained() -> None:
    codes = (ROOT / "docs" / "codes.md").read_text("utf-8").split("\n## Handover\n")[1].split("\n## ")[0]
    explained = re.findall(r"(?m)^\| `([A-Z_]+)` \|", codes)
    assert sorted(explained) == sorted(CODES)
