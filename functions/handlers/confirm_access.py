"""Task state ConfirmAccess."""

from typing import Any

from regrant.aws.clients import client
from regrant.aws.roles import IamRoles
from regrant.containment import confirm_access
from regrant.observability import logger, read_step
from regrant.wire import encode

roles = IamRoles(client("iam"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    assert step.state.grant  # AttachPolicies ran before
    return encode(confirm_access(step.state.grant, roles, step.now))
