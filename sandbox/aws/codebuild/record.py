"""What CodeBuild shows of one build: its phases and its status (API reference, Build and BuildPhase).

Once it is over nothing changes it, whatever its processes still do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

IN_PROGRESS, SUCCEEDED, FAILED = "IN_PROGRESS", "SUCCEEDED", "FAILED"
STOPPED, TIMED_OUT, FAULT = "STOPPED", "TIMED_OUT", "FAULT"


@dataclass
class Record:
    """shown: what does not change. changed: called with what has ended, a phase or the build."""

    shown: Mapping[str, Any]
    started_at: datetime
    now: Callable[[], datetime]
    changed: Callable[[Record, Mapping[str, Any] | None], None]
    phases: list[dict[str, Any]] = field(default_factory=list)
    status: str = IN_PROGRESS
    ended_at: datetime | None = None

    @property
    def arn(self) -> str:
        return str(self.shown["arn"])

    def over(self) -> bool:
        return self.ended_at is not None

    def begin(self, phase: str) -> None:
        if self.over():
            return
        self.phases.append({"phaseType": phase, "startTime": self.now()})

    def end(self, status: str = SUCCEEDED, code: str = "", message: str = "") -> None:
        """The phase that runs has ended. code and message: its context."""
        if self.over():
            return
        phase = self.phases[-1]
        at = self.now()
        phase |= {
            "phaseStatus": status,
            "endTime": at,
            "durationInSeconds": int((at - phase["startTime"]).total_seconds()),
            "contexts": [{"statusCode": code, "message": message}],
        }
        self.changed(self, phase)

    def finish(self, status: str) -> None:
        if self.over():
            return
        self.begin("COMPLETED")
        self.status, self.ended_at = status, self.now()
        self.changed(self, None)

    def answer(self) -> dict[str, Any]:
        """As BatchGetBuilds has it."""
        ended = {"endTime": self.ended_at} if self.ended_at else {}
        return {
            **self.shown,
            "startTime": self.started_at,
            **ended,
            "currentPhase": self.phases[-1]["phaseType"],
            "buildStatus": self.status,
            "buildComplete": self.over(),
            "phases": [dict(phase) for phase in self.phases],
        }
