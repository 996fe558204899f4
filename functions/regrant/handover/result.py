"""What a build's result means. The result is data: whoever can write to the HCL or to a provider can make the
runner say anything. It has a form and bounds, is shown as text, and is never believed about ECS or a lock."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from regrant.model.handover import Action, Plan, PlannedChange, Reading
from regrant.model.results import Refusal
from regrant.model.run import Failure, Finding
from regrant.visible import visible

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,39}")
_MOST, _SHOWN = 500, 20
"""Changes that are read, and of those that a report shows."""
_LOCKED = "LOCKED"
_BEFORE = ("prepare", "heal")
"""Actions of the runner that come before one in the same build."""


class Result(msgspec.Struct, frozen=True):
    """The runner's result, as far as it matters here. Other members are left alone."""

    action: Annotated[str, Meta(max_length=32)]
    status: Literal["DONE", "FAILED"]
    error: Annotated[str, Meta(max_length=64)] | None = None
    reason: str | None = None
    sha256: Annotated[str, Meta(max_length=64)] | None = None
    empty: bool | None = None
    changes: Annotated[tuple[PlannedChange, ...], Meta(max_length=_MOST)] = ()

    @property
    def says(self) -> str:
        """The runner's code and reason, for a person."""
        code = self.error if self.error and _CODE.fullmatch(self.error) else "an error without a code"
        return f"{code}: {short(self.reason or 'it gives no reason')}"


def short(text: str) -> str:
    """Somebody's text on one line, with what nobody would see written out."""
    text = visible(text)
    return text if len(text) <= 500 else f"{text[:497]}..."


def read_result(sent: Any, action: Action) -> Result | str:
    """What the build has sent; else why that is no result of this action, in words."""
    if isinstance(sent, dict) and "Error" in sent:
        try:
            failure = msgspec.convert(sent, Failure)
        except msgspec.ValidationError:
            return "the build's state failed, and says nothing that can be read"
        return f"{short(failure.name)}: {short(failure.cause) or 'no cause is given'}"
    try:
        result = msgspec.convert(sent, Result)
    except msgspec.ValidationError as error:
        return f"the build has sent no result of the runner ({short(str(error))})"
    if result.action not in (action, *_BEFORE):
        return f"the build has sent a result of another action ({short(result.action)})"
    # An undo in which there is no revision to go back to ends with what comes before it.
    if result.action != action and result.status == "DONE" and action != "undo":
        return f"the build has sent a result of {result.action} only"
    return result


def judge_result(result: Result, action: Action, at: str) -> Reading:
    """How the handover goes on after a build that has said how it ended."""
    if result.status == "FAILED":
        return _failed(result, action, at)
    if action == "import":
        return Reading("PLAN", at, action)
    if action == "plan":
        return _planned(result, at)
    if action == "drift":
        return Reading("CLOSE", at, action, findings=_drift(result))
    return Reading("CHECK" if action == "apply" else "RESTORE", at, action)


def _planned(result: Result, at: str) -> Reading:
    if result.empty is True:
        text = "Terraform would change nothing: the services have their roles already."
        return Reading("CURE", at, "plan", findings=(Finding("NOTHING_PLANNED", text),))
    if result.sha256 is None or not _SHA256.fullmatch(result.sha256):
        return Reading("REMOVE", at, "plan", refusal=_refusal("plan", "the plan has no SHA-256 of its file"))
    return Reading("ASK", at, "plan", plan=Plan(result.sha256, result.changes))


def _failed(result: Result, action: Action, at: str) -> Reading:
    if action in ("import", "plan"):
        return Reading("REMOVE", at, action, refusal=_refusal(action, result.says))
    if action == "drift":
        return Reading("CLOSE", at, action, findings=(_unknown_drift(result.says),))
    text = f"The runner's {action} has failed: {result.says}"
    if action == "apply":
        return Reading("RESTORE", at, action, findings=(Finding("APPLY_FAILED", text),))
    if result.error == _LOCKED:
        # Of a command that sent its lock twice it is the command's own: the next build frees that.
        return Reading("RESTORE", at, action, findings=(Finding("STATE_LOCKED", text),), again=True)
    return Reading("PAGE", at, action, findings=(Finding("STATE_NOT_RESTORED", text),))


def judge_silence(why: str, action: Action, at: str) -> Reading:
    """How it goes on after a build that is known to have ended, and has not said how."""
    if action == "drift":
        return Reading("CLOSE", at, action, findings=(_unknown_drift(why),), killed=True)
    text = f"The build of {action} has given no result: {why}."
    if action == "undo":
        finding = Finding("STATE_NOT_RESTORED", text)
        return Reading("PAGE", at, action, findings=(finding,), killed=True)
    refusal = _refusal(action, text) if action != "apply" else None
    findings = (Finding("APPLY_FAILED", text),) if action == "apply" else ()
    # Whatever it was killed in the middle of, its lock is taken off before the next command.
    return Reading("RESTORE", at, action, findings=findings, refusal=refusal, killed=True)


def _refusal(action: Action, says: str) -> Refusal:
    return Refusal(
        "BUILD_REFUSED",
        f"The {action} was not done. {says}",
        "Correct what the runner names, and start the handover again. Nothing was deployed.",
    )


def _unknown_drift(why: str) -> Finding:
    return Finding("DRIFT_UNKNOWN", f"Nobody knows whether Terraform would change anything now: {short(why)}")


def _drift(result: Result) -> tuple[Finding, ...]:
    if result.empty is True:
        return (Finding("NO_DRIFT", "Terraform would change nothing: account, state and HCL agree."),)
    lines = described(result.changes)
    text = f"Terraform would change {len(result.changes)} resources that this handover did not."
    return (Finding("DRIFT", text, lines),)


def described(changes: tuple[PlannedChange, ...]) -> tuple[str, ...]:
    """Each change on one line, for a person; of many the first few."""
    lines = [
        short(f"{each.address}: {'+'.join(each.actions) or 'no-op'} {', '.join(each.attributes)}".rstrip())
        for each in changes[:_SHOWN]
    ]
    more = len(changes) - _SHOWN
    return (*lines, *((f"and {more} more",) if more > 0 else ()))
