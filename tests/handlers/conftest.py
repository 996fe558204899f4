"""The seed's account in moto, with every handler's event, at the time of the incident."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from regrant.aws.executions import StateMachineExecutions
from regrant.model.aws import Sent
from tests.aws.account import (
    ENVIRONMENT,
    create_journal,
    create_lists,
    create_queues,
    create_role,
    create_schedules,
    create_service,
    create_topic,
    enrol,
)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "functions" / "handlers"
MODULES = {
    path.stem: ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in FOLDER.rglob("[a-z]*.py")
}
HANDOVER = sorted(path.stem for path in FOLDER.glob("handover/[a-z]*.py"))
HANDLERS = sorted(set(MODULES) - set(HANDOVER))
CREATE: tuple[Callable[[], Any], ...] = (
    *(create_journal, create_topic, create_role, create_schedules, create_service, create_queues),
    *(create_lists, enrol),
)
Invoke = Callable[..., Any]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # PutLogEvents takes no event older than 14 days.
    monkeypatch.setattr("moto.logs.models.utcnow", lambda: datetime.fromisoformat("2025-11-11T22:00"))
    with mock_aws():
        for create in CREATE:
            create()
        yield


@pytest.fixture
def invoke(account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """Call a handler as Lambda does: a fresh import in its environment, JSON in, JSON out. The event is what
    its run has sent."""

    def call(step: str, event: Any = None) -> Any:
        given = load(step) if event is None else event
        sent = Sent(f"regrant-{step.replace('_', '-')}", given)
        monkeypatch.setattr(StateMachineExecutions, "waits_for", lambda *_: sent)
        sys.modules.pop(MODULES[step], None)
        handler = importlib.import_module(MODULES[step]).handler
        context = SimpleNamespace(
            function_name=f"regrant-{step}",
            memory_limit_in_mb=256,
            invoked_function_arn=f"arn:aws:lambda:us-east-1:123456789012:function:regrant-{step}",
            aws_request_id="0d6f3e0e-2f63-4f1c-9a43-55c0f3b2b3a9",
        )
        return json.loads(json.dumps(handler(given, context)))

    yield call
    for name in [name for name in sys.modules if name.startswith("handlers.")]:
        del sys.modules[name]


def load(name: str) -> Any:
    folder = ROOT / "events" / "handover" if name in HANDOVER else ROOT / "events"
    return json.loads((folder / f"{name}.json").read_text())
