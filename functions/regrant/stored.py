"""What the journal's table holds, as protocols; regrant.aws.table has the only implementations.

Every method raises AwsUnavailable (try again) or AwsRefused (AWS said no).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

# Nearly every function imports this module, and few of them what it speaks of.
if TYPE_CHECKING:
    from regrant.model.approval import Answer, Question
    from regrant.model.aws import (
        Baseline,
    )
    from regrant.model.catalogue import Service
    from regrant.model.journal import Change, Hold, LastOutcome, Lease, Refusals
    from regrant.model.run import Report


class Record(Protocol):
    """What the journal holds of one incident."""

    @property
    def baseline(self) -> Baseline | None: ...

    @property
    def changes(self) -> tuple[Change, ...]: ...

    @property
    def closed(self) -> bool: ...

    @property
    def plans(self) -> frozenset[str]:
        """The digests with which changes were planned."""

    @property
    def not_begun(self) -> tuple[str, ...]:
        """The entries of planned changes that have no intent."""


class Journal(Protocol):
    def keep_baseline(self, incident: str, baseline: Baseline) -> Baseline:
        """Store it unless there is one already; the one that stands is returned."""

    def replace_baseline(self, incident: str, baseline: Baseline) -> None:
        """Store it in place of the one that stands."""

    def keep_baseline_with_lease(
        self,
        incident: str,
        baseline: Baseline,
        lease: Lease,
        untouched_since: str,
        planned: tuple[Change, ...] = (),
        plan: str = "",
    ) -> bool:
        """Store baseline, role lease, and what is planned with the plan's digest, or nothing: False if there
        is a baseline already, or another run has the role, or had it since then."""

    def plan(self, incident: str, planned: tuple[Change, ...], plan: str) -> None:
        """Store what is planned with the plan's digest; what is intended already stays."""

    def intend(self, incident: str, change: Change, plan: str | None = None) -> bool:
        """Write the intent; False if it was there already (an earlier try of the same step).

        plan: the digest with which the change is planned. Raises NotOfThisRun if it is not."""

    def intend_grant(self, incident: str, change: Change, hold: Hold, plan: str) -> bool:
        """Write the planned intent to attach and the hold that it makes, or neither; False if they were
        there. Raises NotOfThisRun."""

    def record(self, incident: str, change: Change, plan: str | None = None) -> None:
        """Write what became of an intent: done or undone."""

    def record_and_release(
        self,
        incident: str,
        changes: tuple[Change, ...],
        holds: tuple[Hold, ...],
        lease: Lease,
        now: str,
        plan: str | None = None,
    ) -> None:
        """Write that the intents were done and the holds are attached, unless those were changed since, and
        end the lease if it is still its owner's."""

    def load(self, incident: str) -> Record:
        """Everything written of the incident; empty if there is nothing."""

    def close(
        self,
        incident: str,
        report: Report,
        at: str,
        lease: str | None = None,
        subject: str | None = None,
        drop: tuple[str, ...] = (),
    ) -> None:
        """Store the report and, if the run changed the service, how it ended; end its lease on that
        resource. subject is the incident whose changes it was to undo, if not its own; drop are entries of
        the subject that nobody may begin any more (Record.not_begun)."""

    def reopen(self, incident: str) -> None:
        """What was closed is open again: its own run, which could not go on, undoes it."""

    def last_outcome(self, service: Service) -> LastOutcome | None:
        """How the last run that changed the service ended; None if there was none."""

    def report(self, incident: str) -> Report | None:
        """The report with which the incident was closed; None if it was not, or is open again."""

    def refusals(self, service: Service | None) -> Refusals:
        """What the service's automatic runs were refused for, or those that found no service."""

    def keep_refusals(self, service: Service | None, refusals: Refusals) -> bool:
        """Write them unless somebody has since they were read; whether they were written."""


class Leases(Protocol):
    def take(self, lease: Lease, now: str, instead_of: str | None = None) -> Lease:
        """Write it if there is none, it is the owner's already, it was given back, or it is `instead_of`'s.

        The lease that stands then."""

    def release(self, resource: str, owner: str, now: str) -> None:
        """End it, if it is the owner's."""

    def standing(self, resource: str) -> Lease | None:
        """The lease as it was taken or released last; None if there never was one."""


class Holds(Protocol):
    def write(self, role: str, hold: Hold) -> None:
        """Write that the incident needs the policy on the role (ARN), or that it does not any more."""

    def mark(self, role: str, hold: Hold, was: Hold) -> bool:
        """Write what was seen of the hold's attachment, unless somebody changed the hold since it was read;
        whether it was written."""

    def of(self, role: str) -> tuple[Hold, ...]:
        """Everybody who needs a temporary grant on the role, as it is written now."""

    def dropped(self, role: str) -> tuple[Hold, ...]:
        """The holds on the role that somebody dropped."""


class Notices(Protocol):
    """What the audit has notified of, when undos that nobody is to start again were stopped, and until when
    alarms are muted."""

    def last(self, about: str) -> str | None:
        """What it last said about that; None if nothing."""

    def note(self, about: str, text: str) -> None:
        """It has said that."""


class Approvals(Protocol):
    """Questions for approval, and what was said to them."""

    def ask(self, question: Question) -> None:
        """Write it, over one of the same run and time."""

    def last(self, run: str) -> Question | None:
        """The run's newest question; None if it has asked nothing."""

    def answer(self, question: Question, answer: Answer) -> bool:
        """Write the answer, unless somebody has answered or asked again since; whether it was written."""

    def settle(self, question: Question, delivered: Literal["SENT", "LATE"]) -> None:
        """Write what became of its answer, and forget the token."""
