"""What EventBridge hears of builds: CodeBuild Build State Change and CodeBuild Build Phase Change.

User Guide, "Build notifications input format reference"; of additional-information only what a rule could not
find elsewhere, so without source, environment, logs and phases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sandbox.aws.codebuild.record import Record
from sandbox.engine.clock import Clock

Emit = Callable[[str, str, list[str], Mapping[str, Any]], None]
"""Source, detail type, resources and detail of an event."""


class Reporter:
    def __init__(self, clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self._emit = emit

    def changed(self, build: Record, phase: Mapping[str, Any] | None) -> None:
        """A phase has ended, or the build. In whatever thread it did, the clock sends the event."""
        send = partial(self.phase, build, dict(phase)) if phase else partial(self.state, build)
        self._clock.call_later(0, send)

    def state(self, build: Record) -> None:
        current = build.phases[-1]["phaseType"]
        detail = {"build-status": build.status, "current-phase": current, "version": "1"}
        self._send(build, "CodeBuild Build State Change", detail)

    def phase(self, build: Record, phase: Mapping[str, Any]) -> None:
        detail = {
            "completed-phase": phase["phaseType"],
            "completed-phase-status": phase["phaseStatus"],
            "completed-phase-duration-seconds": phase["durationInSeconds"],
            "version": "1",
        }
        self._send(build, "CodeBuild Build Phase Change", detail)

    def _send(self, build: Record, kind: str, detail: dict[str, Any]) -> None:
        more = {"build-complete": build.over(), "initiator": build.shown["initiator"]}
        named = {"project-name": build.shown["projectName"], "build-id": build.arn}
        self._emit("aws.codebuild", kind, [build.arn], {**named, **detail, "additional-information": more})
