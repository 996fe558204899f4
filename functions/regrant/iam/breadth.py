"""Which of two policies grants less, where both would do."""

from __future__ import annotations

from itertools import product

from regrant.iam.patterns import ANY, RUN, encode_action, encode_resource, within
from regrant.iam.policy import Policy, Statement

# How much a pattern stands for, the more the larger: every service?, any wildcard?, fewer fixed characters,
# more *, fewer ?.
_Weight = tuple[bool, bool, int, int, int]
_Breadth = tuple[tuple[tuple[_Weight, _Weight], ...], str]
_EVERYTHING = (RUN,)


def breadth(policy: Policy) -> _Breadth:
    """A sort key: the policy with the smaller one is the narrower.

    It lists what each Allow grants, action by resource, broadest first, and what another grant of the policy
    includes is left out. So one wildcard service outweighs any number of named actions, of two wildcards the
    one with fewer fixed characters, and of two equal actions the one on the broader resource; only where all
    that is equal does the number of grants count.

    A policy whose grants are included in another's never has the larger key. NotAction and NotResource count
    as everything, as does what cannot be read; Deny and Condition are not counted, as neither ever adds
    anything. The ARN decides between equals.
    """
    grants = {
        grant
        for statement in policy.statements
        if statement.effect != "Deny"
        for grant in product(*_sides(statement))
    }
    weights = [(_weight(*_split(action)), _weight("", resource)) for action, resource in _outermost(grants)]
    return tuple(sorted(weights, reverse=True)), policy.arn


def narrowest(policies: tuple[Policy, ...]) -> Policy:
    """The one that grants least, by breadth. There must be one at least."""
    return min(policies, key=breadth)


def _sides(statement: Statement) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if statement.unreadable:
        return _EVERYTHING, _EVERYTHING
    actions = tuple(encode_action(pattern) for pattern in statement.actions)
    resources = tuple(encode_resource(pattern, statement.variables) for pattern in statement.resources)
    return (
        _EVERYTHING if statement.not_action else actions,
        _EVERYTHING if statement.not_resource else resources,
    )


def _outermost(grants: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The grants that no other includes."""
    # Patterns are few, their pairs many: look up what includes a pattern once.
    actions = _including({action for action, _ in grants})
    resources = _including({resource for _, resource in grants})
    return [
        grant
        for grant in grants
        if not any(
            wider in grants and wider != grant for wider in product(actions[grant[0]], resources[grant[1]])
        )
    ]


def _including(patterns: set[str]) -> dict[str, list[str]]:
    wide = [pattern for pattern in patterns if RUN in pattern or ANY in pattern]
    return {p: [p, *(w for w in wide if w != p and within(p, w))] for p in patterns}


def _split(action: str) -> tuple[str, str]:
    """An action's service and name; the length of a service's name says nothing about breadth."""
    service, colon, name = action.partition(":")
    return (service, name) if colon else ("", action)


def _weight(service: str, name: str) -> _Weight:
    everywhere = RUN in service or ANY in service or (name == RUN and not service)
    runs, anys = name.count(RUN), name.count(ANY)
    if not (everywhere or runs or anys):
        return (False, False, 0, 0, 0)
    return (everywhere, True, runs + anys - len(name), runs, -anys)
