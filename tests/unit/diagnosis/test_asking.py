"""Who decides that a person is asked: the service's entry, and the stack, whatever the entry says."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant.model.run import Diagnosis, Incident
from regrant.settings import Settings
from tests.unit.cure import CURE, EXPIRY, granted, planned
from tests.unit.fakes import ENTRY, INCIDENT_OF_WORKER, SETTINGS, World

KEEP = replace(EXPIRY, id="keep-1", subject="keep-1", mode="keep")
MODES = {"contain": INCIDENT_OF_WORKER, "cure": CURE, "keep": KEEP, "expire": EXPIRY}
OF_ENTRY = {"contain", "cure", "keep"}


def diagnosis(incident: Incident, by_stack: str, by_entry: str) -> Diagnosis:
    world = World() if incident.mode in ("contain", "plan") else granted()
    world.settings = Settings({**SETTINGS._environment, "REQUIRE_APPROVAL": by_stack})
    return planned(world, replace(incident, entry=replace(ENTRY, approval=by_entry)))


@pytest.mark.parametrize(
    ("by_stack", "by_entry", "asked"),
    [
        ("none", "none", set()),
        ("none", "required", OF_ENTRY),
        ("cure", "none", {"cure", "keep"}),
        ("cure", "required", OF_ENTRY),
        ("all", "none", OF_ENTRY),
        ("all", "required", OF_ENTRY),
        ("al", "none", OF_ENTRY),  # what nobody knows asks rather than not
    ],
)
def test_a_run_asks_if_entry_or_stack_demands_it(by_stack: str, by_entry: str, asked: set[str]) -> None:
    found = {mode: diagnosis(incident, by_stack, by_entry).next for mode, incident in MODES.items()}
    assert found == {mode: "ASK" if mode in asked else "CHANGE" for mode in MODES}


def test_a_dry_run_says_that_the_stack_would_have_it_ask() -> None:
    dry = replace(INCIDENT_OF_WORKER, mode="plan")
    (finding,) = [f for f in diagnosis(dry, "all", "none").findings if f.code == "WOULD_ASK"]
    assert "the stack demands it" in finding.text
    for by_stack, by_entry in (("cure", "none"), ("none", "none"), ("all", "required")):
        codes = [finding.code for finding in diagnosis(dry, by_stack, by_entry).findings]
        assert "WOULD_ASK" not in codes  # of the entry's own demand the report says so
