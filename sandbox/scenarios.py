"""The stories that `make demo` plays and the tests replay on simulated time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.seeds.retainwise import BACKEND, RECEIVE, SEND, WORKER


@dataclass(frozen=True)
class Scenario:
    """An account to start from, and how the runs in it must end.

    outcomes: how the run for each service ends; there must be no other run. `restored`: the account must
    then be exactly what it was; `repaired`: predictions must go from QUEUED to COMPLETED.
    findings: the code that must be among what the service's run found. attached: the policies that its run
    must have attached to the old role; nothing else may have been attached to any. most_log_reads: how many
    pages of one service's log Diagnose may read.
    """

    name: str
    story: str
    variant: str
    outcomes: Mapping[str, str]
    repaired: bool = False
    restored: bool = False
    findings: Mapping[str, str] = field(default_factory=dict)
    attached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    most_log_reads: int | None = None


def _refused(name: str, story: str, variant: str, code: str, *services: str) -> Scenario:
    """Each run is refused for this cause, and changes nothing."""
    refused, cause = dict.fromkeys(services, "REFUSED"), dict.fromkeys(services, code)
    return Scenario(name, story, variant, refused, restored=True, findings=cause)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "contained",
            "Both services lost their SQS permissions. Each gets its policy back and works again.",
            "broken",
            {BACKEND: "CONTAINED", WORKER: "CONTAINED"},
            repaired=True,
        ),
        Scenario(
            "rolled-back",
            "The worker gets its policy back, but its image lacks the model. Everything is put back.",
            "model-missing",
            {WORKER: "ROLLED_BACK"},
            restored=True,
        ),
        Scenario(
            "two-services",
            "Two services are denied at once on the role they share. Each run attaches its own policy only.",
            "broken",
            {BACKEND: "CONTAINED", WORKER: "CONTAINED"},
            attached={BACKEND: (SEND,), WORKER: (RECEIVE,)},
        ),
        Scenario(
            "storm",
            "The worker has logged 100,000 denials within minutes. One run reads a few pages and repairs it.",
            "storm",
            {WORKER: "CONTAINED"},
            attached={WORKER: (RECEIVE,)},
            most_log_reads=20,
        ),
        _refused(
            "refused-explicit-deny",
            "The role both services share has an explicit Deny. No grant can help, so none is made.",
            "explicit-deny",
            "EXPLICIT_DENY",
            BACKEND,
            WORKER,
        ),
        _refused(
            "refused-boundary",
            "The role's permissions boundary leaves out SQS. No grant can help, so none is made.",
            "boundary",
            "BOUNDARY",
            BACKEND,
            WORKER,
        ),
        _refused(
            "wrong-principal",
            "The worker reads the queue as another role, which is denied. The task role is left alone.",
            "other-principal",
            "OTHER_PRINCIPAL",
            WORKER,
        ),
        _refused(
            "not-declared",
            "The worker is denied the table, which none of its declared policies covers. Nothing is changed.",
            "table-lost",
            "NOT_DECLARED",
            WORKER,
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
