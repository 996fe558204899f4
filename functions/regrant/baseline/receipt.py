"""The receipt: role and service are read again, and compared with the baseline."""

from __future__ import annotations

from regrant.baseline.facts import compare
from regrant.clock import seconds_between
from regrant.errors import BaselineDiffers, ServiceNotSettled
from regrant.grants import standing
from regrant.model.aws import Baseline
from regrant.model.catalogue import parse_service
from regrant.model.journal import Hold
from regrant.model.results import Receipt
from regrant.model.run import RunState
from regrant.parallel import all_three
from regrant.ports import Account


def confirm_baseline(state: RunState, aws: Account, now: str) -> Receipt:
    """The receipt.

    Raises BaselineDiffers while anything of ours is left (IAM reads can be stale), and ServiceNotSettled
    if the policies could be taken off but the service did not settle: a person has to look at it. Raises
    AwsUnavailable, AwsRefused.
    """
    incident, undo = state.incident, state.undo
    assert undo is not None  # the undo's phases wrote it
    record = aws.journal.load(incident.subject)
    before = record.baseline
    if before is None:
        raise BaselineDiffers(f"The journal has no baseline for {incident.subject}.")
    service = parse_service(before.service_key)
    assert service is not None
    role, found, held = all_three(
        lambda: aws.roles.read(before.role.arn),
        lambda: aws.services.describe(service),
        lambda: aws.holds.of(before.role.arn),
    )
    others = standing(tuple(hold for hold in held if hold.incident != incident.subject))
    registered = [c.value for c in record.changes if c.kind == "register" and c.done_at]
    active = tuple(arn for arn in registered if aws.revisions.status(arn) == "ACTIVE")
    receipt = compare(before, role, found, record.changes, others, now, active)
    if any(" role" in line[:7] for line in receipt.changed_by_others):
        # A stale read would put our own undoing down to others; two that agree are not stale (ADR 19).
        role = aws.roles.read(before.role.arn)
        receipt = compare(before, role, found, record.changes, others, now, active)
    if any(line.startswith("- role.attached.") for line in receipt.changed_by_others):
        dropped = aws.holds.dropped(before.role.arn)
        ended = tuple(hold for hold in dropped if _ended_since(hold, before, incident.subject))
        receipt = compare(before, role, found, record.changes, others, now, active, ended)
    if not receipt.equal:
        raise BaselineDiffers("; ".join(receipt.diff))
    if undo.service != "HEALTHY":
        why = undo.evidence[0] if undo.evidence else "no reason is known"
        raise ServiceNotSettled(f"The policies are off, but {service} did not settle: {why}")
    return receipt


def _ended_since(hold: Hold, before: Baseline, incident: str) -> bool:
    """Whether another run has taken its policy off since the baseline."""
    dropped = hold.dropped_at is not None and seconds_between(before.captured_at, hold.dropped_at) >= 0
    return dropped and hold.detached and hold.dropped_by != incident
