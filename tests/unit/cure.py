"""The cure of a worker that was contained, as far as it came, and that cure's undo, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from regrant.change.redeploy import register_revision
from regrant.diagnosis.diagnose import diagnose
from regrant.model.aws import RoleState, TaskDefinition
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.journal import Change, Hold
from regrant.model.results import Receipt
from regrant.model.run import Diagnosis, Incident, Plan, Report, RunState
from tests.unit.fakes import (
    ENTRY,
    INCIDENT,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    ROUTE,
    WORKER,
    WORKER_ROLE,
    Crash,
    World,
    at,
    text_of,
)
from tests.unit.run import Run, contain, enrol_as

CURE = replace(INCIDENT_OF_WORKER, id="cure-1", subject="cure-1", mode="cure", trigger="a person")
EXPIRY = replace(CURE, id="expire-1", subject="expire-1", mode="expire", role=OLD_ROLE, expires=INCIDENT)
UNDO_OF_CURE = replace(CURE, id="undo-2", mode="rollback", role=OLD_ROLE, entry=None)
UNDO_OF_EXPIRY = replace(UNDO_OF_CURE, id="undo-3", subject="expire-1")
NEW_ROLE = replace(ROLE, arn=WORKER_ROLE, attached=(RECEIVE,), inline={})
BACKEND = Service(WORKER.cluster, "retainwise-backend")
DAY = 24 * 3600.0
# When the cure begins, an hour after the containment.
LATER = 3600.0

T = TypeVar("T")
Standing = tuple[RoleState, str, frozenset[Hold], dict[tuple[str, str], str], tuple[str, ...]]


def enrol(world: World, service: Service, entry: CatalogueEntry = ENTRY) -> None:
    world.catalogue.parameters[service] = text_of(entry)


def ready(*, attached: tuple[str, ...] = ()) -> World:
    """The account with the declared role, fit for the worker, beside the one in use."""
    world = World()
    world.roles.role = replace(ROLE, attached=attached)
    world.roles.others[WORKER_ROLE] = NEW_ROLE
    new = TaskDefinition(NEWER_DEFINITION, WORKER_ROLE, (ROUTE,))
    world.services.definitions[NEWER_DEFINITION] = new
    enrol(world, WORKER)
    return world


def granted() -> World:
    """The worker was contained and has settled."""
    world = ready()
    contain(world)
    world.services.finish()
    world.fuse.passed = 0
    return world


def planned(world: World, incident: Incident = CURE, seconds: float = LATER, checks: int = 1) -> Diagnosis:
    """The diagnosis of a run that has made so many, this one included."""
    enrol_as(world, incident)
    before = Diagnosis("CHANGE", at(seconds - 1), checks=checks - 1)
    return diagnose(RunState(incident, before), world, at(seconds))


def run(world: World, incident: Incident = CURE, seconds: float = LATER, retries: int = 0) -> RunState:
    """A cure or an expiry from its plan to its withdrawal; a step that crashes is tried again that often."""

    def tried(step: Callable[[float], T], seconds: float) -> None:
        for _ in range(retries):
            try:
                step(seconds)
            except Crash:
                continue
            return
        step(seconds)

    going = Run(world, incident)
    plan = going.diagnose(seconds).plan
    assert plan is not None, going.state.diagnosis
    going.capture(seconds + 1)
    if plan.new_role:
        tried(going.redeploy, seconds + 2)
        world.services.finish()
    tried(going.withdraw, seconds + 300)
    return going.state


def crashed(moment: int, incident: Incident = CURE) -> World:
    """The account after a cure that crashed at the moment."""
    world = granted()
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        run(world, incident)
    let_go(world)
    return world


def let_go(world: World) -> None:
    """The run has ended, so its role is for others."""
    world.fuse.passed = world.fuse.blows_at = 0
    world.leases.held.clear()


def undo(world: World, incident: Incident = UNDO_OF_CURE, seconds: float = LATER + 600) -> Receipt:
    """The undo from its first step to its receipt, in the order of the state machine."""
    undoing = Run(world, incident)
    assert undoing.undo(seconds).next == "CONFIRM"
    return undoing.confirm(seconds + 32)


def undo_report(world: World, incident: Incident, seconds: float = LATER + 600) -> Report:
    """The report of the undo."""
    undoing = Run(world, incident)
    undoing.undo(seconds)
    undoing.confirm(seconds + 32)
    return undoing.close(seconds + 33)


def standing(world: World) -> Standing:
    """All that an undo has to bring back."""
    assert world.services.state is not None
    return (
        world.roles.role,
        world.services.state.task_definition,
        frozenset(unmarked(hold) for hold in world.holds.of(OLD_ROLE)),
        dict(world.schedules.at),
        tuple(world.revisions.registered),
    )


def unmarked(hold: Hold) -> Hold:
    """The hold without what was seen of its attachment, which is another one once it was put back."""
    return replace(hold, attached_at=None, absent_at=None, tried_at=None, put_back_at=None)


def another_grant(
    world: World,
    incident: str,
    service: Service = WORKER,
    policy: str = RECEIVE,
    expires: float = DAY,
    role: str = OLD_ROLE,
) -> Hold:
    """A grant that another run made, with its record and its schedule."""
    hold = Hold(policy, incident, str(service), at(0), at(expires), 24, "an alarm", attached_at=at(0))
    world.roles.attach(role, policy)
    world.holds.write(role, hold)
    world.schedules.put(incident, at(expires))
    return hold


def register(world: World, plan: Plan) -> str:
    """The cure's step as far as its revision, which CaptureBaseline has planned; the revision's ARN."""
    assert plan.task_definition and plan.new_role
    world.journal.plan(CURE.id, (Change("register", plan.task_definition, "", at(3)),), "the-digest")
    return register_revision(CURE, plan, plan.new_role, world, at(4), "the-digest")
