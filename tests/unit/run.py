"""A run on the account in memory, step by step: each step gets what those before it returned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from regrant.approval.plan import plan_digest
from regrant.baseline.capture import capture_baseline
from regrant.baseline.receipt import confirm_baseline
from regrant.change.attach import attach_policies
from regrant.change.redeploy import redeploy_service
from regrant.change.withdraw import withdraw_grants
from regrant.clock import seconds_between
from regrant.diagnosis.diagnose import diagnose
from regrant.model.approval import Answer, Question
from regrant.model.results import BaselineMark, Grant, Health, Receipt, Rollout, Undo, Withdrawal
from regrant.model.run import CloseEvent, Diagnosis, Incident, OpenEvent, Report, RunState
from regrant.opening.open import open_incident
from regrant.report.close import close_incident
from regrant.undo.role import undo_role
from regrant.undo.service import undo_service
from regrant.verify.sample import verify_health
from tests.unit.fakes import APPROVER, INCIDENT, INCIDENT_OF_WORKER, OPENED, World, at, diagnosed, text_of

EVENTS = Path(__file__).parents[2] / "events"

T = TypeVar("T")


def sent() -> None:
    """Step Functions says that the run itself has sent the event."""


def enrol_as(world: World, incident: Incident) -> None:
    """The catalogue has what OpenIncident has read of it."""
    if incident.service and incident.entry:
        world.catalogue.parameters[incident.service] = text_of(incident.entry)
    elif incident.service and incident.mode == "expire":
        world.catalogue.parameters.pop(incident.service, None)


class Run:
    """A run and what its steps have returned so far. Seconds count from when the worker's incident opened."""

    def __init__(
        self, world: World, incident: Incident = INCIDENT_OF_WORKER, diagnosis: Diagnosis | None = None
    ) -> None:
        self.world = world
        self.state = RunState(incident, diagnosis)
        enrol_as(world, incident)

    def diagnose(self, seconds: float = 1) -> Diagnosis:
        return self._keep("diagnosis", diagnose(self.state, self.world, at(seconds)))

    def approve(self) -> None:
        """A listed person says yes to the plan."""
        self.say(approved=True)

    def say(self, *, approved: bool) -> None:
        """A listed person answers the question of this plan, as the function for answers writes it."""
        state, diagnosis = self.state, self.state.diagnosis
        assert diagnosis is not None
        said = Answer(approved, f"{APPROVER}/carol", "AROA:carol", at(1.5), "SENT")
        run, service = state.incident.id, str(state.incident.service)
        question = Question(run, service, plan_digest(state), at(1), at(3601), state.incident.opened_at)
        self.world.approvals.ask(replace(question, answer=said))
        self.state = replace(state, diagnosis=replace(diagnosis, answer={"approved": approved}))

    def capture(self, seconds: float = 2) -> BaselineMark:
        return self._keep("baseline", capture_baseline(self.state, self.world, at(seconds), sent))

    def attach(self, seconds: float = 3) -> Grant:
        return self._keep("grant", attach_policies(self.state, self.world, at(seconds)))

    def redeploy(self, seconds: float = 5) -> Rollout:
        return self._keep("rollout", redeploy_service(self.state, self.world, at(seconds)))

    def verify(self, seconds: float) -> Health:
        return self._keep("health", verify_health(self.state, self.world, at(seconds)))

    def withdraw(self, seconds: float) -> Withdrawal:
        return self._keep("withdrawal", withdraw_grants(self.state, self.world, at(seconds)))

    def undo_role(self, seconds: float) -> Undo:
        return self._keep("undo", undo_role(self.state, self.world, at(seconds)))

    def undo_service(self, seconds: float) -> Undo:
        return self._keep("undo", undo_service(self.state, self.world, at(seconds)))

    def undo(self, seconds: float = 100, rounds: int = 20) -> Undo:
        """The loop of UndoRole and UndoService, as the graph runs it, until CONFIRM or the last round's word.

        A service that is waited for finishes its deployment in the pause.
        """
        undo = self.undo_role(seconds)
        for _ in range(rounds):
            if undo.next == "CONFIRM":
                break
            if undo.next == "WAIT":
                seconds += 15
                if undo.service == "PENDING":
                    self.world.services.finish()
            undo = self.undo_service(seconds) if undo.next == "SERVICE" else self.undo_role(seconds)
        return undo

    def confirm(self, seconds: float = 200) -> Receipt:
        return self._keep("receipt", confirm_baseline(self.state, self.world, at(seconds)))

    def closed(self, state: RunState) -> Report:
        """As close, of a run that came to its end with that state."""
        self.state = state
        return self.close()

    def close(self, seconds: float = 300) -> Report:
        event = CloseEvent(
            msgspec.to_builtins(self.state), at(seconds), {"service": str(self.state.incident.service)}, "x"
        )
        return close_incident(event, self.world, sent)

    def _keep(self, key: str, result: T) -> T:
        self.state = replace(self.state, **{key: result})
        return result


def opened(
    world: World, given: object, seconds: float = 0, *, started: float = 0, name: str = "run-1"
) -> Incident:
    """What OpenIncident returns at that second of an execution of that name and input."""
    return open_incident(OpenEvent(given, at(seconds), name, at(started)), world).incident


def end_of(name: str | None = INCIDENT, **detail: Any) -> dict[str, Any]:
    """The event of the end of the run with that name, as EventBridge delivers it."""
    event: dict[str, Any] = json.loads((EVENTS / "ended-run.json").read_text())
    arn = f"{event['detail']['executionArn'].rpartition(':')[0]}:{name}"
    return event | {"detail": event["detail"] | {"name": name, "executionArn": arn} | detail}


def contain(world: World) -> Run:
    """The worker's containment up to its deployment."""
    run = Run(world, diagnosis=diagnosed(world.roles.role))
    run.capture()
    run.attach()
    run.redeploy()
    return run


def seconds_of(moment: str) -> float:
    """Of a time that `at` made."""
    return seconds_between(OPENED, moment)
