"""AWS's sentence of a denial, wherever it stands and however it was printed."""

# ruff: noqa: E501 - messages stand as they are printed

import json

import pytest
from msgspec.structs import replace

from regrant.denials.reader import Denial, read_denials

SESSION = "arn:aws:sts::123456789012:assumed-role/orders-worker/0f3c=a,b.c@d+e_f-1"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
WHO = f"User: {SESSION} is not authorized to perform: "
LEGACY = f"{WHO}sqs:receivemessage on resource: {QUEUE}"
SENTENCE = f"{LEGACY} because no identity-based policy allows the sqs:receivemessage action"
OBJECT = f'{WHO}s3:GetObject on resource: "arn:aws:s3:::orders/2024/my file.v1 (copy).txt"'

UNREASONED = Denial(
    action="sqs:ReceiveMessage", resource=QUEUE, principal_arn=SESSION, role_name="orders-worker"
)
DENIAL = replace(UNREASONED, effect="implicit", policy_type="identity")


def one(text: str) -> Denial:
    denials = read_denials(text)
    assert len(denials) == 1, denials
    return denials[0]


def resource(rest: str) -> str | None:
    return one(f"{WHO}sqs:ReceiveMessage on resource: {rest}").resource


def test_a_sentence_gives_action_resource_principal_role_and_reason() -> None:
    assert one(SENTENCE) == DENIAL


def test_the_older_sentence_without_a_reason_leaves_effect_and_policy_unknown() -> None:
    assert one(LEGACY) == UNREASONED


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("identity-based policy", "identity"),
        ("resource-based policy", "resource"),
        ("service control policy", "scp"),
        ("resource control policy", "rcp"),
        ("permissions boundary", "boundary"),
        ("session policy", "session"),
        ("VPC endpoint policy", "vpce"),
    ],
)
def test_the_reason_names_effect_and_kind_of_policy(words: str, kind: str) -> None:
    lacking = one(f"{LEGACY} because no {words} allows the sqs:receivemessage action")
    article = "an" if words[0] in "aeiou" else "a"
    refusing = one(f"{LEGACY} with an explicit deny in {article} {words}")
    assert (lacking.effect, lacking.policy_type) == ("implicit", kind)
    assert (refusing.effect, refusing.policy_type) == ("explicit", kind)


def test_an_explicit_deny_may_name_no_policy() -> None:
    denial = one(f"{LEGACY} with an explicit deny")
    assert (denial.effect, denial.policy_type, denial.denying_policy_arn) == ("explicit", "unknown", None)


@pytest.mark.parametrize("end", ["", ".", '"}', ". Encoded authorization failure message: x-Y_z"])
def test_the_policy_with_the_deny_is_named_without_what_follows(end: str) -> None:
    policy = "arn:aws:organizations::987654321098:policy/o-a1/service_control_policy/p-2k"
    denial = one(f"{LEGACY} with an explicit deny in a service control policy: {policy}{end}")
    assert denial.denying_policy_arn == policy


def test_a_sentence_may_name_no_resource() -> None:
    denial = one(
        f"{WHO}s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action"
    )
    assert (denial.action, denial.resource, denial.effect) == ("s3:ListAllMyBuckets", None, "implicit")


@pytest.mark.parametrize(
    ("principal", "role"),
    [
        (SESSION, "orders-worker"),
        ("arn:aws-cn:iam::123456789012:role/team/path/orders-worker", "orders-worker"),
        ("arn:aws:iam::123456789012:user/ci", None),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:federated-user/bob", None),
    ],
)
def test_a_principal_is_any_kind_and_has_a_role_if_it_is_one(principal: str, role: str | None) -> None:
    denial = one(SENTENCE.replace(SESSION, principal))
    assert (denial.principal_arn, denial.role_name) == (principal, role)


def test_a_principal_that_somebody_shortened_is_none() -> None:
    denial = one(SENTENCE.replace(SESSION, "arn:aws:sts::...:assumed-role/..."))
    assert (denial.action, denial.principal_arn, denial.role_name) == ("sqs:ReceiveMessage", None, None)


def test_a_caller_without_a_name_is_still_refused() -> None:
    denial = one("User: anonymous is not authorized to perform: es:ESHttpGet with an explicit deny")
    assert (denial.action, denial.principal_arn) == ("es:ESHttpGet", None)


@pytest.mark.parametrize(
    "text",
    [
        "Error: Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "{'Message': 'Not authorized to perform sts:AssumeRoleWithWebIdentity'}",
        '"message":"Not authorized to perform sts:AssumeRoleWithWebIdentity","x',
    ],
)
def test_sts_names_only_the_action(text: str) -> None:
    assert one(text) == Denial(action="sts:AssumeRoleWithWebIdentity")


