"""The runner with the real Terraform, on a state that the local account's S3 holds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from real_terraform.backend import WHO, Checkout, now
from regrant_terraform.gates import imports, roles

RUNNER = Path(__file__).resolve().parents[1] / "terraform"
LOCKS = pytest.mark.parametrize("lockfile", [False, True], ids=["table", "lockfile"])


@pytest.fixture(autouse=True)
def ungated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gates have tests of their own, and no task definition is in this state."""
    monkeypatch.setattr(roles, "objections", lambda plan, declared, services: [])
    monkeypatch.setattr(imports, "objections", lambda plan, wanted: [])


def applied(checkout: Checkout, **variables: object) -> dict[str, Any]:
    done = checkout.surely("plan", variables)
    assert done["status"] == "DONE", done["reason"]
    return checkout.surely("apply", variables, approved=done["sha256"])


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    assert checkout.act("prepare")["status"] == "DONE"
    assert applied(checkout)["status"] == "DONE"
    return checkout


def beside(
    checkout: Checkout, action: str, variables: dict[str, object], **more: Any
) -> Callable[[], dict[str, Any]]:
    """The action goes on in a thread, and has its lock. What is returned waits for its end."""
    said: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: said.append(checkout.act(action, variables, **more)))
    thread.start()
    while not checkout.backend.locked:
        time.sleep(0.02)

    def ended() -> dict[str, Any]:
        thread.join()
        return said[0]

    return ended


def second(checkout: Checkout) -> Checkout:
    """Somebody else, in the same folder."""
    other = object.__new__(Checkout)
    other.__dict__.update(checkout.__dict__)
    return other


@LOCKS
def test_a_plan_is_applied_and_nothing_is_left(checkout: Checkout, lockfile: bool) -> None:
    checkout.lockfile = lockfile
    done = checkout.act("prepare")
    assert (done["status"], done["backend"], done["migrated"]) == ("DONE", "regrant_backend.tf", False)
    planned = checkout.surely("plan")
    assert (planned["status"], planned["empty"], len(planned["changes"])) == ("DONE", False, 2)
    assert checkout.surely("apply", approved=planned["sha256"])["status"] == "DONE"
    assert checkout.backend.locked == []
    assert checkout.surely("drift")["empty"] is True
    assert sorted(p.name for p in checkout.folder.iterdir()) == [
        ".terraform",
        "main.tf",
        "regrant_backend.tf",
    ]


def test_prepare_twice_is_prepare_once(ready: Checkout) -> None:
    text = (ready.folder / "regrant_backend.tf").read_text()
    assert ready.act("prepare")["status"] == "DONE"
    assert (ready.folder / "regrant_backend.tf").read_text() == text
    assert ready.surely("drift")["empty"] is True


def local_state(checkout: Checkout) -> None:
    """As it is where Terraform was never given a backend."""
    for arguments in (("init",), ("apply", "-auto-approve")):
        checkout.terraform.run(*arguments)


def test_a_local_state_goes_with_it(checkout: Checkout) -> None:
    local_state(checkout)
    before = (checkout.folder / "terraform.tfstate").read_text()
    done = checkout.act("prepare")
    assert done["status"] == "DONE", json.dumps(done)
    assert done["migrated"] is True
    assert checkout.backend.state["resources"] == json.loads(before)["resources"]
    assert checkout.surely("drift")["empty"] is True
    # Killed before the local one was emptied, it is the same once more.
    (checkout.folder / "terraform.tfstate").write_text(before)
    assert checkout.act("prepare")["status"] == "DONE"
    assert checkout.surely("drift")["empty"] is True
    # What Terraform leaves behind is an empty file of the same name.
    assert checkout.act("prepare")["migrated"] is False


def test_a_local_state_is_not_written_over_the_one_in_the_bucket(ready: Checkout) -> None:
    there = ready.backend.state
    (ready.folder / "regrant_backend.tf").unlink()
    for file in (ready.folder / ".terraform").iterdir():
        file.unlink()
    local_state(ready)
    done = ready.act("prepare")
    assert (done["error"], ready.backend.state) == ("TWO_STATES", there)


@LOCKS
def test_a_second_apply_is_refused_and_the_first_ends_well(ready: Checkout, lockfile: bool) -> None:
    ready.lockfile = lockfile
    ready.act("prepare")
    planned = ready.surely("plan", {"n": 2, "slow": 2})
    first = beside(ready, "apply", {"n": 2, "slow": 2}, approved=planned["sha256"])
    refused = second(ready).act("plan", {"n": 3}, plan_file="second.tfplan")
    assert (refused["error"], refused["lock"]["who"]) == ("LOCKED", WHO)
    assert refused["lock"]["operation"] == "OperationTypeApply"
    assert first()["status"] == "DONE"
    assert ready.backend.locked == []


def test_a_plan_that_is_stale_is_named_and_leaves_nothing(ready: Checkout) -> None:
    stale = ready.surely("plan", {"n": 2}, plan_file="stale.tfplan")
    assert applied(ready, n=3)["status"] == "DONE"
    serial = ready.backend.state["serial"]
    done = ready.surely("apply", {"n": 2}, plan_file="stale.tfplan", approved=stale["sha256"])
    assert (done["error"], ready.backend.locked, ready.backend.state["serial"]) == ("STALE_PLAN", [], serial)


def test_a_plan_file_that_was_swapped_in_storage_is_not_applied(ready: Checkout) -> None:
    approved = ready.surely("plan", {"n": 2})
    ready.surely("plan", {"n": 666}, plan_file="theirs.tfplan")
    (ready.folder / "theirs.tfplan").replace(ready.folder / "role.tfplan")
    before = ready.backend.state
    done = ready.surely("apply", approved=approved["sha256"])
    assert (done["error"], ready.backend.state) == ("NOT_APPROVED", before)


UNGATED = """
import sys
from regrant_terraform.gates import roles
roles.objections = lambda plan, declared, services: []
from regrant_terraform.__main__ import main
sys.exit(main())
"""


@LOCKS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_in_an_apply_saves_the_state_and_opens_the_lock(
    ready: Checkout, tmp_path: Path, lockfile: bool, number: signal.Signals
) -> None:
    """Sent twice, Terraform gets it once: a second one would lose the state."""
    ready.lockfile = lockfile
    ready.act("prepare")
    serial = ready.backend.state["serial"]
    planned = ready.surely("plan", {"n": 2, "slow": 30})
    (tmp_path / "config.json").write_text(json.dumps(ready.raw | {"approved": planned["sha256"]}))
    while (done := _stopped(ready, tmp_path, number))["error"] == "LOCKED":
        ready.heal(now() - timedelta(seconds=30), now())  # its own lock, as Checkout.surely says
    assert (done["error"], ready.backend.locked) == ("INTERRUPTED", [])
    assert ready.backend.state["serial"] > serial
    assert applied(ready, n=2)["status"] == "DONE"


def _stopped(ready: Checkout, folder: Path, number: signal.Signals) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-c", UNGATED, "apply", "--config", "config.json", "--out", "result.json"],
        cwd=folder,
        env={**ready.environment, "PYTHONPATH": str(RUNNER)},
        stderr=subprocess.DEVNULL,
    )
    while not ready.backend.locked:
        time.sleep(0.02)
    time.sleep(1.5)
    process.send_signal(number)
    time.sleep(0.2)
    process.send_signal(number)
    process.wait(timeout=25)
    done: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return done
