"""What an ARN's own parts say (IAM user guide, "Amazon Resource Names")."""

from __future__ import annotations


def is_whole(arn: str) -> bool:
    """True if all six parts are present; a truncated ARN usually fails this."""
    parts = arn.split(":", 5)
    return len(parts) == 6 and parts[0] == "arn" and all((parts[1], parts[2], parts[5]))


def is_of_account(arn: str) -> bool:
    """True if the last part alone is empty: calls that list what an account has in a Region name it so."""
    parts = arn.split(":", 5)
    return len(parts) == 6 and all(parts[:5]) and parts[0] == "arn" and parts[4].isdigit() and not parts[5]


def role_name(arn: str | None) -> str | None:
    """The role's name, from its own ARN or from that of a session; None for other principals.

    A session's ARN is `assumed-role/ROLE/SESSION`, without the path; a role's ends in `role/PATH/ROLE`.
    """
    parts = (arn or "").split(":", 5)
    if len(parts) < 6:
        return None
    kind, _, rest = parts[5].partition("/")
    if parts[2] == "sts" and kind == "assumed-role":
        return rest.split("/", 1)[0] or None
    if parts[2] == "iam" and kind == "role":
        return rest.rsplit("/", 1)[-1] or None
    return None


def partition(region: str) -> str:
    """The partition that a Region belongs to."""
    for prefix, name in (
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-iso-", "aws-iso"),
    ):
        if region.startswith(prefix):
            return name
    return "aws"
