"""Task state RestoreService."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.journal import DynamoJournal
from regrant.aws.services import EcsServices
from regrant.observability import logger, read_step
from regrant.rollback import restore_service
from regrant.settings import Settings
from regrant.wire import encode

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"), client("ecs", retry=False))
journal = DynamoJournal(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    return encode(restore_service(step.state.incident, services, journal, step.now))
