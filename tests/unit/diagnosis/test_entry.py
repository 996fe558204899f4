"""A plan is made by the catalogue entry as it is now, and the whole run goes on by that one."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from regrant.errors import AccountMoved
from regrant.model.catalogue import CatalogueEntry
from regrant.model.run import Diagnosis, Incident, RunState
from tests.unit.cure import CURE, DAY, EXPIRY, LATER, NEW_ROLE, granted
from tests.unit.fakes import (
    BACKEND_ROLE,
    ENTRY,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    SEND,
    WORKER,
    WORKER_ROLE,
    World,
    at,
    text_of,
)
from tests.unit.run import Run

TO_BACKEND = replace(ENTRY, task_role=BACKEND_ROLE)
OPENED = msgspec.to_builtins(INCIDENT_OF_WORKER)
DRY = replace(INCIDENT_OF_WORKER, mode="plan")


def changed(world: World, entry: CatalogueEntry | str | None) -> None:
    """Somebody changes the parameter after the run was opened."""
    world.catalogue.parameters.pop(WORKER)
    if entry is not None:
        world.catalogue.parameters[WORKER] = entry if isinstance(entry, str) else text_of(entry)


def passed_on(state: RunState) -> RunState:
    """A containment's as the state machine passes it, which has the incident as it was opened."""
    return msgspec.convert(msgspec.to_builtins(state) | {"incident": OPENED}, RunState)


def test_an_entry_that_is_as_the_run_was_opened_with_is_not_carried_twice() -> None:
    assert Run(World()).diagnose().entry is UNSET


def test_the_plan_is_by_the_entry_as_it_is_now() -> None:
    run = Run(World())
    changed(run.world, replace(ENTRY, policies=(SEND,)))
    diagnosis = run.diagnose()
    assert diagnosis.plan is not None and diagnosis.plan.attach == (SEND,)


def test_every_later_step_goes_by_it_too() -> None:
    run = Run(World())
    changed(run.world, replace(ENTRY, grant_ttl_hours=1))
    run.diagnose()
    assert passed_on(run.state).incident.entry == replace(ENTRY, grant_ttl_hours=1)
    assert run.capture().grant_ends_at == at(2 + 3600)


def test_a_later_diagnosis_carries_what_an_earlier_one_has_read() -> None:
    """It replaces that, and the incident in the state machine is still the one that was opened."""
    run = Run(World())
    changed(run.world, replace(ENTRY, grant_ttl_hours=1))
    run.diagnose()
    run.state = passed_on(run.state)
    run.diagnose(20)
    assert passed_on(run.state).incident.entry == replace(ENTRY, grant_ttl_hours=1)


def test_an_entry_that_was_changed_back_is_the_first_one_again() -> None:
    run = Run(World())
    changed(run.world, replace(ENTRY, grant_ttl_hours=1))
    run.diagnose()
    changed(run.world, ENTRY)
    run.diagnose(20)
    assert passed_on(run.state).incident.entry == ENTRY


def test_a_person_is_asked_where_the_entry_has_come_to_say_so() -> None:
    run = Run(World())
    changed(run.world, replace(ENTRY, approval="required"))
    assert run.diagnose().next == "ASK"


@pytest.mark.parametrize("incident", [INCIDENT_OF_WORKER, CURE, DRY], ids=["contain", "cure", "plan"])
@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (None, "NOT_ENROLLED"),
        ("{", "INVALID_CATALOGUE"),
        (replace(ENTRY, policies=("arn:aws:iam::aws:policy/AdministratorAccess",)), "POLICY_NOT_GRANTABLE"),
    ],
)
def test_an_entry_that_can_no_longer_be_used_is_refused_as_an_opening_run_would_be(
    entry: CatalogueEntry | str | None, code: str, incident: Incident
) -> None:
    world = granted()
    run = Run(world, incident)
    changed(world, entry)
    diagnosis = run.diagnose(LATER)
    assert (diagnosis.next, diagnosis.plan) == ("REFUSE", None)
    assert diagnosis.refusal is not None and diagnosis.refusal.code == code


def expiry(entry: CatalogueEntry | str | None) -> tuple[Run, Diagnosis]:
    run = Run(granted(), EXPIRY)
    changed(run.world, entry)
    return run, run.diagnose(DAY)


@pytest.mark.parametrize("entry", [None, "{", TO_BACKEND], ids=["gone", "broken", "other"])
def test_an_expiry_goes_on_whatever_became_of_the_entry(entry: CatalogueEntry | str | None) -> None:
    run, diagnosis = expiry(entry)
    assert diagnosis.next == "CHANGE" and diagnosis.plan is not None
    assert run.capture(DAY + 1).next == "WITHDRAW"


def test_an_expiry_whose_entry_is_broken_goes_on_without_one_and_says_why() -> None:
    run, diagnosis = expiry("{")
    assert diagnosis.plan is not None and run.state.incident.entry is None
    assert diagnosis.plan.postpone is not None and "does not parse" in diagnosis.plan.postpone


def test_an_expiry_whose_entry_is_gone_goes_on_without_one() -> None:
    run, diagnosis = expiry(None)
    assert (diagnosis.entry, run.state.incident.entry) == (None, None)


def test_a_cure_to_a_role_that_the_catalogue_has_stopped_declaring_is_planned_again() -> None:
    world = granted()
    world.roles.others[BACKEND_ROLE] = replace(NEW_ROLE, arn=BACKEND_ROLE)
    run = Run(world, CURE)
    first = run.diagnose(LATER)
    changed(world, TO_BACKEND)
    with pytest.raises(AccountMoved):
        run.capture(LATER + 1)
    again = run.diagnose(LATER + 30)
    assert first.plan is not None and again.plan is not None
    assert (first.plan.new_role, again.plan.new_role) == (WORKER_ROLE, BACKEND_ROLE)
    assert run.capture(LATER + 31).next == "DEPLOY"


def test_a_cure_of_a_role_that_the_catalogue_has_come_to_declare_has_no_new_role() -> None:
    world = granted()
    run = Run(world, CURE)
    changed(world, replace(ENTRY, task_role=OLD_ROLE))
    diagnosis = run.diagnose(LATER)
    assert diagnosis.plan is None or diagnosis.plan.new_role is None
