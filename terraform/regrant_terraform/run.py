"""One action, from its configuration to its result."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from regrant_terraform import files
from regrant_terraform.actions.drift import drift
from regrant_terraform.actions.heal import heal
from regrant_terraform.actions.imports import import_, undo
from regrant_terraform.actions.prepare import prepare
from regrant_terraform.actions.propose import propose
from regrant_terraform.actions.roles import apply, plan
from regrant_terraform.codes import CODES
from regrant_terraform.config import Config
from regrant_terraform.errors import Refused
from regrant_terraform.running import failures
from regrant_terraform.running.cli import Terraform
from regrant_terraform.running.commands import check_version
from regrant_terraform.running.environment import for_terraform

Action = Callable[[Terraform, Config], dict[str, object]]
ACTIONS: Mapping[str, Action] = {
    "prepare": prepare,
    "import": import_,
    "plan": plan,
    "apply": apply,
    "drift": drift,
    "undo": undo,
    "heal": heal,
    "propose": propose,
}
NEEDS_THE_SAVED_STATE = frozenset({"import", "plan", "apply", "undo"})


def run(action: str, configured: Callable[[], Config], terraform: Terraform) -> tuple[dict[str, Any], int]:
    """The result, and the exit status. Nothing that goes wrong is without a name."""
    result: dict[str, Any] = {"action": action}
    try:
        config = configured()
        terraform.directory = config.directory
        _look(terraform, action)
        result |= {"terraform": check_version(terraform)}
        result |= {"status": "DONE", **ACTIONS[action](terraform, config)}
        status = 0
    except Refused as refused:
        result |= _failed(refused)
        status = refused.status
    except Exception as error:  # a result that is not written would leave the run waiting for it
        unforeseen = _unforeseen(error)
        result |= _failed(unforeseen)
        status = unforeseen.status
    _, dropped = for_terraform(terraform.environment)
    return result | {"commands": terraform.commands, "dropped": dropped}, status


def _look(terraform: Terraform, action: str) -> None:
    """What has to be so in the directory before anything runs there."""
    directory = terraform.directory
    if not directory.is_dir():
        raise Refused("BAD_CONFIG", f"directory: {directory} is not there")
    if not any(file.name.endswith((".tf", ".tf.json")) for file in directory.iterdir()):
        raise Refused("BAD_CONFIG", f"directory: {directory} has no .tf file")
    files.remove_stale_imports(directory)
    if action in NEEDS_THE_SAVED_STATE:
        failures.errored(directory)


def _unforeseen(error: Exception) -> Refused:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused("DISK_FULL", f"{error.filename or 'a file'}: {error.strerror}")
    return Refused("RUNNER_FAILED", "".join(traceback.format_exception(error)[-3:])[-1500:])


def _failed(refused: Refused) -> dict[str, object]:
    return {
        "status": "FAILED",
        "error": refused.code,
        "reason": refused.reason,
        "do": CODES[refused.code].do,
        **refused.more,
    }
