"""By which names a runtime reports failures: what Retry and Catch in the state machine are compared with."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import yaml

from regrant import errors
from runtimes import emulator
from runtimes.steps import ROOT

DEFINITION = ROOT / "statemachine" / "runbook.asl.yaml"
MISBEHAVE = "runtimes.misbehave.handler"
TIME_OUT = "Sandbox.Timedout"
"""What Lambda calls a time-out. The emulator answers with a sentence instead, which has no name in it."""


def ours() -> list[str]:
    """The classes of regrant.errors that are raised."""
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [
        kind.__name__
        for kind in classes
        if issubclass(kind, errors.RegrantError) and not kind.__subclasses__()
    ]


def in_state_machine() -> set[str]:
    """Every error name in a Retry or a Catch, but for those that no runtime makes: States.ALL, and Lambda.*,
    which are errors of Lambda's own API.
    """
    states: dict[str, Any] = yaml.safe_load(DEFINITION.read_text())["States"]
    rules = [rule for state in states.values() for key in ("Retry", "Catch") for rule in state.get(key, [])]
    names = {name for rule in rules for name in rule["ErrorEquals"]}
    return {name for name in names if not name.startswith(("States.", "Lambda."))}


def seen(package: Path) -> dict[str, str]:
    """What the emulator reports, by what happened. A time-out is under its sentence, the rest by errorType.

    package: a function as `sam build` made it. Raises NotReady.
    """
    found = {}
    with emulator.running(MISBEHAVE, package, {}, timeout=1, beside=ROOT) as function:
        for name in ours():
            found[f"raise {name}"] = _name(function.invoke({"raise": name}).payload)
        for what in ("exit", "kill", "object", "sleep"):
            found[what] = _name(function.invoke({"do": what}).payload)
        # And it works again afterwards.
        found["raise after a time-out"] = _name(function.invoke({"raise": ours()[0]}).payload)
    for what, handler in {
        "import": "handlers.no_such_step.handler",
        "find": "runtimes.misbehave.nobody",
    }.items():
        with emulator.running(handler, package, {}, timeout=5, beside=ROOT) as function:
            found[what] = _name(function.invoke({}).payload)
    return found


EXPECTED = {
    "exit": "Runtime.ExitError",
    "kill": "Runtime.ExitError",
    "object": "Runtime.MarshalError",
    "sleep": "Task timed out after 1.00 seconds",
    "import": "Runtime.ImportModuleError",
    "find": "Runtime.HandlerNotFound",
}
"""What is not a class of ours."""


_SAID = "the account says so; only a step that may have read too early tries again"
NOT_RETRIED = {
    "AwsRefused": "AWS said no, and says it again",
    "AccountMoved": _SAID,
    "AttachmentNotVisible": _SAID,
    "BaselineDiffers": _SAID,
    "GrantWithdrawn": _SAID,
    "NotOfThisRun": "the run has not sent it, and will not",
    "RevisionDiffers": _SAID,
    "RoleGone": _SAID,
    "ServiceGone": _SAID,
    "ServiceChanged": _SAID,
    "ServiceNotSettled": _SAID,
    "AnswerNotRecorded": "the journal has no such yes the next time either",
    "ClockAhead": "the time that it names has not come the next time either",
    "StateUnfit": "it is a handover's, and the bucket is the same the next time",
    "SdkTooOld": "the runtime is the same the next time",
    "Runtime.MarshalError": "the result is no JSON the next time either",
    "Runtime.ImportModuleError": "the package is the same the next time",
    "Runtime.HandlerNotFound": "the package is the same the next time",
}
"""The names that need not be in every Task's Retry, and why."""


def not_retried(found: dict[str, str]) -> list[str]:
    """Names that were reported and that a Task does not try again, though no reason is given for it."""
    states: dict[str, Any] = yaml.safe_load(DEFINITION.read_text())["States"]
    # The sentence of a time-out is Lambda's TIME_OUT.
    reported = {TIME_OUT if name == EXPECTED["sleep"] else name for name in found.values()}
    wrong = []
    for state, each in states.items():
        if each["Type"] == "Task":
            again = {name for rule in each.get("Retry", []) for name in rule["ErrorEquals"]}
            wrong += [f"{state} does not retry {name}" for name in sorted(reported - again - {*NOT_RETRIED})]
    return wrong


def complaints(found: dict[str, str]) -> list[str]:
    """What was reported by another name than expected, and what the state machine waits for in vain, or does
    not try again.
    """
    wanted = {f"raise {name}": name for name in ours()} | EXPECTED
    wanted["raise after a time-out"] = ours()[0]
    wrong = [
        f"{what} was reported as {found.get(what)}, not {name}"
        for what, name in wanted.items()
        if found.get(what) != name
    ]
    never = sorted(in_state_machine() - {*found.values(), TIME_OUT})
    wrong += [f"the state machine names {name}, which nothing reported" for name in never]
    return wrong + not_retried(found)


def _name(payload: Any) -> str:
    return str(payload["errorType"] if isinstance(payload, dict) else payload)
