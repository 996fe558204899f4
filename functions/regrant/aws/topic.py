"""The SNS topic that people read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from regrant.aws.clients import aws_errors
from regrant.visible import visible, visible_lines

_LINE = 998
"""Octets of a mail's line, without its end (RFC 5322, 2.1.1; RFC 5321, 4.5.3.1.6): a longer one may be broken
anywhere, or the mail refused."""


class SnsTopic:
    """Implements ports.Topic."""

    def __init__(self, sns: Any, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, subject: str, message: str) -> None:
        """Publish, plain text, with what nobody would see in it written out. A line that is too long for a
        mail goes on in the next one.

        Raises AwsUnavailable, AwsRefused (denied, no such topic, over 256 KB).
        """
        # A subject has less than 100 characters and no line breaks (API reference, Publish).
        with aws_errors():
            self._sns.publish(
                TopicArn=self._arn, Subject=visible(subject)[:99], Message=in_lines(visible_lines(message))
            )


def in_lines(message: str) -> str:
    """The message in lines that a mail may have, broken at a blank where there is one."""
    return "\n".join(part for line in message.split("\n") for part in _parts(line))


def _parts(line: str) -> Iterator[str]:
    while len(line.encode()) > _LINE:
        # Not inside a character, of which UTF-8 has up to four octets.
        fits = line.encode()[:_LINE].decode(errors="ignore")
        blank = fits.rfind(" ")
        cut = blank + 1 if blank > 0 and fits[:blank].strip() else len(fits)
        yield line[:cut].rstrip(" ") or line[:cut]
        line = line[cut:]
    yield line
