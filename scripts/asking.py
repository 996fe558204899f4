"""Questions to a deployed stack, and what a person can do where AWS gives no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError
from botocore.exceptions import ConnectionError as ConnectionFailed

LOCAL = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
"""The environment for the local account, which takes any key for its administrator's."""


class Unasked(Exception):
    """The stack could not be asked. The text says what to do."""


@contextmanager
def asking(advice: Callable[[ClientError], str]) -> Iterator[None]:
    """What goes wrong inside raises Unasked; `advice` says what to do about what AWS refuses."""
    try:
        yield
    except NoRegionError as error:
        raise Unasked("No Region: set AWS_DEFAULT_REGION to that of the stack.") from error
    except ConnectionFailed as error:
        raise Unasked(f"{error} Is make serve running, and PORT= or AWS_ENDPOINT_URL right?") from error
    except BotoCoreError as error:
        raise Unasked(f"{error}. Log in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret.") from error
    except ClientError as error:
        raise Unasked(advice(error)) from error
