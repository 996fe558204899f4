"""What moto and botocore work out again at each request, worked out once: a simulated hour has thousands.

moto lists the addresses of a service at each request (for S3 it imports the module again), and botocore
cleans each word of its User-Agent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.useragent
from moto.core.base_backend import BaseBackend

from sandbox.engine.core import Core

_listed: dict[type, Any] = {}
_list: Any = vars(BaseBackend)["urls"].fget
_cleaned = cache(botocore.useragent.sanitize_user_agent_string_component)


def _urls(backend: BaseBackend) -> Any:
    kind = type(backend)
    if kind not in _listed:
        _listed[kind] = _list(backend)
    return _listed[kind]


def install(core: Core) -> None:
    core.patch(BaseBackend, "urls", property(_urls))
    core.patch(botocore.useragent, "sanitize_user_agent_string_component", _cleaned)
