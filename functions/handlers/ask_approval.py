"""Task state AskApproval: it waits for the answer, this function only asks."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.leases import DynamoLeases
from regrant.aws.topic import SnsTopic
from regrant.observability import logger, read_step
from regrant.report.approval import ask_approval
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
leases = DynamoLeases(client("dynamodb"), settings.journal_table)
topic = SnsTopic(client("sns"), settings.topic)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    until = ask_approval(step.state, event["token"], leases, topic, step.now)
    logger.info("asked", until=until)
    return {"until": until}
