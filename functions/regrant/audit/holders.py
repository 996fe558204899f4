"""Which runs have the leases, and how these runs stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from regrant.clock import seconds_between
from regrant.errors import UNREADABLE, AwsRefused
from regrant.leases import UNKNOWN_BY_THEN, is_left_open
from regrant.model.aws import Execution
from regrant.model.journal import Lease
from regrant.opening.ended_run import UNKNOWN
from regrant.parallel import each
from regrant.ports import Account

A = TypeVar("A")


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


def read_holders(
    aws: Account,
    services: Iterable[str],
    roles: Iterable[str],
    now: str,
    unreadable: list[AwsRefused] | None = None,
) -> dict[str, Holder]:
    """By service (`<cluster>/<service>`): of those leases on services that were taken and not given back,
    also if they have expired, since their runs have ended. Reads only.

    Among the services are those that are not enrolled any more, if a role (ARN) was not given back either.
    unreadable: as `readable_only` has it.
    """
    enrolled = tuple(services)

    def holder_of(resource: str) -> Holder | None:
        return readable_only(lambda: _holder(aws, resource, now), unreadable)

    found = each(lambda service: holder_of(f"service/{service}"), enrolled)
    of_roles = each(lambda role: holder_of(f"role/{role}"), tuple(roles))
    left = (holder for holder in of_roles if holder and holder.left_open)
    others = {_service_of(holder, aws) for holder in left}
    more = tuple(sorted(service for service in others if service and service not in enrolled))
    found_more = each(lambda service: holder_of(f"service/{service}"), more)
    pairs = (*zip(enrolled, found, strict=True), *zip(more, found_more, strict=True))
    return {service: holder for service, holder in pairs if holder}


def readable_only(read: Callable[[], A], unreadable: list[AwsRefused] | None) -> A | None:
    """What it reads; None where the journal has something that cannot be read, which is put on the list.

    One bad item must not keep the other services from what they need. Without a list it is raised.
    """
    try:
        return read()
    except AwsRefused as refused:
        if unreadable is None or refused.code != UNREADABLE:
            raise
        unreadable.append(refused)
        return None


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
    expired = seconds_between(lease.ends_at, now) >= 0
    if run is None and not expired and seconds_between(lease.taken_at, now) < UNKNOWN_BY_THEN:
        return Holder(lease, UNKNOWN)
    run = run or Execution(UNKNOWN, "", lease.taken_at)
    if run.ended_at is None:
        return Holder(lease, run.status)
    return Holder(lease, run.status, run.input, run.ended_at, is_left_open(lease, aws.journal))
