"""How a story ended, from what is in the account and what was told; nothing here asks the runbook's code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.chaos.forks import Point
from sandbox.chaos.world import WORKER, World
from sandbox.seeds.retainwise import OLD_ROLE
from sandbox.snapshot import difference, snapshot

ENDS = frozenset({"SUCCEEDED", "NotOpened", "NothingChanged", "RolledBack", "RollbackIncomplete"})
"""How a run may end that nobody stopped."""

FOR_GOOD = frozenset({"denied", "crash after, every try"})
"""Faults that no retry outlives."""

UNDO = ("restore-service", "check-restore", "detach-policies", "confirm-baseline", "close-incident")
"""The functions without which an undo may not come to its end."""


def judge(world: World, point: Point | None) -> tuple[str, str]:
    """(ending, why) of one incident, the worker's."""
    now, last = snapshot(world.account), world.last_outcome(WORKER)
    ends = {how for how, _ in world.reports()} - ENDS - ({"ABORTED"} if point else set())
    if ends:
        return "other", f"a run ended with {sorted(ends)}, which no Catch caught"
    if now == world.before:
        claims = [told for _, told in world.reports()][-1].get("outcome")
        untrue = "CONTAINED was told of a role without its grant"
        return ("other", untrue) if claims == "CONTAINED" else ("restored", "")
    changed = "; ".join(difference(world.before, now))
    complaints = [*_not_fixed(world, now, [WORKER])]
    if last == "CONTAINED" and not complaints:
        return "fixed", ""
    if world.pages() and point and point.fault in FOR_GOOD and _undoes(point.place):
        return _second_undo(world)
    if last == "CONTAINED":
        return "other", f"CONTAINED, but {'; '.join(complaints)}"
    ways = "; ".join(f"{how} {told.get('outcome')} {told.get('error', '')}" for how, told in world.reports())
    return "other", f"{changed} after {ways}"


def judge_all(world: World, services: Iterable[str], duplicates: int) -> tuple[str, str]:
    """(ending, why) of the incidents of several services; those that hold are then undone.

    duplicates: how many runs had to be refused, since another one for their service was at work.
    """
    contained = sorted(service for service in services if world.last_outcome(service) == "CONTAINED")
    complaints = [*_not_fixed(world, snapshot(world.account), contained)]
    if world.pages():
        complaints.append(f"a person was paged: {world.pages()}")
    codes = [finding["code"] for _, told in world.reports() for finding in told.get("findings", ())]
    if codes.count("SERVICE_BUSY") != duplicates:
        complaints.append(f"{codes.count('SERVICE_BUSY')} runs were refused as second ones, not {duplicates}")
    for service in contained:
        world.start({"mode": "rollback", "incident": world.incident(service)})
    world.rest()
    complaints += difference(world.before, snapshot(world.account))
    return ("other", "; ".join(complaints)) if complaints else ("fixed" if contained else "restored", "")


def _not_fixed(world: World, now: dict[str, Any], contained: list[str]) -> Iterator[str]:
    """What is there beside the grants of the services that are said to be contained."""
    granted = world.granted(now)
    wanted = {policy for service in contained for policy in world.declared(service)}
    if granted != ({OLD_ROLE: wanted} if wanted else {}):
        yield f"granted {granted}, not {sorted(wanted)}"
    for role, policies in granted.items():
        attached = now["roles"][role]["attached"]
        now["roles"][role]["attached"] = [arn for arn in attached if arn not in policies]
    yield from difference(world.before, now)
    yield from (f"{service} does not work" for service in contained if not world.works(service))


def _undoes(place: str) -> bool:
    return place.split()[0].removeprefix("regrant-") in UNDO


def _second_undo(world: World) -> tuple[str, str]:
    """A person was paged. With the fault mended, the undo that the page asks for must end it."""
    world.account.faults.clear()
    world.start({"mode": "rollback", "incident": world.first})
    world.rest()
    left = [*difference(world.before, snapshot(world.account))]
    return ("other", f"paged, and a second undo left {'; '.join(left)}") if left else ("paged", "")