def test_a_sentence_does_not_swallow_the_error_on_the_next_line() -> None:
    following = "AccessDenied: Access Denied\n\tstatus code: 403, request id: 1, host id: 2"
    assert read_denials(f"{SENTENCE}\n{following}") == (DENIAL, Denial())


def test_ses_quotes_in_its_own_way() -> None:
    denial = one(
        f"User `{SESSION}' is not authorized to perform `ses:SendEmail' on resource `arn:aws:ses:eu-west-1:1:x'"
    )
    assert (denial.action, denial.resource) == ("ses:SendEmail", "arn:aws:ses:eu-west-1:1:x")
    assert denial.principal_arn == SESSION


@pytest.mark.parametrize("key", ["arn:aws:kms:eu-west-1:1:key/2", None])
def test_kms_does_not_say_whether_its_policy_lacks_or_denies(key: str | None) -> None:
    on = f"on resource: {key}" if key else "on the resource associated with this ciphertext"
    reason = "because the resource does not exist in this Region, no resource-based policies allow access, or"
    denial = one(f"{WHO}kms:Decrypt {on} {reason} a resource-based policy explicitly denies access")
    assert (denial.resource, denial.effect, denial.policy_type) == (key, "unknown", "resource")


@pytest.mark.parametrize(
    "whole",
    [
        QUEUE,
        "*",
        "role orders-worker",
        "arn:aws:dynamodb:eu-west-1:1:table/orders/index/by-day",
        "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/x:*",
        "arn:aws:logs:eu-west-1:1:log-group::log-stream:",
        "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/x:log-stream:2024/01/01/[$LATEST]0f",
        "arn:aws:iam::1:role/a,b=c@d",
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        "",
        ".",
        '"}',
        "'})",
        ")]",
        "</Message>",
        "\n    at handler (index.js:1)",
        ", request id: 1",
        "(Service: AmazonSQS; Status Code: 403; Error Code: AccessDenied; Request ID: 1)",
        " (Service: Sqs, Status Code: 403, Request ID: 1)",
        "\n\tstatus code: 403, request id: 1",
        " because no identity-based policy allows the sqs:receivemessage action",
    ],
)
def test_a_resource_is_whole_and_nothing_but_the_resource(whole: str, after: str) -> None:
    assert resource(whole + after) == whole


def test_a_quoted_key_keeps_its_blanks_dots_and_brackets() -> None:
    assert one(OBJECT).resource == "arn:aws:s3:::orders/2024/my file.v1 (copy).txt"


@pytest.mark.parametrize(
    "cut", ["arn:aws:sqs:eu-w", '"arn:aws:s3:::orders/my fi', "arn:aws:s3:::orders/...", "..."]
)
def test_half_a_resource_is_none(cut: str) -> None:
    assert resource(cut) is None


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("cut", [0, 3])
def test_json_in_json_is_read_whole_or_cut(layers: int, cut: int) -> None:
    text = f"{OBJECT} because no session policy allows the s3:GetObject action"
    for _ in range(layers):
        text = json.dumps({"message": text, "level": "ERROR"})
    text = text[: len(text) - cut]
    assert one(text).resource == "arn:aws:s3:::orders/2024/my file.v1 (copy).txt"
    assert one(text).policy_type == "session"


def test_a_sentence_is_found_at_any_depth_of_a_record() -> None:
    assert read_denials({"a": [1, {"b": ({"c": SENTENCE},)}], "d": None}) == (DENIAL,)


@pytest.mark.parametrize(
    "escaped",
    [
        SENTENCE.replace("/", "\\/"),
        SENTENCE.replace(" ", "\\n  ", 3),
        SENTENCE.replace("+", "\\u002B"),
        f"\x1b[31m{SENTENCE.replace('not authorized', chr(27) + '[1mnot' + chr(27) + '[0m authorized')}\x1b[0m",
        SENTENCE.replace("not authorized", "\\u001b[1mnot authorized\\u001b[0m"),
        "│ Error: " + SENTENCE.replace(" ", "\n│ "),
        SENTENCE.replace(" ", "\r\n\t "),
    ],
)
def test_escapes_colours_boxes_and_line_breaks_are_no_part_of_it(escaped: str) -> None:
    assert one(escaped) == DENIAL


def test_xml_entities_are_quotes() -> None:
    text = (
        f"<Message>{OBJECT.replace(chr(34), '&quot;')} because no identity-based policy allows it</Message>"
    )
    assert one(text).resource == "arn:aws:s3:::orders/2024/my file.v1 (copy).txt"


