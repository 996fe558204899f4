"""Invoke one handler in this process, as Lambda does a cold one, and report what it took.

    python one_invocation.py handlers.diagnose.handler < event.json

Prints JSON: result, or error (errorType, errorMessage); calls as [service, operation, begin, end, bytes
sent, items put by a transaction], in seconds; rss, the most memory that the process held, in KiB (null where
the system does not say); logged, the bytes that the handler printed. Each call is held up for DELAY on its
way, so that calls which are sent at the same time are seen to overlap.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.endpoint

DELAY = 0.1
calls: list[list[Any]] = []


def most_memory() -> int | None:
    """Linux: VmHWM. Not ru_maxrss, which counts what the parent held when it forked."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)


def main() -> None:
    module, _, name = sys.argv[1].rpartition(".")
    event = json.load(sys.stdin)
    send = botocore.endpoint.Endpoint.make_request

    def recorded(self: Any, model: Any, request: dict[str, Any]) -> Any:
        begin = time.monotonic()
        time.sleep(DELAY)
        try:
            return send(self, model, request)
        finally:
            body = request.get("body") or b""
            sent = body if isinstance(body, bytes) else str(body).encode()
            service = model.service_model.service_name
            items = sent.count(b'"Put":')
            calls.append([service, model.name, begin, time.monotonic(), len(sent), items])

    botocore.endpoint.Endpoint.make_request = recorded
    context = SimpleNamespace(
        function_name="bench", memory_limit_in_mb=512, invoked_function_arn="bench", aws_request_id="bench"
    )
    report: dict[str, Any]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        handler = getattr(import_module(module), name)
        try:
            report = {"result": handler(event, context)}
        except Exception as error:  # whatever the handler raises is its answer, as in Lambda
            report = {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}
    report |= {
        "calls": calls,
        "rss": most_memory(),
        "logged": len(out.getvalue().encode()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
