"""What the report of an undo says beside that it is done: who may be denied now, and what stays."""

from __future__ import annotations

import re

from msgspec.structs import replace

from regrant.model.aws import name_of
from regrant.report.render import render
from tests.unit.cure import UNDO_OF_CURE, granted, let_go, run, undo_report
from tests.unit.fakes import INCIDENT, NEWER_DEFINITION, OLD_ROLE, RECEIVE, UNDO, WORKER, at
from tests.unit.run import Run

DENIED = f"{WORKER} runs as {name_of(OLD_ROLE)} without {name_of(RECEIVE)} and may be denied."


def test_after_a_containment_the_service_may_be_denied_and_no_event_helps_it_for_a_day() -> None:
    step = undo_report(granted(), UNDO, 600).next
    assert step.startswith("Everything that the incident changed is undone. ")
    assert DENIED in step
    only = f"Events start no run that would attach only {name_of(RECEIVE)} again until "
    assert f"{only}{at(600 + 24 * 3600)} (24 hours)" in step


def test_of_a_service_that_somebody_has_deployed_since_nothing_is_said() -> None:
    world = granted()
    assert world.services.state
    world.services.state = replace(world.services.state, task_definition=NEWER_DEFINITION)
    assert "may be denied" not in undo_report(world, UNDO, 600).next


def test_what_somebody_took_off_is_missing_unless_somebody_attached_it_again() -> None:
    for again in (False, True):
        world = granted()
        world.roles.detach(OLD_ROLE, RECEIVE)
        undoing = Run(world, UNDO)
        undoing.undo(7200)
        if again:
            world.roles.attach(OLD_ROLE, RECEIVE)
        undoing.confirm(7300)
        assert (DENIED in undoing.close(7301).next) is not again


def test_after_a_cure_the_grant_is_temporary_again() -> None:
    world = granted()
    run(world)
    let_go(world)
    step = undo_report(world, UNDO_OF_CURE).next
    (hold,) = world.holds.of(OLD_ROLE)
    assert re.search(rf"is a temporary grant on \S+ again, until {re.escape(str(hold.expires_at))}\.", step)


def test_an_undo_names_the_run_that_it_undoes() -> None:
    report = undo_report(granted(), UNDO, 600)
    assert report.undo_of == INCIDENT
    assert f"undo of run {INCIDENT}" in " ".join(render(report).split())


def test_a_second_undo_says_that_nothing_was_left_to_undo() -> None:
    world = granted()
    first = undo_report(world, UNDO, 600).next
    assert "left to undo" not in first
    again = replace(UNDO, id="undo-again", opened_at=at(7200))
    step = undo_report(world, again, 7201).next
    assert step.startswith(f"Nothing of run {INCIDENT} was left to undo. ")
    assert "Everything" not in step


def test_what_stays_for_another_run_is_not_said_to_be_undone() -> None:
    world = granted()
    (hold,) = world.holds.of(OLD_ROLE)
    world.holds.write(OLD_ROLE, replace(hold, incident="run-2"))
    step = undo_report(world, UNDO, 600).next
    stays = name_of(RECEIVE)
    assert step.startswith(f"Everything that the incident changed is undone, but for {stays}. ")
    assert f"{stays} stays: run run-2 needs it." in step
