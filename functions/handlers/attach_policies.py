"""Task state AttachPolicies."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.roles import IamRoles
from regrant.aws.schedules import EventBridgeSchedules
from regrant.change.attach import attach_policies
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
roles = IamRoles(client("iam"))
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
schedules = EventBridgeSchedules.of(client("scheduler"), settings)
holds = DynamoHolds(dynamodb, settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    diagnosis, baseline = step.state.diagnosis, step.state.baseline
    assert diagnosis and diagnosis.plan and baseline  # the states before wrote them
    grant = attach_policies(
        step.state.incident, diagnosis.plan, baseline, roles, holds, journal, schedules, step.now
    )
    logger.info("attached", role=grant.role, policies=grant.attached)
    return encode(grant)
