"""Task state WithdrawGrants."""

from regrant.change.withdraw import withdraw_grants
from regrant.step import sent_step

handler = sent_step(
    "withdraw-grants",
    withdraw_grants,
    *("allowed", "catalogue", "roles", "journal", "holds", "leases", "schedules"),
)
