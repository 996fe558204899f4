"""Every way an action of the runner can end other than done, with its exit status and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OTHER, REFUSED, LOCKED, STALE, NOT_EMPTY = 1, 3, 4, 5, 6


@dataclass(frozen=True)
class Code:
    status: int
    """The process's exit status."""
    do: str
    """A sentence for a person."""


CODES: Mapping[str, Code] = {
    "TERRAFORM_MISSING": Code(OTHER, "Install Terraform 1.11, and put it on the PATH."),
    "TERRAFORM_VERSION": Code(OTHER, "Install Terraform 1.11, and put it first on the PATH."),
    "PROVIDER_UNAVAILABLE": Code(
        OTHER,
        "Let this machine reach registry.terraform.io, or name a mirror in the file of TF_CLI_CONFIG_FILE. "
        "If the lock file lacks this platform: terraform providers lock -platform=linux_amd64.",
    ),
    "HCL_INVALID": Code(OTHER, "Correct the HCL at the place that the reason names."),
    "BACKEND_ELSEWHERE": Code(
        REFUSED, "Take the backend or cloud block out of that file: regrant_backend.tf has the only one."
    ),
    "FILE_NOT_OURS": Code(
        REFUSED, "Rename that file, or remove it: Regrant writes its own, and overwrites nobody's."
    ),
    "BAD_CONFIG": Code(REFUSED, "Correct the key that the reason names; docs/handover.md has every key."),
    "TWO_STATES": Code(
        REFUSED, "Find out which of the two is right. Move the other one away, and prepare again."
    ),
    "LOCKED": Code(
        LOCKED, "Wait until the holder has ended, and try again. If that was a run of yours that died: heal."
    ),
    "FOREIGN_LOCK": Code(
        LOCKED, "Ask the holder. When that run has ended for sure: terraform force-unlock with the lock's ID."
    ),
    "STALE_PLAN": Code(STALE, "Plan again, and approve the new plan."),
    "NOT_INITIALIZED": Code(OTHER, "Run prepare first."),
    "NOT_APPROVED": Code(REFUSED, "Plan again, read it, and approve the SHA-256 that it prints."),
    "NOT_EMPTY": Code(
        NOT_EMPTY, "Read what the plan would still change: correct the HCL, or undo what was applied."
    ),
    "IMPORT_REFUSED": Code(REFUSED, "Correct the HCL to say what runs, or the imports, as each line says."),
    "PLAN_REFUSED": Code(REFUSED, "Correct the HCL to change the declared roles alone, as each line says."),
    "UNDO_REFUSED": Code(REFUSED, "Check out the HCL of before the change of roles, and undo again."),
    "PLAN_UNREADABLE": Code(OTHER, "Plan again, with the same Terraform and providers that apply it."),
    "DISK_FULL": Code(OTHER, "Free some space, then try again."),
    "STATE_NOT_SAVED": Code(
        OTHER,
        "Keep errored.tfstate. When the backend answers: terraform state push errored.tfstate, remove that "
        "file, and plan again.",
    ),
    "STATE_DIFFERS": Code(
        OTHER,
        "If an apply was killed just before: write the checksum that Terraform calculated as Digest into the "
        "lock table's row BUCKET/KEY-md5. Else find out who put another state object into the bucket.",
    ),
    "BACKEND_MISSING": Code(OTHER, "Create the state's bucket and lock table, or correct their names."),
    "ACCESS_DENIED": Code(OTHER, "Allow the call that the reason names to the role that runs Terraform."),
    "INTERRUPTED": Code(OTHER, "Plan again, to see how far it came."),
    "TERRAFORM_KILLED": Code(OTHER, "Heal, since a lock may be left; then plan again."),
    "TERRAFORM_FAILED": Code(OTHER, "Read the reason: it is Terraform's own."),
    "RUNNER_FAILED": Code(OTHER, "Report it as an error of Regrant, with the reason."),
}
