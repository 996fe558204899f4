"""Policies read by another: @cloud-copilot/iam-simulate, a package of npm, in one process of Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

SCRIPT = Path(__file__).with_name("simulate.mjs")
PACKAGE = SCRIPT.parents[2] / "node_modules" / "@cloud-copilot" / "iam-simulate"

Document: TypeAlias = Mapping[str, Any]
Context: TypeAlias = Mapping[str, str | Sequence[str]]


class Unavailable(Exception):
    """Node.js or the package is not there, or would not answer. The text says what to do."""


@dataclass(frozen=True)
class Request:
    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """May a role with these policies make these requests?

    principal: who asks, if not a role of the account: an ARN, a service, or Anonymous. resource_policy: of
    what is asked for, where it has one.
    """

    policies: Sequence[Document]
    requests: Sequence[Request]
    boundary: Document | None = None
    principal: str | None = None
    resource_policy: Document | None = None


def missing() -> str | None:
    """What is not there that is needed, if anything."""
    if shutil.which("node") is None:
        return "Node.js 18 or later"
    return None if PACKAGE.exists() else "npm's @cloud-copilot/iam-simulate"


def answers(questions: Sequence[Question]) -> list[list[str]]:
    """For each question the answers to its requests: Allowed, ImplicitlyDenied, ExplicitlyDenied, or an error
    of the simulator, which begins with `error`.

    Raises Unavailable.
    """
    if what := missing():
        raise Unavailable(f"needs {what}: make setup installs what npm can")
    lines = "".join(json.dumps(_wire(question)) + "\n" for question in questions)
    run = subprocess.run(["node", str(SCRIPT)], input=lines, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise Unavailable(f"node {SCRIPT.name} ended with {run.returncode}: {run.stderr}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def _wire(question: Question) -> dict[str, Any]:
    requests = [{"action": r.action, "resource": r.resource, "context": r.context} for r in question.requests]
    return {
        "policies": question.policies,
        "boundary": question.boundary,
        "principal": question.principal,
        "resourcePolicy": question.resource_policy,
        "requests": requests,
    }
