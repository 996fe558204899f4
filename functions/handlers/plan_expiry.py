"""Task state PlanExpiry."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.roles import IamRoles
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.diagnosis.expiry import plan_expiry
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"))
roles = IamRoles(client("iam"))
holds = DynamoHolds(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    before = step.state.diagnosis
    checks = before.checks + 1 if before else 1
    diagnosis = plan_expiry(step.state.incident, services, roles, holds, settings, step.now, checks)
    logger.info("planned", decision=diagnosis.decision, plan=encode(diagnosis.plan))
    return encode(diagnosis)
