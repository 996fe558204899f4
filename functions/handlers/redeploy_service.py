"""Task state RedeployService."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.journal import DynamoJournal
from regrant.aws.services import EcsServices
from regrant.change.attach import redeploy
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"), client("ecs", retry=False))
journal = DynamoJournal(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    state, revision = step.state, step.state.revision
    assert state.baseline  # CaptureBaseline ran before
    new = revision.task_definition if revision else None
    rollout = redeploy(state.incident, state.baseline, new, services, journal, step.now)
    logger.info("redeployed", deployment=rollout.deployment)
    return encode(rollout)
