"""How a story ended, from the account and its reports alone; nothing here asks the runbook's code."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sandbox.chaos.forks import Point
from sandbox.chaos.world import WORKER, World
from sandbox.scenarios.seeds.retainwise import OLD_ROLE
from sandbox.scenarios.snapshot import difference, snapshot

ENDS = frozenset({"SUCCEEDED", "NothingChanged", "RolledBack", "RollbackIncomplete"})
"""How a run may end that nobody stopped."""

FOR_GOOD = frozenset({"denied", "crash after, every try"})
"""Faults that no retry outlives."""

UNDO = ("undo-role", "undo-service", "confirm-baseline", "close-incident")
"""The functions without which an undo may not come to its end."""

BEGIN = ("open-incident",)
"""That without which an undo may not begin."""


def judge(world: World, wanted: str, point: Point | None) -> tuple[str, str]:
    """(ending, why) of one incident, the worker's.

    wanted: what the run is for: `contained`, `cured`, `expired`, or `undone`, which only an undo ends well.
    """
    now, reports = snapshot(world.account), world.reports()[world.reported :]
    ends = {how for how, _ in reports} - ENDS - ({"ABORTED"} if point or wanted == "undone" else set())
    if ends:
        return "other", f"a run ended with {sorted(ends)}, which no Catch caught"
    if untrue := [*_untrue_receipts(reports)]:
        return "other", "; ".join(untrue)
    if now == (world.origin if wanted == "undone" else world.before):
        claims = reports[-1][1].get("outcome")
        untrue_claim = f"{claims} was reported of an account as before"
        return ("other", untrue_claim) if claims in ("CONTAINED", "CURED") else ("restored", "")
    complaints = [*_missed(world, now, wanted)]
    if not complaints:
        return "fixed", ""
    paged = world.pages() and point is not None and point.fault in FOR_GOOD
    if point is not None and paged and _undoes(point.place, wanted):
        return _second_undo(world, wanted)
    changed = "; ".join(difference(world.before, now))
    ways = "; ".join(f"{how} {report.get('outcome')} {report.get('error', '')}" for how, report in reports)
    return "other", f"{'; '.join(complaints)}: {changed} after {ways}"


def _missed(world: World, now: dict[str, Any], wanted: str) -> Iterator[str]:
    """What is not as it has to be after the run did what it is for."""
    last = world.last_outcome(WORKER)
    if wanted == "contained" and last == "CONTAINED":
        yield from _not_fixed(world, now, contained=[WORKER])
    elif wanted == "cured" and last == "CURED":
        yield from _not_fixed(world, now, cured=[WORKER])
    elif wanted == "expired" and last == "CURED":
        yield from _not_fixed(world, now, on_new_role=[WORKER])
    else:
        yield f"the journal says {last}"


def judge_all(
    world: World, services: Iterable[str], duplicates: int, cured: Collection[str] = ()
) -> tuple[str, str]:
    """(ending, why) of the incidents of several services; those that hold are then undone.

    duplicates: how many runs had to be refused, since another one for their service was at work. cured: the
    services whose runs are cures.
    """
    contained = sorted(s for s in services if world.last_outcome(s) == "CONTAINED" and s not in cured)
    missing = [service for service in cured if world.last_outcome(service) != "CURED"]
    complaints = [*_not_fixed(world, snapshot(world.account), contained=contained, cured=cured)]
    complaints += [f"{service} was not cured" for service in missing]
    if world.pages():
        complaints.append(f"a person was paged: {world.pages()}")
    reports = world.reports()[world.reported :]
    complaints += _untrue_receipts(reports)
    codes = [finding["code"] for _, report in reports for finding in report.get("findings", ())]
    if codes.count("SERVICE_BUSY") != duplicates:
        complaints.append(f"{codes.count('SERVICE_BUSY')} runs were refused as second ones, not {duplicates}")
    # An expiry that finds another incident on its grant leaves it for one more period.
    lost = [r for _, r in reports if r.get("outcome") == "REFUSED" and r.get("mode") != "expire"]
    if len(lost) != duplicates:
        complaints.append(f"{len(lost)} runs were refused, not {duplicates}: {codes}")
    for service in (*contained, *cured):
        world.start({"mode": "rollback", "incident": world.incident(service)})
        world.rest()
    for service in cured:  # what it was cured of
        world.start({"mode": "rollback", "incident": world.granted_by[service]})
        world.rest()
    complaints += difference(world.origin, snapshot(world.account))
    return ("other", "; ".join(complaints)) if complaints else ("fixed" if contained else "restored", "")


def _not_fixed(
    world: World,
    now: dict[str, Any],
    contained: Collection[str] = (),
    cured: Collection[str] = (),
    on_new_role: Collection[str] = (),
) -> Iterator[str]:
    """What is there beside the grants of the contained services and the revisions of the cured ones.

    on_new_role: services that somebody else moved to the declared role.
    """
    granted = world.granted(now)
    wanted = {policy for service in contained for policy in world.declared(service)}
    if granted != ({OLD_ROLE: wanted} if wanted else {}):
        yield f"granted {granted}, not {sorted(wanted)}"
    for role, policies in granted.items():
        attached = now["roles"][role]["attached"]
        now["roles"][role]["attached"] = [arn for arn in attached if arn not in policies]
    ending = sorted(json.loads(schedule["input"])["incident"] for schedule in now["schedules"].values())
    if ending != sorted(world.incident(service) for service in contained):
        yield f"schedules for {ending}, not for {sorted(contained)}"
    now["schedules"] = {}
    for service in (*cured, *on_new_role):
        yield from _not_moved(world, now, service)
    yield from difference(world.origin, now)
    everybody = (*contained, *cured, *on_new_role)
    yield from (f"{service} does not work" for service in everybody if not world.works(service))


def _not_moved(world: World, now: dict[str, Any], service: str) -> Iterator[str]:
    """Whether the service runs a revision that differs in nothing but the declared role; else what is
    wrong."""
    (arn,) = [arn for arn in now["services"] if arn.endswith(f"/{service}")]
    old, new = (where["services"][arn]["taskDefinition"] for where in (world.origin, now))
    if old == new:
        yield f"{service} runs {new} as before"
        return
    before, after = world.definition(old), world.definition(new)
    if after.pop("taskRoleArn") != world.declared_role(service):
        yield f"{new} has another role than declared"
    before.pop("taskRoleArn")
    yield from difference(before, after)
    now["services"][arn] = world.origin["services"][arn]
    now["task definitions"] = [each for each in now["task definitions"] if each != new]


def _untrue_receipts(reports: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    for how, report in reports:
        receipt = report.get("receipt") or {}
        if report.get("outcome") == "ROLLED_BACK" and not (
            how == "RolledBack" and receipt.get("equal") and receipt.get("before") == receipt.get("after")
        ):
            yield f"ROLLED_BACK was reported with {how} and the receipt {receipt}"


def _undoes(place: str, wanted: str) -> bool:
    function = place.split()[0].removeprefix("regrant-")
    return function in UNDO or (wanted == "undone" and function in BEGIN)


def _second_undo(world: World, wanted: str) -> tuple[str, str]:
    """A person was paged. With the fault removed, the input that the page gives must end it."""
    world.account.faults.clear()
    world.start(_asked_for(world.pages()[-1]))
    world.rest()
    now = snapshot(world.account)
    left = [*difference(world.origin if wanted == "undone" else world.before, now)]
    return ("other", f"paged, and a second undo left {'; '.join(left)}") if left else ("paged", "")


def _asked_for(page: str) -> dict[str, Any]:
    """The input that the page says to start the state machine with."""
    _, again, given = page.partition("with the same input:\n")
    text = (
        given if again else re.findall(r'\{"mode": "rollback", [^}]*\}', page.replace("\n         ", " "))[-1]
    )
    return dict(json.loads(text))
