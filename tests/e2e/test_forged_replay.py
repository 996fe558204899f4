"""What somebody gains who may invoke all functions and read what runs have sent, when these have ended."""

from __future__ import annotations

import pytest

from tests.e2e.test_forged_steps import forger, left, sent
from tests.e2e.test_forger import invoke
from tests.statemachine.world import incident


@pytest.mark.parametrize("step", ["attach-policies", "redeploy-service"])
def test_what_a_run_has_planned_and_not_done_nobody_does_after_its_report(step: str) -> None:
    """AttachPolicies failed before it had written what it was about to do, and the run undid itself."""
    with incident() as world:
        world.deny("attach-policies", "scheduler", "CreateSchedule", times=1)
        assert world.run().outcome == "ROLLED_BACK"
        attacker, before = forger(world), left(world)
        answer = invoke(attacker, step, sent(world, "attach-policies"))
        assert answer["errorType"] == "NotOfThisRun"
        assert left(world) == before
