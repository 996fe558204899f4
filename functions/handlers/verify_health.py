"""Task state VerifyHealth."""

from typing import Any

from regrant.aws.clients import client
from regrant.aws.logs import CloudWatchLogs
from regrant.aws.queues import SqsQueues
from regrant.aws.roles import IamRoles
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.verify.health import verify_health
from regrant.verify.watch import watch_of

services = EcsServices(client("ecs"))
roles = IamRoles(client("iam"))
logs = CloudWatchLogs(client("logs"))
queues = SqsQueues(client("sqs"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    state, diagnosis = step.state, step.state.diagnosis
    assert diagnosis and state.baseline  # written by the states before
    health = verify_health(
        incident=state.incident,
        routes=diagnosis.logs,
        baseline=state.baseline,
        watch=watch_of(state),
        services=services,
        roles=roles,
        logs=logs,
        queues=queues,
        now=step.now,
    )
    logger.info("sampled", verdict=health.verdict, streak=health.streak, evidence=health.evidence)
    return encode(health)
