"""An action's configuration, checked before anything is run. docs/handover.md has every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regrant_terraform.errors import Refused

# What is written into HCL, or given to the CLI as an argument, is of a form that can do nothing else there.
_LABEL = r"[A-Za-z_][A-Za-z0-9_-]*"
_INDEX = r'(?:\[(?:[0-9]+|"[^"\\\n\r$%]*")\])?'
ADDRESS = re.compile(rf"(?:module\.{_LABEL}{_INDEX}\.)*{_LABEL}\.{_LABEL}{_INDEX}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
KEY = re.compile(r"[A-Za-z0-9_.\-/]{1,900}")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]{1,576}")
REVISION = re.compile(r"arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/[A-Za-z0-9_-]{1,255}:[0-9]+")
PLAN_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|\+00:00)?")
ACCOUNT = re.compile(r"[0-9]{12}")
PARTITION = re.compile(r"aws(-[a-z]+)*")
NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
ANY = re.compile(r"[^\x00-\x1f\x7f]{1,2048}")

NEEDS: Mapping[str, tuple[str, ...]] = {
    "prepare": ("region", "state"),
    "import": ("imports",),
    "plan": ("roles", "services", "plan_file"),
    "apply": ("roles", "services", "plan_file", "approved"),
    "drift": (),
    "undo": ("undo",),
    "heal": ("ended_run",),
    "propose": ("facts",),
}
"""Each action's own keys, beside `directory`."""


@dataclass(frozen=True)
class State:
    bucket: str
    key: str
    table: str | None
    """The lock's table; without one the lock is an object beside the state."""


@dataclass(frozen=True)
class EndedRun:
    """A run that is known to have ended: whose lock it was, and between which times (UTC) it ran."""

    who: str
    began: str
    ended: str


@dataclass(frozen=True)
class EnrolledService:
    cluster: str
    service: str
    task_definition: str
    """The ARN of the revision that it runs."""
    role: str
    """The ARN of the role that it is declared to have."""


@dataclass(frozen=True)
class Facts:
    account: str
    region: str
    partition: str
    services: tuple[EnrolledService, ...]


@dataclass(frozen=True)
class Config:
    directory: Path
    region: str = ""
    state: State | None = None
    imports: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    plan_file: str = ""
    approved: str = ""
    undo: Mapping[str, str] = field(default_factory=dict)
    ended_run: EndedRun | None = None
    facts: Facts | None = None
    lock_seconds: int = 60
    """How long plan and apply wait for somebody else's lock."""


def bad(why: str) -> Refused:
    return Refused("BAD_CONFIG", why)


