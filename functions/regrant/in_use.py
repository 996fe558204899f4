"""Which services run a revision, in all managed clusters: another service may run what a cure registered."""

from __future__ import annotations

from regrant.model.aws import name_of
from regrant.model.catalogue import Service
from regrant.parallel import each
from regrant.ports import Account

_NAMED = 3


def runners(service: Service, aws: Account, now: str) -> dict[str, tuple[Service, ...]]:
    """By revision (ARN), the services of the managed clusters, and of this service's, that run it or are to.

    Raises AwsUnavailable, AwsRefused.
    """
    managed = {name_of(arn) for arn in aws.allowed.read(now, "clusters").clusters}
    found: dict[str, tuple[Service, ...]] = {}
    for running in each(aws.services.running_in, tuple(sorted({service.cluster, *managed}))):
        for runner, revisions in sorted(running.items(), key=lambda item: str(item[0])):
            for revision in revisions:
                found[revision] = (*found.get(revision, ()), runner)
    return found


def who_runs_it(services: tuple[Service, ...]) -> str:
    """`cluster/service runs it`, for a report; of many the first few."""
    names = ", ".join(str(service) for service in services[:_NAMED])
    more = len(services) - _NAMED
    return f"{names}{f' and {more} more' if more > 0 else ''} {'runs' if len(services) == 1 else 'run'} it"
