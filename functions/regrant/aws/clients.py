"""The SDK's clients, made once an execution environment, and AWS's errors as ours.

They are botocore's, which boto3 only hands on: boto3 itself would add its resources and S3's transfers to
every cold start.
"""

from __future__ import annotations

import gc
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from regrant.errors import AwsRefused, AwsUnavailable, SdkTooOld


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Importing allocates a lot and frees little: pause the collector, then freeze what was loaded."""
    working = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if working:
            gc.enable()


with _collector_at_rest():
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as ConnectionFailed
    from botocore.loaders import JSONFileLoader, Loader

# Standard retries, said here because Lambda's own boto3 may be older than the one that made them the
# default. Short time-outs: the state's Retry is the second line, and it is seen in the console.
_READS = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
# UpdateService has no idempotency token: a retry after a lost response starts a second deployment.
_ONCE = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})

# Codes that mean "try again" (botocore retries/standard, and SNS's own), plus HTTP 429 and AWS's 5xx.
_TRANSIENT = frozenset(
    {
        "Throttled",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "PriorRequestNotComplete",
        "TransactionInProgressException",
        "TransactionConflictException",
        "ConcurrentModification",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalFailure",
        "RequestTimeout",
    }
)

UNMET = "ConditionalCheckFailedException"
_UNMET_IN = "ConditionalCheckFailed"
"""In a transaction."""
# What cancels a transaction however often it is sent.
_MISTAKES = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})

OPERATIONS = {
    "cloudtrail": ("lookup_events",),
    "cloudwatch": ("describe_alarms",),
    "codebuild": ("batch_get_builds", "list_builds_for_project", "start_build", "stop_build"),
    "dynamodb": (
        *("get_item", "put_item", "query", "transact_write_items"),
        *("create_table", "delete_table", "describe_table", "scan"),
    ),
    "ecs": (
        "deregister_task_definition",
        "describe_services",
        "describe_task_definition",
        "describe_tasks",
        "list_services",
        "list_task_definitions",
        "list_tasks",
        "register_task_definition",
        "update_service",
    ),
    "events": ("describe_rule",),
    "iam": (
        "attach_role_policy",
        "detach_role_policy",
        "get_account_summary",
        "get_policy",
        "get_policy_version",
        "get_role",
        "get_role_policy",
        "list_attached_role_policies",
        "list_role_policies",
    ),
    "logs": ("filter_log_events",),
    "s3": (
        *("create_bucket", "delete_bucket", "head_bucket", "list_object_versions"),
        *("get_bucket_encryption", "get_bucket_versioning", "get_public_access_block"),
        *("put_bucket_encryption", "put_bucket_versioning", "put_public_access_block"),
        *("get_object", "put_object"),
    ),
    "scheduler": ("create_schedule", "delete_schedule"),
    "sns": ("publish",),
    "sqs": ("get_queue_attributes", "get_queue_url"),
    "ssm": ("get_parameters", "get_parameters_by_path", "get_parameter"),
    "stepfunctions": ("describe_execution", "get_execution_history", "send_task_success", "start_execution"),
}
"""What the adapters call, by service: all that is asked of the runtime's botocore."""
SERVICES = tuple(OPERATIONS)


class Descriptions(Loader):  # type: ignore[misc]  # botocore has no types
    """botocore's descriptions of the services, read in half the time: a cold start makes up to six
    clients."""

    def __init__(self) -> None:
        super().__init__(file_loader=_Files())

    def list_available_services(self, *kind: str) -> tuple[str, ...]:
        """botocore's own looks into the folders of all 400 services before it makes the first client."""
        return SERVICES


class _Files(JSONFileLoader):  # type: ignore[misc]
    def load_file(self, file_path: str) -> Any:
        """dict keeps its order, too, and is made sooner than botocore's OrderedDict.

        What is in no file of these kinds is left to botocore: Lambda updates it without being asked.
        """
        for suffix, opener in ((".json", open), (".json.gz", gzip.open)):
            with suppress(FileNotFoundError), opener(f"{file_path}{suffix}", "rb") as file:
                return json.load(file)
        return super().load_file(file_path)


_session = botocore.session.Session()
with suppress(TypeError):  # then a later botocore reads its descriptions in its own way
    _session.register_component("data_loader", Descriptions())
_new_client: Callable[..., Any] = _session.create_client

_clients: dict[tuple[str, bool], Any] = {}
# A session makes one client at a time (boto3 guide, Session: multithreading); threads may share the clients.
_making = Lock()


def client(service: str, *, retry: bool = True) -> Any:
    """The client of this execution environment, one a service; credentials and Region come from the
    environment. Without retry a call is sent once."""
    with _making:
        if (service, retry) not in _clients:
            with _collector_at_rest():
                made = _new_client(service, config=_READS if retry else _ONCE)
            _check(made, service)
            _clients[service, retry] = made
        return _clients[service, retry]


def _check(made: Any, service: str) -> None:
    """Raises SdkTooOld. The zip has no botocore of its own (ADR 20), and AWS promises no version in a
    runtime: this ends a function while it starts, and not in the middle of a run."""
    missing = [name for name in OPERATIONS[service] if name not in made.meta.method_to_api_mapping]
    if missing:
        raise SdkTooOld(
            f"botocore {botocore.__version__} of this runtime has no {', '.join(missing)} of {service}."
            " Put a newer one into functions/requirements.in, and deploy again."
        )


@contextmanager
def aws_errors() -> Iterator[None]:
    """Raise AwsUnavailable or AwsRefused in place of botocore's errors.

    Of botocore's own errors only those of the connection (could not connect, lost it, time-out) are
    translated. The others, such as ParamValidationError or NoCredentialsError, are mistakes of ours or of
    the environment that no retry fixes, and leave under their own names.

    botocore generates a class for modeled errors and raises plain ClientError for the others (IAM
    AccessDenied, ECS ThrottlingException), so its class names are no error names to catch by.
    """
    try:
        yield
    except ClientError as error:
        code = _code(error.response)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _TRANSIENT or status == 429 or status >= 500:
            raise AwsUnavailable(str(error)) from error
        raise AwsRefused(str(error), code) from error
    except (ConnectionFailed, HTTPClientError) as error:
        raise AwsUnavailable(str(error)) from error


def condition_met(write: Callable[[], None]) -> bool:
    """Do a write that has a condition; False if that is not met."""
    try:
        write()
    except AwsRefused as refused:
        if refused.code == UNMET:
            return False
        raise
    return True


def unmet(refused: AwsRefused) -> tuple[Mapping[str, Any] | None, ...]:
    """Of a write whose condition was not met: by item of the transaction, the item that stands; None where it
    was met. A single item's comes with the error itself (API reference, PutItem and TransactWriteItems,
    ReturnValuesOnConditionCheckFailure)."""
    response: Mapping[str, Any] = getattr(refused.__cause__, "response", {})
    if "CancellationReasons" not in response:
        return (response.get("Item", {}),)
    reasons = response["CancellationReasons"]
    return tuple(each.get("Item", {}) if each.get("Code") == _UNMET_IN else None for each in reasons)


def _code(response: Mapping[str, Any]) -> str:
    """The error's code. A cancelled transaction is refused if a condition was not met; all else that cancels
    one passes (API reference, TransactWriteItems)."""
    code = str(response.get("Error", {}).get("Code", ""))
    if code != "TransactionCanceledException":
        return code
    reasons = {reason.get("Code") for reason in response.get("CancellationReasons", ())}
    if _UNMET_IN in reasons:
        return UNMET
    return code if reasons & _MISTAKES else "TransactionConflictException"