def load(file: Path, action: str, given: Mapping[str, object] | None = None) -> Config:
    """`given` are keys from the command line, which count more than the file's."""
    try:
        raw = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise bad(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise bad(f"{file} is no JSON: {error}") from None
    if not isinstance(raw, dict):
        raise bad(f"{file} is no JSON object")
    return parse({**raw, **(given or {})}, action)


def parse(raw: Mapping[str, Any], action: str) -> Config:
    if unknown := sorted(raw.keys() - Config.__dataclass_fields__.keys()):
        raise bad(f"{', '.join(map(str, unknown))}: no such key")
    if missing := [name for name in ("directory", *NEEDS[action]) if not raw.get(name)]:
        raise bad(f"{', '.join(missing)}: needed for {action}")
    config = Config(
        directory=Path(_text(raw, "directory", ANY)),
        region=_text(raw, "region", REGION),
        state=_state(raw["state"]) if "state" in raw else None,
        imports=_map(raw, "imports", ADDRESS, ANY),
        roles=_map(raw, "roles", _of("aws_ecs_task_definition"), ROLE),
        services=_map(raw, "services", _of("aws_ecs_service"), _of("aws_ecs_task_definition")),
        plan_file=_text(raw, "plan_file", PLAN_FILE),
        approved=_text(raw, "approved", SHA256),
        undo=_map(raw, "undo", _of("aws_ecs_task_definition"), REVISION),
        ended_run=_ended(raw["ended_run"]) if raw.get("ended_run") else None,
        facts=_facts(raw["facts"]) if raw.get("facts") else None,
        lock_seconds=_seconds(raw.get("lock_seconds", 60)),
    )
    for service, definition in config.services.items():
        if config.roles and definition not in config.roles:
            raise bad(f"services: {service} has {definition}, which is not in roles")
    for definition in config.roles:
        if definition not in config.services.values():
            raise bad(f"roles: no service has {definition}")
    return config


def _of(kind: str) -> re.Pattern[str]:
    return re.compile(rf"(?:module\.{_LABEL}{_INDEX}\.)*{kind}\.{_LABEL}{_INDEX}")


def _text(raw: Mapping[str, Any], name: str, form: re.Pattern[str], of: str = "") -> str:
    value = raw.get(name, "")
    if value == "" and not of:
        return ""
    if not isinstance(value, str) or not form.fullmatch(value):
        raise bad(f"{of}{name}: {json.dumps(value)[:200]} is not of the form that it needs")
    return value


def _map(
    raw: Mapping[str, Any], name: str, key: re.Pattern[str], value: re.Pattern[str]
) -> Mapping[str, str]:
    given = raw.get(name, {})
    if not isinstance(given, dict):
        raise bad(f"{name}: needs an object")
    for wrong in _wrong(given, key, value):
        raise bad(f"{name}: {wrong[:200]} is not of the form that it needs")
    return dict(given)


def _wrong(given: Mapping[str, Any], key: re.Pattern[str], value: re.Pattern[str]) -> Iterator[str]:
    for one, other in given.items():
        if not key.fullmatch(one):
            yield one
        elif not isinstance(other, str) or not value.fullmatch(other):
            yield f"{one}: {json.dumps(other)}"


def _state(raw: object) -> State:
    if not isinstance(raw, dict):
        raise bad("state: needs an object")
    if unknown := sorted(raw.keys() - {"bucket", "key", "table", "lockfile"}):
        raise bad(f"state.{', '.join(unknown)}: no such key")
    table, lockfile = raw.get("table"), raw.get("lockfile", False)
    if not isinstance(lockfile, bool):
        raise bad("state.lockfile: needs true or false")
    # With both, a half lock is possible that no force-unlock opens cleanly.
    if bool(table) == lockfile:
        raise bad("state: needs one lock, a table or lockfile true, and not both")
    return State(
        bucket=_text(raw, "bucket", BUCKET, "state."),
        key=_text(raw, "key", KEY, "state."),
        table=_text(raw, "table", TABLE, "state.") if table else None,
    )


def _ended(raw: object) -> EndedRun:
    if not isinstance(raw, dict) or raw.keys() != {"who", "began", "ended"}:
        raise bad("ended_run: needs who, began and ended")
    began, ended = (_text(raw, name, TIME, "ended_run.") for name in ("began", "ended"))
    return EndedRun(_text(raw, "who", ANY, "ended_run."), began, ended)


def _facts(raw: object) -> Facts:
    if not isinstance(raw, dict) or not {"account", "region", "services"} <= raw.keys():
        raise bad("facts: needs account, region and services")
    services = raw["services"]
    if not isinstance(services, list) or not all(isinstance(each, dict) for each in services):
        raise bad("facts.services: needs a list of objects")
    return Facts(
        account=_text(raw, "account", ACCOUNT, "facts."),
        region=_text(raw, "region", REGION, "facts."),
        partition=_text({"partition": raw.get("partition", "aws")}, "partition", PARTITION, "facts."),
        services=tuple(_service(each) for each in services),
    )


def _service(raw: Mapping[str, Any]) -> EnrolledService:
    of = "facts.services."
    return EnrolledService(
        cluster=_text(raw, "cluster", NAME, of),
        service=_text(raw, "service", NAME, of),
        task_definition=_text(raw, "task_definition", REVISION, of),
        role=_text(raw, "role", ROLE, of),
    )


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 3600:
        raise bad("lock_seconds: needs a whole number from 0 to 3600")
    return value
