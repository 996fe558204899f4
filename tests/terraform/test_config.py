"""What is no configuration is refused by name, before anything is run or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from regrant_terraform.config import NEEDS, load, parse
from regrant_terraform.errors import Refused
from tests.terraform.acting import RAW

FACTS = {"account": "123456789012", "region": "us-east-1", "services": []}
WHOLE: dict[str, Any] = {"directory": "infra", "facts": FACTS, **RAW}


def refusal(raw: dict[str, Any], action: str = "plan") -> str:
    with pytest.raises(Refused) as refused:
        parse(raw, action)
    assert refused.value.code == "BAD_CONFIG"
    return refused.value.reason


def having(**values: Any) -> dict[str, Any]:
    return {**WHOLE, **values}


def state(**values: Any) -> dict[str, Any]:
    return having(state={"bucket": "b-bucket", "key": "k", "lockfile": True} | values)


@pytest.mark.parametrize("action", NEEDS)
def test_one_file_serves_every_action(action: str) -> None:
    assert parse(WHOLE, action).directory == Path("infra")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (having(rolls={}), "rolls: no such key"),
        (having(directory=7), "directory: 7 is not"),
        (having(region='us-east-1" }'), "region: "),
        (having(imports=[]), "imports: needs an object"),
        (having(imports={"aws_iam_role.x": 7}), "imports: aws_iam_role.x: 7 is not"),
        (having(imports={'aws_iam_role.x\n}\nresource "a" "b" {': "x"}), "imports: aws_iam_role.x"),
        (having(imports={'aws_iam_role.x["${file("/etc/passwd")}"]': "x"}), "imports: aws_iam_role.x"),
        (having(imports={"aws_iam_role.x": "a\nb"}), "imports: aws_iam_role.x"),
        (
            having(roles={"aws_iam_role.x": WHOLE["roles"]["aws_ecs_task_definition.worker"]}),
            "roles: aws_iam_role.x",
        ),
        (having(roles={"aws_ecs_task_definition.x": "admin"}), 'roles: aws_ecs_task_definition.x: "admin"'),
        (having(services={"aws_ecs_service.x": "aws_ecs_service.x"}), "services: aws_ecs_service.x"),
        (having(services={"aws_ecs_service.x": "aws_ecs_task_definition.y"}), "which is not in roles"),
        (
            having(roles={**WHOLE["roles"], "aws_ecs_task_definition.z": "arn:aws:iam::123456789012:role/x"}),
            "no service has aws_ecs_task_definition.z",
        ),
        (having(plan_file="../role.tfplan"), 'plan_file: "../role.tfplan"'),
        (having(plan_file="-destroy"), 'plan_file: "-destroy"'),
        (having(approved="A" * 64), "approved: "),
        (
            having(undo={"aws_ecs_task_definition.x": "retainwise-worker:1"}),
            "undo: aws_ecs_task_definition.x",
        ),
        (having(ended_run={"who": "x"}), "ended_run: needs who, began and ended"),
        (
            having(ended_run={"who": "x", "began": "yesterday", "ended": "now"}),
            'ended_run.began: "yesterday"',
        ),
        (having(lock_seconds=True), "lock_seconds: needs a whole number"),
        (having(lock_seconds=1.5), "lock_seconds: needs a whole number"),
        (having(state=[]), "state: needs an object"),
        (state(colour="red"), "state.colour: no such key"),
        (state(bucket='b" }'), "state.bucket: "),
        (state(key='k" }'), "state.key: "),
        (state(lockfile="yes"), "state.lockfile: needs true or false"),
        (state(lockfile=False, table='t" }'), "state.table: "),
    ],
)
def test_a_key_that_is_wrong_is_named(raw: dict[str, Any], said: str) -> None:
    assert refusal(raw).startswith(said) or said in refusal(raw)


@pytest.mark.parametrize("locks", [{"lockfile": True, "table": "locks"}, {"lockfile": False}])
def test_a_state_has_one_lock(locks: dict[str, Any]) -> None:
    assert "needs one lock" in refusal(state(**locks), "prepare")


@pytest.mark.parametrize(
    ("action", "needed"), [(a, key) for a, keys in NEEDS.items() for key in ("directory", *keys)]
)
def test_what_an_action_needs_is_asked_for(action: str, needed: str) -> None:
    raw = {name: value for name, value in WHOLE.items() if name != needed}
    assert refusal(raw, action) == f"{needed}: needed for {action}"


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(Refused, match="BAD_CONFIG"):
        load(file, "plan")


def test_what_is_typed_counts_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(WHOLE))
    assert load(file, "apply", {"approved": "e" * 64, "directory": "mine"}).approved == "e" * 64
    with pytest.raises(Refused, match="cannot be read"):
        load(tmp_path / "none.json", "plan")
