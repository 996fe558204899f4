"""Task state WithdrawGrants."""

from regrant.change.withdraw import withdraw_grants
from regrant.step import step

handler = step(
    withdraw_grants,
    *("allowed", "catalogue", "roles", "journal", "holds", "leases", "schedules"),
    sent_as="withdraw-grants",
)
