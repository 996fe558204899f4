"""A Terraform state as it lies in its backend: JSON of format 4.

Source: hashicorp/terraform, internal/states/statefile/version4.go (stateV4, resourceStateV4,
instanceObjectStateV4). A state holds secrets: what is not asked for is passed over without being decoded, and
no error of the decoder, which may quote what it has met, leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from regrant.terraform.ownership import TYPES, Attributes, Resource, address_of


class Unreadable(Exception):
    """It is not what it should be; the text says what, and quotes nothing of it."""


MOST = 10_000
"""Instances of these resources in a state that are looked at. Whoever may write it may make it out of
nothing but instances, and a function's memory is not for that."""


class _Instance(msgspec.Struct, gc=False):
    attributes: msgspec.Raw
    index_key: int | str | None = None
    deposed: str = ""


class _Resource(msgspec.Struct, gc=False):
    mode: str
    type: str
    name: str
    instances: msgspec.Raw
    module: str = ""


class _State(msgspec.Struct, gc=False):
    version: int
    resources: tuple[_Resource, ...]


_state = msgspec.json.Decoder(_State)
_instances = msgspec.json.Decoder(tuple[_Instance, ...])
_attributes = msgspec.json.Decoder(Attributes)
WRONG = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a decoder raises: its own, for text that is not UTF-8, and for JSON that is nested too deep."""


def resources_of(text: bytes) -> tuple[Resource, ...]:
    """Those of the state that may have to do with a role's policies. Raises Unreadable."""
    try:
        state = _state.decode(text)
        found = tuple(islice(_resources(state), MOST + 1)) if state.version == 4 else None
    except WRONG:
        found = None
    # Neither the decoder's error nor its traceback, which has the text, goes with these.
    if found is None:
        raise Unreadable("is not a Terraform state of format 4")
    if len(found) > MOST:
        raise Unreadable(f"has more than {MOST:,} roles and attachments")
    return found


def _resources(state: _State) -> Iterator[Resource]:
    for each in state.resources:
        if each.mode != "managed" or each.type not in TYPES:
            continue
        for instance in _instances.decode(each.instances):
            address = address_of(each.module, each.type, each.name, instance.index_key)
            attributes = _attributes.decode(instance.attributes)
            yield Resource(each.type, address, attributes, deposed=bool(instance.deposed))
