"""The undo of a handover: what it takes back, and what it leaves because it is somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.errors import ServiceNotSettled
from regrant.handover.restore import LIMIT, restore_services
from regrant.model.aws import TaskDefinition
from regrant.model.catalogue import Service
from regrant.model.handover import Captured, HandoverEvent, HandoverState, Kept, Reading, Restore, ServiceMark
from regrant.model.journal import Change
from tests.unit.fakes import (
    BACKEND_ROLE,
    DEFINITION,
    NEWER_DEFINITION,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    OPENED,
    ROUTE,
    WORKER,
    WORKER_ROLE,
    at,
)
from tests.unit.handover.world import ASKED, NAME, RUN, SPEC, Handing

MARK = ServiceMark(WORKER, DEFINITION, OLD_ROLE, OLD_DEPLOYMENT, DEFINITION)
THEIRS = f"{DEFINITION.rpartition(':')[0]}:7"
STATE = replace(ASKED, captured=Captured(at(1), ""), reading=Reading("RESTORE", at(100), "apply"))
APPLIED = Change("build", f"apply/1 of {NAME}", "regrant-handover:1", at(50), at(50), at(90))


def applied() -> Handing:
    """The apply has moved the worker, and its build has ended."""
    world = Handing()
    world.kept.written[RUN] = Kept(SPEC, OPENED, (MARK,))
    world.journal.intend(RUN, APPLIED)
    world.applies()
    return world


def restore(world: Handing, state: HandoverState = STATE, seconds: float = 200, **before: Any) -> Restore:
    if before:
        state = replace(state, restore=replace(Restore("WAIT", 1, at(150), at(150)), **before))
    return restore_services(HandoverEvent(state, at(seconds), NAME), world)


def test_the_service_goes_back_and_then_the_state() -> None:
    world = applied()
    first = restore(world)
    assert (first.next, world.runs()) == ("WAIT", DEFINITION)
    assert restore(world).next == "WAIT"
    world.services.finish()
    assert (restore(world).next, world.revisions.inactive) == ("UNDO", [])
    last = restore(world, asked=1)
    assert (last.next, last.deregistered) == ("REMOVE", (NEWER_DEFINITION,))
    assert last.receipt is not None and last.receipt.equal


def test_what_somebody_else_has_deployed_since_stays() -> None:
    world = applied()
    world.services.definitions[THEIRS] = TaskDefinition(THEIRS, BACKEND_ROLE, (ROUTE,))
    world.services.somebody_deploys(THEIRS)
    world.services.finish()
    last = restore(world, asked=1)
    assert (last.next, world.runs()) == ("REMOVE", THEIRS)
    assert [left for left in last.left if "somebody else deployed" in left]


def test_what_a_pipeline_deploys_after_the_handover_stays_although_it_has_the_right_role() -> None:
    world = applied()
    world.services.definitions[THEIRS] = TaskDefinition(THEIRS, WORKER_ROLE, (ROUTE,))
    world.revisions.registered[THEIRS] = (NEWER_DEFINITION, WORKER_ROLE)
    world.revisions.times[THEIRS] = at(7 * 24 * 3600)
    world.services.somebody_deploys(THEIRS)
    world.services.finish()
    last = restore(world, seconds=8 * 24 * 3600, asked=1)
    assert (last.next, world.runs()) == ("REMOVE", THEIRS)
    assert [left for left in last.left if "somebody else deployed" in left]
    assert world.revisions.inactive == [NEWER_DEFINITION]


def test_an_older_revision_with_that_role_is_not_the_applys() -> None:
    world = applied()
    world.kept.written[RUN] = Kept(SPEC, OPENED, (replace(MARK, latest=NEWER_DEFINITION),))
    last = restore(world, asked=1)
    assert (last.next, world.runs(), last.deregistered) == ("REMOVE", NEWER_DEFINITION, ())


def test_a_revision_that_another_service_runs_is_not_deregistered() -> None:
    world = applied()
    twin = Service(WORKER.cluster, "twin")
    assert world.services.state is not None
    world.services.others[twin] = world.services.state
    restore(world)
    world.services.finish()
    last = restore(world, asked=1)
    assert last.deregistered == () and [left for left in last.left if "twin" in left]


def test_an_old_revision_that_terraform_has_deregistered_needs_a_person() -> None:
    world = applied()
    world.revisions.inactive.append(DEFINITION)
    with pytest.raises(ServiceNotSettled, match="skip_destroy"):
        restore(world)


def test_nothing_is_restored_while_a_build_may_go_on() -> None:
    world = applied()
    world.journal.record(RUN, replace(APPLIED, undone_at=None))
    assert (restore(world).next, world.runs()) == ("BUILD", NEWER_DEFINITION)


@pytest.mark.parametrize(("seconds", "raises"), [(LIMIT - 1, False), (LIMIT + 1, True)])
def test_a_service_that_does_not_become_steady_needs_a_person_in_the_end(
    seconds: float, raises: bool
) -> None:
    world = applied()
    restore(world)
    if raises:
        with pytest.raises(ServiceNotSettled):
            restore(world, seconds=150 + seconds, since=at(150))
    else:
        assert restore(world, seconds=150 + seconds, since=at(150)).next == "WAIT"


def test_where_no_apply_has_begun_only_a_lock_may_be_left() -> None:
    world = Handing()
    world.kept.written[RUN] = Kept(SPEC, OPENED)
    world.journal.intend(RUN, replace(APPLIED, target=f"plan/1 of {NAME}"))
    assert restore(world).next == "REMOVE"
    killed = replace(STATE, reading=Reading("RESTORE", at(100), "plan", killed=True))
    assert restore(world, killed).next == "UNDO"
