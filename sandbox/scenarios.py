"""The stories that `make demo` plays and the tests replay on simulated time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.seeds import retainwise


@dataclass(frozen=True)
class Scenario:
    """An account to start from, and how the runs in it must end.

    outcomes: how the run for each service ends; there must be no other run. `restored`: the account must
    then be exactly what it was; `repaired`: predictions must go from QUEUED to COMPLETED.
    """

    name: str
    story: str
    variant: str
    outcomes: Mapping[str, str]
    repaired: bool = False
    restored: bool = False


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "contained",
            "Both services lost their SQS permissions. Each gets its policy back and works again.",
            "broken",
            {retainwise.BACKEND: "CONTAINED", retainwise.WORKER: "CONTAINED"},
            repaired=True,
        ),
        Scenario(
            "rolled-back",
            "The worker gets its policy back, but its image lacks the model. Everything is put back.",
            "model-missing",
            {retainwise.WORKER: "ROLLED_BACK"},
            restored=True,
        ),
    )
}


def main() -> None:
    """List the stories."""
    width = max(map(len, SCENARIOS))
    for scenario in SCENARIOS.values():
        print(f"{scenario.name:{width}}  {scenario.story}")


if __name__ == "__main__":
    main()
