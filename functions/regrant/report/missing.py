"""The statement that denied calls lack, in each form that people keep policies in."""

from __future__ import annotations

from regrant.model.run import Diagnosis


def with_statement(next_step: str, diagnosis: Diagnosis | None) -> str:
    """next_step, and after it the least policy that Diagnose found missing, if it did."""
    findings = diagnosis.findings if diagnosis else ()
    missing = next((finding for finding in findings if finding.code == "MISSING_STATEMENT"), None)
    if missing is None:
        return next_step
    # Imported here: few runs need it.
    import json

    from regrant.iam.least import as_blocks

    return (
        f"{next_step}\nThis, in a policy, allows what is denied, and nothing else. Add it only if the service"
        f" is entitled to it.\n{as_blocks(json.loads(missing.evidence[0]))}"
    )
