"""Task state Diagnose."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.logs import CloudWatchLogs
from regrant.aws.queues import SqsQueues
from regrant.aws.roles import IamRoles
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.diagnosis.diagnose import diagnose
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"))
roles = IamRoles(client("iam"))
logs = CloudWatchLogs(client("logs"))
queues = SqsQueues(client("sqs"))
holds = DynamoHolds(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    state = step.state
    diagnosis = diagnose(
        state.incident, services, roles, logs, queues, holds, settings, step.now, state.diagnosis
    )
    logger.info("diagnosed", decision=diagnosis.decision, plan=encode(diagnosis.plan))
    return encode(diagnosis)
