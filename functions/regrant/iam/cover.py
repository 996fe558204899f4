"""The least that has to be attached so that every denied call is allowed."""

from __future__ import annotations

from collections.abc import Iterator

from regrant.iam.breadth import breadth
from regrant.iam.policy import Policy, evaluate

Call = tuple[str, str | None]
"""An action and its resource (None where the denial did not say which)."""


def least_cover(policies: tuple[Policy, ...], calls: tuple[Call, ...]) -> tuple[str, ...] | None:
    """ARNs of the fewest policies that together allow every call, sorted; None if no choice of them does.

    Of several such choices it is the one whose broadest policy is narrowest, and so on down. A policy that
    allows a call only under conditions is taken where no other allows it. A policy that denies one of the
    calls explicitly is never taken.
    """
    answers = {p.arn: tuple(evaluate((p,), *call) for call in calls) for p in policies}
    denying = {arn for arn, found in answers.items() if any(a.answer == "EXPLICIT_DENY" for a in found)}
    usable = sorted((p for p in policies if p.arn not in denying), key=breadth)
    rank = {policy.arn: number for number, policy in enumerate(usable)}
    covering = []
    for number in range(len(calls)):
        certain = [arn for arn in rank if answers[arn][number].answer == "ALLOWED"]
        possible = [arn for arn in rank if answers[arn][number].allow]
        covering.append(frozenset(rank[arn] for arn in certain or possible))
    # Calls that the same policies allow are one, and what covers few covers what includes those.
    needed = [c for c in dict.fromkeys(covering) if not any(other < c for other in covering)]
    if not all(needed):
        return None
    for size in range(len(needed) + 1):
        found = set(_covers(tuple(sorted(needed, key=len)), size))
        if found:
            best = min(found, key=lambda chosen: sorted(chosen, reverse=True))
            return tuple(sorted(arn for arn in rank if rank[arn] in best))
    raise AssertionError("as many policies as there are calls always do")


def _covers(needed: tuple[frozenset[int], ...], size: int) -> Iterator[frozenset[int]]:
    """Every choice of `size` policies with one for each call: branch on the first call that has none."""
    if not needed:
        if size == 0:
            yield frozenset()
        return
    if size == 0:
        return
    for policy in needed[0]:
        rest = tuple(covering for covering in needed if policy not in covering)
        for chosen in _covers(rest, size - 1):
            yield chosen | {policy}
