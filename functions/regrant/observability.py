"""Structured logs, the same for every step (Powertools for AWS Lambda)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger

from regrant.clock import decode
from regrant.model.run import StepEvent

logger = Logger()


def read_step(event: dict[str, Any]) -> StepEvent:
    """The step's event, with its incident on every line that the handler logs."""
    step = decode(event, StepEvent)
    logger.append_keys(incident=step.state.incident.id, subject=step.state.incident.subject)
    return step
