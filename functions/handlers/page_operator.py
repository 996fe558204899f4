"""Task state PageOperator."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.leases import DynamoLeases
from regrant.aws.topic import SnsTopic
from regrant.clock import encode
from regrant.metrics import count_outcome, metrics
from regrant.observability import logger, read_step
from regrant.report.close import page_operator
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
holds = DynamoHolds(dynamodb, settings.journal_table)
leases = DynamoLeases(dynamodb, settings.journal_table)
topic = SnsTopic(client("sns"), settings.topic)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    report = page_operator(step.state, journal, holds, leases, topic, step.now)
    logger.info("closed", outcome=report.outcome)
    count_outcome(report)
    return encode(report)
