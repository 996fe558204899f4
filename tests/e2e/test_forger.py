"""What somebody gains who may do one thing only: nothing, or what SECURITY.md says is left.

Each story plays the attack on the deployed stack.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import events_backends

from sandbox.iam.requests import ACCOUNT, REGION
from tests.statemachine.world import incident

EVENTS = Path(__file__).resolve().parents[2] / "events"
ELSEWHERE = [{"account": "999999999999"}, {"region": "eu-west-1"}]


def event(name: str) -> dict[str, Any]:
    given: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return given


@pytest.mark.parametrize("place", [{}, *ELSEWHERE])
@pytest.mark.parametrize("name", ["alarm", "ended-run"])
def test_the_rules_take_events_of_their_own_account_and_region_only(name: str, place: dict[str, str]) -> None:
    """Somebody of another account whose events the bus lets in, or a bus of another Region that sends its."""
    with incident() as world:
        world.account.client("events").enable_rule(Name="regrant-alarm")
        for rule in events_backends[ACCOUNT][REGION].event_buses["default"].rules.values():
            world.account.events.offer(rule, event(name) | place)
        world.account.clock.run_for(5)
        assert bool(world.executions()) is (not place)


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("name", ["alarm", "ended-run", "cloudtrail"])
def test_an_event_of_elsewhere_that_came_past_the_rules_changes_nothing(
    name: str, place: dict[str, str]
) -> None:
    with incident() as world:
        world.remember()
        ended = world.run(event(name) | place)
        assert ended.outcome == "REFUSED" and "OTHER_ACCOUNT" in ended.codes
        assert world.changed() == []
