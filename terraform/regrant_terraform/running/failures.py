"""A command that failed, named: what Terraform printed, and how it ended.

Terraform has no codes for its errors, so they are known by their texts, which are those of 1.11 and its S3
backend. What no text matches is TERRAFORM_FAILED, with Terraform's own words.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from regrant_terraform.errors import Refused

ERRORED = "errored.tfstate"
"""Where Terraform puts a state that its backend does not take."""
LONGEST = 2000
_DRAWN = re.compile(r"\x1b\[[0-9;]*m|[│╷╵]")
_LOCK = re.compile(r"^\s*(ID|Path|Operation|Who|Version|Created|Info):[ \t]+(.*?)\s*$", re.M)

# The first that matches names the failure: a full disk is behind many another error, and a lock is no denial.
TEXTS: Mapping[str, tuple[str, ...]] = {
    "DISK_FULL": ("no space left on device", "disk quota exceeded"),
    "STATE_NOT_SAVED": ("failed to save state", "failed to persist state", "error saving state", ERRORED),
    "LOCKED": (
        "error acquiring the state lock",
        "does not match existing lock",
        "does not match the existing lock",
    ),
    "STALE_PLAN": ("saved plan is stale", "plan file can no longer be applied"),
    "PLAN_UNREADABLE": (
        "plan file was created by a different version",
        "failed to read the given file as a state or plan file",
        "failed to read plan",
        "failed to load",
        "not a valid plan file",
        "inconsistent dependency lock file the given plan file",
    ),
    "STATE_DIFFERS": ("does not have the expected content", "checksum calculated for the state stored"),
    "BACKEND_MISSING": ("nosuchbucket", "resourcenotfoundexception: requested resource not found"),
    "ACCESS_DENIED": ("accessdenied", "is not authorized to perform", "statuscode: 403", "forbidden"),
    "BACKEND_ELSEWHERE": ("duplicate 'backend' configuration block", "both a backend and"),
    "NOT_INITIALIZED": (
        "backend initialization required",
        "initialization required",
        "backend configuration changed",
        "backend configuration block has changed",
        "module not installed",
        "required plugins are not installed",
        "inconsistent dependency lock file",
    ),
    "PROVIDER_UNAVAILABLE": (
        "failed to query available provider packages",
        "failed to install provider",
        "failed to resolve provider packages",
        "invalid provider registry host",
        "failed to instantiate provider",
        "failed to load plugin schemas",
        "doesn't match any of the checksums",
    ),
}
# The place of an error in the HCL. One of a resource at AWS has "with <address>," before it.
_PLACE = re.compile(r"^\s*on (\S+\.tf(?:\.json|vars)?) line (\d+)", re.M)
_UMBRELLA = "Terraform encountered problems during initialisation"
"""An error without a place, before those that have one."""
_WITH = re.compile(r"^\s*with [\w.\[\]\"-]+,\s*$", re.M)


def named(
    arguments: Sequence[str], status: int, out: str, err: str, *, stopped: bool, directory: Path
) -> Refused:
    # Warnings are among the output, errors are not; what is no diagnostic may be on either.
    text = _DRAWN.sub("", err if "Error:" in err else f"{err}\n{out}").strip()
    command = f"terraform {arguments[0]}"
    code = _code(text)
    if code in ("DISK_FULL", "STATE_NOT_SAVED"):
        return Refused(code, _said(text), _errored(directory))
    if stopped:
        return Refused(
            "INTERRUPTED", f"{command} was asked to stop, and ended with status {status}. {_tail(text)}"
        )
    if status < 0:
        return Refused("TERRAFORM_KILLED", f"{command} was ended by {_signal(-status)}", _errored(directory))
    if code == "LOCKED":
        return _locked(text)
    if code:
        return Refused(code, _said(text))
    if _in_the_hcl(text):
        return Refused("HCL_INVALID", _said(text))
    return Refused("TERRAFORM_FAILED", f"{command} ended with status {status}. {_said(text)}")


def _code(text: str, but: str = "") -> str:
    """Lines are broken at 78 columns, so blanks and line breaks are one."""
    flat = " ".join(text.lower().split())
    codes = (code for code, texts in TEXTS.items() if code != but and any(each in flat for each in texts))
    return next(codes, "")


def lock_in(text: str) -> dict[str, str]:
    """The lock that Terraform shows: id, path, operation, who, version, created."""
    shown = text[text.find("Lock Info:") :] if "Lock Info:" in text else text
    return {name.lower(): value for name, value in _LOCK.findall(shown) if value}


def _locked(text: str) -> Refused:
    lock = lock_in(text)
    if not lock.get("id"):
        # Nobody holds it: the table is missing, or may not be written.
        return Refused(_code(text, but="LOCKED") or "TERRAFORM_FAILED", _said(text))
    holder = (
        f"{lock.get('who', 'somebody')} holds the state's lock since {lock.get('created', 'a time not said')}"
    )
    return Refused("LOCKED", f"{holder} ({lock.get('operation', '?')}, ID {lock['id']})", {"lock": lock})


def errored(directory: Path) -> None:
    """Raises Refused where a state lies that was not saved: what would run next would not know of it."""
    if (directory / ERRORED).exists():
        raise Refused(
            "STATE_NOT_SAVED",
            f"{ERRORED} lies beside the HCL: a state that was never saved",
            _errored(directory),
        )


def _errored(directory: Path) -> dict[str, object]:
    return {"errored_state": ERRORED} if (directory / ERRORED).exists() else {}


def _in_the_hcl(text: str) -> bool:
    """Whether every error is at a place in the HCL, and of no resource's."""
    said = re.split(r"^\s*(?=Error: |Warning: )", text, flags=re.M)
    errors = [each for each in said if each.startswith("Error: ") and _UMBRELLA not in each]
    return bool(errors) and all(_PLACE.search(each) and not _WITH.search(each) for each in errors)


def _said(text: str) -> str:
    """From the first error on. Warnings come before it, and are not why it failed."""
    begin = text.find("Error: ")
    lines = [line.strip() for line in text[max(begin, 0) :].splitlines()]
    return _tail("\n".join(line for line in lines if line), LONGEST)


def _tail(text: str, longest: int = 600) -> str:
    return (
        text.strip() if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 :]}".strip()
    )


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
