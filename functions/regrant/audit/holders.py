"""Which runs have the leases, and how these runs stand."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from regrant.clock import seconds_between
from regrant.leases import is_left_open
from regrant.model.aws import Execution
from regrant.model.journal import Lease
from regrant.opening.ended_run import UNKNOWN
from regrant.parallel import each
from regrant.ports import Account

# Seconds after which a run that Step Functions does not know has not just begun (DescribeExecution is
# eventually consistent).
_KNOWN_BY_THEN = 3600.0


class Holder(msgspec.Struct, frozen=True):
    """A lease that was not given back, with the run that has it. ended_at: of a run that is not known (any
    more), when it took the lease. left_open: it changed something, or was to undo it, and did not report."""

    lease: Lease
    status: str
    input: str = ""
    ended_at: str | None = None
    left_open: bool = False

    @property
    def works(self) -> bool:
        return self.ended_at is None


def read_holders(aws: Account, services: Iterable[str], roles: Iterable[str], now: str) -> dict[str, Holder]:
    """By service (`<cluster>/<service>`): of those leases on services that were taken and not given back,
    also if they have expired, since their runs have ended. Reads only.

    Among the services are those that are not enrolled any more, if a role (ARN) was not given back either.
    """
    enrolled = tuple(services)
    found = each(lambda service: _holder(aws, f"service/{service}", now), enrolled)
    of_roles = each(lambda role: _holder(aws, f"role/{role}", now), tuple(roles))
    others = {_service_of(holder, aws) for holder in of_roles if holder and holder.left_open}
    more = tuple(sorted(service for service in others if service and service not in enrolled))
    found_more = each(lambda service: _holder(aws, f"service/{service}", now), more)
    pairs = (*zip(enrolled, found, strict=True), *zip(more, found_more, strict=True))
    return {service: holder for service, holder in pairs if holder}


def read_left_open(aws: Account, services: Iterable[str], now: str) -> dict[str, str]:
    """Of these services (`<cluster>/<service>`) the ones that no run gets before another (its name) was
    undone. Reads only."""
    holders = read_holders(aws, sorted(services), (), now)
    return {service: holder.lease.owner for service, holder in holders.items() if holder.left_open}


def _service_of(holder: Holder, aws: Account) -> str | None:
    baseline = aws.journal.load(holder.lease.subject).baseline
    return baseline.service_key if baseline else None


def _holder(aws: Account, resource: str, now: str) -> Holder | None:
    lease = aws.leases.standing(resource)
    if lease is None or lease.ends_at <= lease.taken_at:  # given back
        return None
    run = aws.executions.look(lease.owner)
    if run is None and seconds_between(lease.taken_at, now) < _KNOWN_BY_THEN:
        return Holder(lease, UNKNOWN)
    run = run or Execution(UNKNOWN, "", lease.taken_at)
    if run.ended_at is None:
        return Holder(lease, run.status)
    return Holder(lease, run.status, run.input, run.ended_at, is_left_open(lease, aws.journal))