def test_the_sentence_wins_over_the_wrapper_and_learns_from_it_what_was_called() -> None:
    text = f"An error occurred (AccessDenied) when calling the ReceiveMessage operation: {SENTENCE}"
    assert one(text) == replace(DENIAL, operation="ReceiveMessage")


def test_an_error_with_its_own_message_is_not_the_wrapper_of_the_next_line() -> None:
    first = "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied"
    assert read_denials(f"{first}\n{SENTENCE}") == (Denial(operation="PutObject"), DENIAL)


@pytest.mark.parametrize(
    "wrapped",
    [
        f"AccessDenied: {SENTENCE}\n\tstatus code: 403, request id: 1",
        f"SqsException: {SENTENCE} (Service: Sqs, Status Code: 403, Request ID: 1)",
        f"AmazonSQSException: {SENTENCE} (Service: AmazonSQS; Status Code: 403; Error Code: AccessDenied; Request ID: 1)",
        f"AccessDeniedException: {SENTENCE}\n    at x (/node_modules/@smithy/x.js:1) {{ '$fault': 'client' }}",
        f'ErrorMetadata {{ code: Some("AccessDenied"), message: Some("{SENTENCE}"), extras: None }}',
        f"<Error><Code>AccessDenied</Code><Message>{SENTENCE}</Message></Error>",
        f"{{'Error': {{'Code': 'AccessDenied', 'Message': '{SENTENCE}'}}, 'ResponseMetadata': {{}}}}",
        json.dumps({"Error": {"Code": "AccessDenied", "Message": SENTENCE}, "ResponseMetadata": {}}),
        json.dumps({"__type": "AccessDeniedException", "Message": SENTENCE}),
        f'AccessDeniedException (client): {SENTENCE} - {{"__type":"AccessDeniedException","Message":"{SENTENCE}"}}',
        f'Resource handler returned message: "{SENTENCE} (Service: Sqs, Status Code: 403, Request ID: 1)"',
    ],
)
def test_every_sdks_wrapper_and_its_sentence_are_one_denial(wrapped: str) -> None:
    assert one(wrapped) == DENIAL


def test_a_traceback_that_repeats_a_denial_gives_it_once() -> None:
    wrapped = (
        f"ClientError: An error occurred (AccessDenied) when calling the ReceiveMessage operation: {SENTENCE}"
    )
    assert one(f"{SENTENCE}\n{wrapped}\n{wrapped}") == replace(DENIAL, operation="ReceiveMessage")


def test_several_denials_come_in_the_order_of_the_text() -> None:
    other = SENTENCE.replace("receivemessage", "sendmessage")
    assert [d.action for d in read_denials(f"{other}\n{SENTENCE}\n{other}")] == [
        "sqs:SendMessage",
        "sqs:ReceiveMessage",
    ]


def test_ec2_says_it_both_in_words_and_encoded() -> None:
    text = (
        "An error occurred (UnauthorizedOperation) when calling the RunInstances operation: You are not authorized to"
        f" perform this operation. {WHO}ec2:RunInstances on resource: arn:aws:ec2:eu-west-1:1:instance/* with an"
        " explicit deny in a service control policy. Encoded authorization failure message: Ab-c_1"
        " (Service: Ec2, Status Code: 403, Request ID: 1)"
    )
    denial = one(text)
    assert (denial.action, denial.policy_type, denial.operation) == (
        "ec2:RunInstances",
        "scp",
        "RunInstances",
    )
    assert denial.encoded


@pytest.mark.parametrize(
    "text",
    [
        "how to fix 'is not authorized to perform'",
        "how to fix 'is not authorized to perform: s3:GetObject'",
        "Docs: the phrase is not authorized to perform: s3:GetObject means a missing policy",
        "User is not authorized to access this resource",
        "User 42 is not authorized to perform: orders:Delete",
        "User: bob is not authorized to perform: events:Delete",
        "User bob is not authorized to perform this action",
        'User "system:serviceaccount:a:b" cannot get resource "pods" in API group ""',
        "User: hw is not authorized to perform: obs:bucket:ListAllMyBuckets on resource: x",
        "is authorized to perform: s3:GetObject",
        f"how to fix '{LEGACY}'",
        "If you see `is not authorized to perform: s3:GetObject` attach the policy",
        'Error from server (Forbidden): User "arn:aws:iam::1:user/x" cannot list resource "pods"',
    ],
)
def test_what_only_sounds_like_the_sentence_is_none(text: str) -> None:
    assert read_denials(text) == ()
