"""What a handover needs of AWS beside regrant.ports, as protocols; regrant.aws has the only implementations.

Every method raises AwsUnavailable (try again) or AwsRefused (AWS said no).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from regrant.ports import Account

if TYPE_CHECKING:
    from regrant.model.handover import Action, BuildState, HandoverReport, Kept


class Handovers(Protocol):
    """What the journal's table holds of handovers beside their changes. A run is named with its prefix."""

    def keep(self, run: str, kept: Kept) -> Kept:
        """Store it unless there is one already; the one that stands is returned."""

    def replace(self, run: str, kept: Kept) -> None:
        """Store it in place of the one that stands."""

    def load(self, run: str) -> Kept | None:
        """None if there was no such handover."""

    def close(self, run: str, report: HandoverReport) -> None:
        """Store the report: the run has come to its end."""


class StateBucket(Protocol):
    """The bucket of Terraform's state, whose name the stack's owner gave."""

    @property
    def name(self) -> str: ...

    def exists(self) -> bool:
        """Raises AwsRefused if it is somebody else's."""

    def create(self) -> None:
        """One of this account that is there already is no failure."""

    def secure(self) -> None:
        """Versions, AES256, no public access."""

    def faults(self) -> tuple[str, ...]:
        """What is not so, in words."""

    def delete_if_empty(self) -> bool:
        """Whether it is gone; one with any version of an object stays."""


class LockTable(Protocol):
    """The table of Terraform's locks. name is None where the lock is a file beside the state."""

    @property
    def name(self) -> str | None: ...

    def exists(self) -> bool:
        """Raises AwsUnavailable while it is being created or deleted."""

    def create(self) -> None:
        """One that is there already is no failure."""

    def faults(self) -> tuple[str, ...]:
        """What makes it none that Terraform can lock in, in words."""

    def delete_if_empty(self) -> bool:
        """Whether it is gone; one with any row stays."""


class Builds(Protocol):
    """The builds of the runner's project."""

    def start(self, run: str, action: Action, source: str, once: str, job: Mapping[str, str]) -> str:
        """Start one with these variables; its id. A second start with the same `once` within five minutes is
        the first one's."""

    def find(self, run: str, action: Action, once: str) -> BuildState | None:
        """The newest of that start, of those that the project has begun lately."""

    def look(self, build: str) -> BuildState | None:
        """None if CodeBuild does not know it."""

    def stop(self, build: str) -> None:
        """One that has ended is no failure."""


class Work(Protocol):
    """The stack's own bucket for what goes to a build and comes from it."""

    def put(self, key: str, text: str) -> None:
        """Over what is there."""

    def read(self, key: str) -> str | None:
        """A short text; None if there is none, or it is none."""


class HandoverAccount(Account, Protocol):
    """Everything that a step of a handover may need from outside."""

    @property
    def kept(self) -> Handovers: ...
    @property
    def state_bucket(self) -> StateBucket: ...
    @property
    def lock_table(self) -> LockTable: ...
    @property
    def builds(self) -> Builds: ...
    @property
    def work(self) -> Work: ...
    @property
    def state_place(self) -> Mapping[str, object]:
        """The state as the runner's config names it: bucket, key, table, lockfile."""
