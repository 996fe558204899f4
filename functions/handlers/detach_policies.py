"""Task state DetachPolicies."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.roles import IamRoles
from regrant.aws.schedules import EventBridgeSchedules
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings
from regrant.undo.restore import detach_policies

settings = Settings.from_environment(os.environ)
roles = IamRoles(client("iam"))
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
schedules = EventBridgeSchedules.of(client("scheduler"), settings)
holds = DynamoHolds(dynamodb, settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    detach = detach_policies(step.state.incident, roles, holds, journal, schedules, step.now)
    logger.info("detached", policies=detach.detached, left=detach.left)
    return encode(detach)
