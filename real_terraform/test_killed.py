"""Terraform is killed after each call of its backend: what it leaves is healed, or has a name."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from real_terraform.backend import KEY, Checkout, now
from regrant_terraform.gates import roles

LOCKS = pytest.mark.parametrize("lockfile", [False, True], ids=["table", "lockfile"])


@pytest.fixture(autouse=True)
def ungated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No task definition is in this state."""
    monkeypatch.setattr(roles, "objections", lambda plan, declared, services: [])


def applied(checkout: Checkout, **variables: object) -> dict[str, Any]:
    done = checkout.surely("plan", variables)
    assert done["status"] == "DONE", done["reason"]
    return checkout.surely("apply", variables, approved=done["sha256"])


@LOCKS
@pytest.mark.parametrize("action", ["plan", "apply"])
def test_killed_after_any_call_from_its_lock_on(checkout: Checkout, action: str, lockfile: bool) -> None:
    checkout.lockfile = lockfile
    checkout.act("prepare")
    assert applied(checkout, n=0)["status"] == "DONE"
    backend = checkout.backend
    backend.calls.clear()
    checkout.surely("plan")
    killed, named, number = [], [], _lock(backend.calls)
    while True:
        variables = {"n": number + 1}
        more = {"approved": checkout.surely("plan", variables)["sha256"]} if action == "apply" else {}
        backend.calls.clear()
        backend.harm, began = (number, checkout.kill), now()
        done = checkout.act(action, variables, **more)
        backend.harm = None
        if number >= len(backend.calls):
            break
        ended, locked = now(), backend.locked
        healed = checkout.heal(began, ended)
        assert healed.get("healed") is bool(locked), (backend.calls[number], healed)
        assert backend.locked == []
        if done["error"] == "LOCKED":
            continue  # by its own lock, as Checkout.surely says
        assert done["error"] == "TERRAFORM_KILLED", done
        call = backend.calls[number]
        if call == f"PUT {KEY}" and not lockfile:
            # Between the state and its checksum in the table: which one to write is in Terraform's text.
            refused, digest = checkout.act("plan"), hashlib.md5(backend.body).hexdigest()
            assert (refused["error"], digest in refused["reason"]) == ("STATE_DIFFERS", True)
            backend.write_digest(digest)
            named.append(call)
        if done["commands"][-1]["command"] != action:
            break  # the plan after the apply
        killed.append(call)
        number += 1
    assert len(killed) >= {"plan": 4, "apply": 6}[action]
    assert bool(named) is (action == "apply" and not lockfile)
    assert applied(checkout, n=1000)["status"] == "DONE"


def _lock(calls: list[str]) -> int:
    """The number of the call that takes the lock. What dies before it leaves nothing."""
    return next(n for n, call in enumerate(calls) if call in ("PutItem", f"PUT {KEY}.tflock"))
