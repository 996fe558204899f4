"""Denials without AWS's sentence: what SDKs and services print around "Access Denied", and what others do."""

# ruff: noqa: E501 - messages stand as they are printed

import json

import pytest

from regrant.denials.reader import Denial, read_denials

STACK = "\n    at throwDefaultError (/var/task/node_modules/@smithy/smithy-client/dist-cjs/index.js:836:20)"
XML = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>D6</RequestId></Error>"
KMS = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region,"
    " or you are not allowed to access."
)
ENCODED = "You are not authorized to perform this operation. Encoded authorization failure message: Ab-c_1"


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("An error occurred (AccessDenied) when calling the PutObject operation: Access Denied", "PutObject"),
        (
            "fatal error: An error occurred (403) when calling the HeadObject operation: Forbidden",
            "HeadObject",
        ),
        (
            "operation error S3: PutObject, https response error StatusCode: 403, RequestID: J1, HostID: dU/s=,"
            " api error AccessDenied: Access Denied",
            "PutObject",
        ),
        (
            "operation error S3: HeadObject, https response error StatusCode: 403, RequestID: J1, HostID: dU=,"
            " api error Forbidden: Forbidden",
            "HeadObject",
        ),
        (
            'Error executing "PutObject" on "https://b.s3.amazonaws.com/k"; AWS HTTP error: Client error: `PUT'
            f" https://b.s3.amazonaws.com/k` resulted in a `403 Forbidden` response:\n{XML[:60]} (truncated...)\n"
            f" AccessDenied (client): Access Denied - {XML}",
            "PutObject",
        ),
        ("AccessDenied: Access Denied\n\tstatus code: 403, request id: 1, host id: 2", None),
        (
            "S3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; R: 1)",
            None,
        ),
        ("model.S3Exception: Access Denied (Service: S3, Status Code: 403, Request ID: 1)", None),
        ("model.S3Exception: null (Service: S3, Status Code: 403, Request ID: 1)", None),
        (f"AccessDenied: Access Denied{STACK}", None),
        ("Amazon.S3.AmazonS3Exception: Access Denied ---> Amazon.Runtime", None),
        ("Aws::S3::Errors::AccessDenied (Access Denied)", None),
        ('ErrorMetadata { code: Some("AccessDenied"), message: Some("Access Denied"), extras: None }', None),
        ("Exception name: AccessDenied\nError message: Access Denied\n1 response headers:", None),
        ("{'Error': {'Message': 'Access Denied', 'Code': 'AccessDenied'}, 'ResponseMetadata': {}}", None),
        (f"AccessDeniedException: You don't have access to the model.{STACK}", None),
        (
            "upload failed: ./docs/a to s3://fix/a An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
            "PutObject",
        ),
        (XML, None),
        (f"AccessDeniedException: {KMS}", None),
        ("{'Error': {'Code': 'AccessDenied', 'Message': 'Access Denied'}, 'ResponseMetadata': {}}", None),
    ],
)
def test_an_sdks_error_without_a_sentence_is_one_denial_with_the_call_if_named(
    text: str, operation: str | None
) -> None:
    assert read_denials(text) == (Denial(operation=operation),)


def test_sqs_names_the_queue_by_its_url() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"
    text = f"An error occurred (AccessDenied) when calling the SendMessage operation: Access to the resource {url} is denied."
    assert read_denials(text) == (Denial(resource=url, operation="SendMessage"),)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        (
            f"An error occurred (UnauthorizedOperation) when calling the RunInstances operation: {ENCODED}",
            "RunInstances",
        ),
        (
            f"AmazonEC2Exception: {ENCODED} (Service: AmazonEC2; Status Code: 403; Error Code: UnauthorizedOperation; R)",
            None,
        ),
    ],
)
def test_ec2s_encoded_message_is_said_to_be_there(text: str, operation: str | None) -> None:
    assert read_denials(text) == (Denial(operation=operation, encoded=True),)


def test_cloudformation_names_the_action() -> None:
    assert read_denials("API: s3:CreateBucket Access Denied") == (Denial(action="s3:CreateBucket"),)


@pytest.mark.parametrize(
    "error",
    [
        {
            "name": "AccessDenied",
            "$fault": "client",
            "$metadata": {"httpStatusCode": 403},
            "message": "Access Denied",
        },
        {
            "errorType": "AccessDenied",
            "errorMessage": "Access Denied",
            "stack": ["AccessDenied: Access Denied", STACK],
        },
        {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": KMS},
        {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}, "ResponseMetadata": {}},
    ],
)
def test_an_sdks_error_logged_as_an_object_is_one_denial(error: dict[str, object]) -> None:
    assert read_denials({"level": "error", "err": error}) == (Denial(),)
    assert read_denials("ERROR " + json.dumps({"err": error})) == (Denial(),)


@pytest.mark.parametrize(
    "text",
    [
        "An error occurred (ThrottlingException) when calling the PutObject operation: Rate exceeded",
        "An error occurred (ExpiredToken) when calling the PutObject operation: The provided token has expired.",
        "An error occurred (InvalidClientTokenId) when calling the PutObject operation: The security token is invalid",
        "An error occurred (NoSuchBucket) when calling the PutObject operation: The bucket does not exist",
        "An error occurred (404) when calling the HeadObject operation: Not Found",
        "An error occurred (AccessDenied) when calling the GetObject operation: Request has expired",
        "S3Exception: x (Service: Amazon S3; Status Code: 403; Error Code: SignatureDoesNotMatch; Request ID: 1)",
        "S3Exception: The request signature does not match (Service: S3, Status Code: 403, Request ID: 1)",
        "<Error><Code>AccessDenied</Code><Message>Request has expired</Message><RequestId>1</RequestId></Error>",
        "<Error><Code>AccessDenied</Code><Message>Access denied.</Message><Details>x does not have storage.objects.get",
        "java.nio.file.AccessDeniedException: /etc/shadow",
        "org.springframework.security.access.AccessDeniedException: Access is denied",
        "ERROR 1045 (28000): Access denied for user 'app'@'10.0.0.1' (using password: YES)",
        "ERROR: permission denied for table orders",
        'pods is forbidden: User "system:serviceaccount:a:b" cannot list resource "pods"',
        "PermissionError: [Errno 13] Permission denied: '/data'",
        '10.0.0.1 - - [01/Jan/2024] "GET /admin HTTP/1.1" 403 153 "-" "curl"',
        "AccessDenied: Access Denied\n    at OrdersController.get (/app/orders.js:1)",
        '{"code":"AccessDenied","message":"Access Denied","status":403}',
        '{"message":"Forbidden"}',
        "INFO no AccessDenied seen in the last hour",
        "how to fix An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
        "Access to the resource https://intranet.example.com/sqs/x is denied.",
        "retrying after AccessDenied (attempt 2)",
        "HTTP 403 Forbidden (Service: orders, Status Code: 403, Request ID: 1)",
        "com.acme.AccessDeniedException: Insufficient privileges\n   at com.acme.Orders(Orders.java:1)",
        "googleapi: Error 403: x does not have storage.objects.get access, forbidden",
        "AuthorizationFailed: The client 'x' does not have authorization to perform action 'Microsoft.Compute/read'",
        "remote: Permission to acme/orders.git denied to bot. fatal: unable to access: The requested URL returned error: 403",
    ],
)
def test_what_is_no_denial_by_aws_is_none(text: str) -> None:
    assert read_denials(text) == ()
