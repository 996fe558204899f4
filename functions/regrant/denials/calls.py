"""The calls that a service was denied, from the lines of its log: what, how often, since when."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from regrant.denials.reader import read_denials
from regrant.denials.search import SENTENCE
from regrant.model.aws import LogLine
from regrant.model.denial import Denial
from regrant.model.run import Incident


class DeniedCall(msgspec.Struct, frozen=True):
    """One call as it was denied `count` times from `since` to `until`, with a line that shows it.

    containers: the names of those that logged it; none where only the trigger names the call.
    """

    denial: Denial
    count: int
    since: str
    until: str
    sample: str
    containers: frozenset[str] = frozenset()


def read_calls(lines: Iterable[LogLine]) -> tuple[DeniedCall, ...]:
    """Denied calls found in the lines (oldest first), the most frequent first.

    Calls are grouped by principal, action and resource; session names and SDK spellings are ignored.
    """
    found: dict[tuple[str | None, ...], DeniedCall] = {}
    for line in lines:
        by = frozenset((line.container,))
        for denial in read_denials(line.message):
            key = _key(denial)
            known = found.get(key)
            found[key] = (
                replace(known, count=known.count + 1, until=line.at, containers=known.containers | by)
                if known
                else DeniedCall(denial, 1, line.at, line.at, line.message[:SENTENCE], by)
            )
    return tuple(sorted(found.values(), key=lambda call: -call.count))


def calls_from_trigger(incident: Incident, logged: tuple[DeniedCall, ...]) -> tuple[DeniedCall, ...]:
    """The denied calls in the trigger itself, apart from those that the service logged as well."""
    at, known = incident.opened_at, {_key(call.denial) for call in logged}
    unlogged = (denial for denial in incident.denials if _key(denial) not in known)
    return tuple(DeniedCall(denial, 1, at, at, incident.trigger) for denial in unlogged)


def _key(denial: Denial) -> tuple[str | None, ...]:
    principal = denial.principal_arn
    if principal and denial.role_name and ":assumed-role/" in principal:
        principal = principal.rpartition("/")[0]
    return (
        denial.action,
        denial.resource,
        principal,
        denial.role_name,
        denial.effect,
        denial.policy_type,
        denial.denying_policy_arn,
        str(denial.encoded),
    )
