"""A build's log: in CloudWatch Logs, written in the service role.

User Guide, "Allow CodeBuild to interact with other AWS services": the role creates group and stream. One that
may not is a failed build; a line that is refused later is lost, and the build goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError


def place(project: Mapping[str, Any], identity: str) -> tuple[str, str]:
    """Group and stream; the group is empty where the project has no log."""
    config = project.get("logsConfig", {}).get("cloudWatchLogs", {})
    if config.get("status") == "DISABLED":
        return "", ""
    stream = identity.rpartition(":")[2]
    prefix = config.get("streamName")
    group = config.get("groupName") or f"/aws/codebuild/{project['name']}"
    return group, f"{prefix}/{stream}" if prefix else stream


def begin(logs: Any, shown: Mapping[str, Any], now: Callable[[], datetime]) -> Callable[[str], None]:
    """What writes a line. Raises ClientError if the service role may not."""
    if "groupName" not in shown:
        return lambda line: None
    stream = {"logGroupName": shown["groupName"], "logStreamName": shown["streamName"]}
    try:
        logs.create_log_stream(**stream)
    except logs.exceptions.ResourceNotFoundException:
        logs.create_log_group(logGroupName=shown["groupName"])
        logs.create_log_stream(**stream)
    lock, written = threading.Lock(), 0

    def put(line: str) -> None:
        nonlocal written
        with lock:
            # Lines stay in their order, also where two threads see the clock a moment apart.
            written = max(written, int(now().timestamp() * 1000))
            event = {"timestamp": written, "message": line or " "}
            logs.put_log_events(**stream, logEvents=[event])

    def write(line: str) -> None:
        with suppress(ClientError):
            put(line)

    put("[Container] Waiting for agent ping")
    return write
