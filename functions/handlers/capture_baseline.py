"""Task state CaptureBaseline."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.queues import SqsQueues
from regrant.aws.roles import IamRoles
from regrant.aws.services import EcsServices
from regrant.baseline.capture import capture
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"))
roles = IamRoles(client("iam"))
queues = SqsQueues(client("sqs"))
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
holds = DynamoHolds(dynamodb, settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    incident, diagnosis = step.state.incident, step.state.diagnosis
    assert diagnosis  # Decide sends only plans here
    return encode(capture(incident, diagnosis, services, roles, queues, holds, journal, step.now))
