"""Every arrow of the graph is walked, and a process that dies at any moment changes no end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from regrant.model.journal import Lease
from regrant.model.runs import run_of
from tests.unit.fakes import DEFINITION, NEWER_DEFINITION, OPENED, WORKER, at
from tests.unit.handover.test_walk import UNDO, handing
from tests.unit.handover.walk import STATES, Failed, Walk
from tests.unit.handover.world import Handing, done, failed


def arrows() -> set[tuple[str, str]]:
    named = {
        (name, target)
        for name, state in STATES.items()
        for target in (
            state.get("Next"),
            state.get("Default"),
            *(rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, ())),
        )
    }
    return {(name, target) for name, target in named if target}


def held(world: Handing, for_good: bool = True) -> None:
    """Another handover has the worker."""
    resource, owner = f"service/{WORKER}", run_of("another")
    world.leases.held[resource] = Lease(resource, owner, OPENED, at(10**6), owner)


def freed(world: Handing) -> Callable[[str], None]:
    def heard(state: str) -> None:
        if state == "PauseForServices":
            world.leases.held.clear()

    return heard


def rolled_back(walk: Walk) -> Callable[[], dict[str, Any]]:
    def apply() -> dict[str, Any]:
        walk.world.rolls_back()
        return done("apply")

    return apply


def _slowly() -> Walk:
    """The deployments are still on their way when the apply ends, and a service is busy at the begin."""
    walk = handing()
    held(walk.world)
    frees, before = freed(walk.world), walk.heard

    def apply() -> dict[str, Any]:
        walk.world.registers()
        walk.world.services.deploy(WORKER, NEWER_DEFINITION)
        return done("apply")

    def heard(state: str) -> None:
        frees(state)
        before(state)
        if state == "PauseForRollout":
            walk.world.services.finish()
            walk.world.runs_tasks()

    walk.builds["apply"], walk.heard = apply, heard
    return walk.run()


def _never() -> Walk:
    """The deployments do not end."""
    walk = handing()

    def apply() -> dict[str, Any]:
        walk.world.registers()
        walk.world.services.deploy(WORKER, NEWER_DEFINITION)
        return done("apply")

    walk.builds["apply"] = apply
    return walk.run()


def _busy() -> Walk:
    walk = handing()
    held(walk.world)
    return walk.run()


def _busy_undo() -> Walk:
    walk = handing().run()
    walk.world.stopped()
    held(walk.world)
    undo = Walk(walk.world, name="undo")
    return undo.run(UNDO)


def _undone_later() -> Walk:
    walk = handing().run()
    walk.world.stopped()
    undo = Walk(walk.world, name="undo")

    def heard(state: str) -> None:
        if state == "PauseForRestore":
            walk.world.cures_end()
            walk.world.services.finish()

    undo.heard = heard
    return undo.run(UNDO)


def _without_pause_for_the_restore() -> Walk:
    """What is undone never becomes steady."""
    walk = Walk(Handing(), builds={"drift": done("drift", empty=True)})

    def apply() -> dict[str, Any]:
        walk.world.applies()
        return failed("apply", "NOT_EMPTY")

    walk.builds["apply"] = apply
    return walk.run()


def _build_never_ends() -> Walk:
    walk = handing(builds={"plan": Failed("States.Timeout")})
    walk.world.builds.stops = 10**6
    return walk.run()


def _check_fails() -> Walk:
    """The check cannot be made, and its build is not known to have ended when the undo begins."""
    return handing(fails={"CheckHandover": "AwsRefused"}).run()


def _rolled_back() -> Walk:
    walk = handing()
    walk.builds["apply"] = rolled_back(walk)
    return walk.run()


WALKS: dict[str, Callable[[], Walk]] = {
    "slowly": _slowly,
    "never": _never,
    "busy": _busy,
    "busy undo": _busy_undo,
    "undone later": _undone_later,
    "not steady": _without_pause_for_the_restore,
    "build never ends": _build_never_ends,
    "check fails": _check_fails,
    "rolled back": _rolled_back,
    "a no": lambda: handing(answer=lambda world: {"approved": False}).run(),
    "no answer": lambda: handing(answer=lambda world: Failed("States.Timeout")).run(),
    "not asked": lambda: handing(fails={"AskHandover": "AwsRefused"}).run(),
    "empty": lambda: handing(builds={"plan": done("plan", sha256="0" * 64, empty=True)}).run(),
    "refused": lambda: handing(builds={"plan": failed("plan", "ROLE_GATE")}).run(),
    "bad input": lambda: handing().run({"source": {}}),
    "not opened": lambda: handing(fails={"OpenHandover": "AwsRefused"}).run(),
    "no bucket": lambda: handing(fails={"CreateState": "StateUnfit"}).run(),
    "not captured": lambda: handing(fails={"CaptureServices": "ServiceChanged"}).run(),
    "import not started": lambda: handing(fails={"RunImport": "AwsRefused"}).run(),
    "plan not started": lambda: handing(fails={"RunPlan": "AwsRefused"}).run(),
    "apply not started": lambda: handing(fails={"RunApply": "AwsRefused"}).run(),
    "drift not started": lambda: handing(fails={"RunDrift": "AwsRefused"}).run(),
    "undo not started": lambda: handing(
        fails={"RunUndo": "AwsRefused"}, builds={"apply": failed("apply", "STALE_PLAN")}
    ).run(),
    "cures fail": lambda: handing(fails={"CureServices": "AwsRefused"}).run(),
    "not cured": lambda: handing("ROLLED_BACK").run(),
    "no reading": lambda: handing(fails={"ReadBuild": "AwsRefused"}).run(),
    "no restore": lambda: handing(
        fails={"RestoreServices": "AwsRefused"}, builds={"apply": failed("apply", "STALE_PLAN")}
    ).run(),
    "not removed": lambda: handing(
        fails={"RemoveState": "AwsRefused"}, builds={"plan": failed("plan", "ROLE_GATE")}
    ).run(),
    "not closed": lambda: handing(fails={"CloseHandover": "AwsRefused"}).run(),
    "not paged": lambda: handing(fails={"CloseHandover": "AwsRefused", "PageHandover": "AwsRefused"}).run(),
}
# The count of this loop ends it after the clock has, which the step itself goes by.
BOUNDS = {("DecideRestore", "PageHandover")}


def test_every_arrow_is_walked() -> None:
    walked = set[tuple[str, str]]().union(*(walk().arrows for walk in WALKS.values()))
    assert arrows() - walked == BOUNDS


@pytest.mark.parametrize("name", WALKS)
def test_a_handover_that_does_not_end_done_leaves_the_service_as_it_was_or_pages(name: str) -> None:
    walk = WALKS[name]()
    done = walk.end == "Done" and walk.report["outcome"] == "HANDED_OVER"
    if done or walk.end == "HandoverIncomplete":
        return
    assert walk.world.runs() == DEFINITION
    own = [lease for lease in walk.world.leases.held.values() if lease.owner != run_of("another")]
    assert [lease.resource for lease in own if lease.ends_at > lease.taken_at] == []


def _good() -> Walk:
    return handing().run()


@pytest.mark.parametrize("story", ["good", "rolled back"])
def test_a_process_that_dies_at_any_moment_changes_no_end(story: str) -> None:
    begin = {"good": _good, "rolled back": _rolled_back}[story]
    expected = begin()
    assert expected.world.fuse.passed > 40
    for moment in range(1, expected.world.fuse.passed + 1):
        walk = handing()
        walk.world.fuse.blows_at = moment
        if story == "rolled back":
            walk.builds["apply"] = rolled_back(walk)
        walk.run()
        assert (walk.end, walk.report["outcome"]) == (expected.end, expected.report["outcome"]), moment
        assert walk.world.runs() == expected.world.runs(), moment
        assert len(walk.world.executions.started) == len(expected.world.executions.started), moment
        assert sorted(walk.world.builds.actions()) == sorted(expected.world.builds.actions()), moment
