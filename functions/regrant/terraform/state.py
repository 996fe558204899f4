"""A Terraform state as it lies in its backend: JSON of format 4.

Source: hashicorp/terraform, internal/states/statefile/version4.go (stateV4, resourceStateV4,
instanceObjectStateV4). A state holds secrets: what is not asked for is passed over without being decoded, and
no error of the decoder, which may quote what it has met, leaves this module.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from regrant.terraform.ownership import TYPES, Attributes, Resource, address_of


class Unreadable(Exception):
    """It is not what it should be; the text says what, and quotes nothing of it."""


class _Instance(msgspec.Struct):
    attributes: msgspec.Raw = msgspec.Raw(b"")
    index_key: int | str | None = None
    deposed: str = ""


class _Resource(msgspec.Struct):
    mode: str
    type: str
    name: str
    instances: tuple[_Instance, ...]
    module: str = ""


class _State(msgspec.Struct):
    version: int
    resources: tuple[_Resource, ...]


_state = msgspec.json.Decoder(_State)
_attributes = msgspec.json.Decoder(Attributes)
WRONG = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a decoder raises: its own, for text that is not UTF-8, and for JSON that is nested too deep."""


def resources_of(text: bytes) -> tuple[Resource, ...]:
    """Those of the state that may have to do with a role's policies. Raises Unreadable."""
    try:
        state = _state.decode(text)
        if state.version == 4:
            return tuple(_resources(state))
    except WRONG:
        pass
    # Neither the decoder's error nor its traceback, which has the text, goes with this one.
    raise Unreadable("is not a Terraform state of format 4")


def _resources(state: _State) -> Iterator[Resource]:
    for each in state.resources:
        if each.mode != "managed" or each.type not in TYPES:
            continue
        for instance in each.instances:
            address = address_of(each.module, each.type, each.name, instance.index_key)
            attributes = _attributes.decode(instance.attributes)
            yield Resource(each.type, address, attributes, deposed=bool(instance.deposed))
