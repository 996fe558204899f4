"""What happens, as JSON: runs, what others do, and time that passes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Mode = Literal["alarm", "plan", "contain", "cure", "expire", "rollback", "keep"]
OF_A_RUN = ("expire", "rollback", "keep")
"""Modes that are about an earlier run."""


class Act(msgspec.Struct, frozen=True, tag="act", omit_defaults=True):
    """What somebody else does: the name of a function in sandbox/people/acts, and its arguments."""

    name: str
    given: tuple[Any, ...] = ()


class Moment(msgspec.Struct, frozen=True, omit_defaults=True):
    """When in a run: before the `time`-th entry of a state (`AttachPolicies`), or the `time`-th call of a
    function (`regrant-attach-policies iam:AttachRolePolicy`)."""

    place: str
    act: Act
    time: int = 1


class Run(msgspec.Struct, frozen=True, tag="run", omit_defaults=True):
    """A run, from its start to its end; with `overlap` the next step does not wait for that.

    of: which of the runs that changed something (a cure, an expiry and a keep may change records only) it is
    about, in the order in which they ended. answer: what a person says when asked.
    """

    mode: Mode
    service: str = "worker"
    of: int = 0
    moments: tuple[Moment, ...] = ()
    answer: Literal["Yes", "No", ""] = "Yes"
    overlap: bool = False


class Wait(msgspec.Struct, frozen=True, tag="wait", omit_defaults=True):
    """Simulated time, in which alarms are not answered."""

    seconds: int


class Days(msgspec.Struct, frozen=True, tag="days", omit_defaults=True):
    """Days, with every audit and every end of a grant in them."""

    days: int


class Follow(msgspec.Struct, frozen=True, tag="follow", omit_defaults=True):
    """Do literally what the `next` of the last report says."""


Step = Act | Run | Wait | Days | Follow
Story = tuple[Step, ...]


def write(story: Story) -> str:
    return msgspec.json.encode(story).decode()


def read(text: str) -> Story:
    """Raises msgspec.ValidationError for what is no story."""
    return msgspec.json.decode(text, type=tuple[Step, ...])
