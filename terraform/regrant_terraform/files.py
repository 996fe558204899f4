"""The two files that Regrant writes into the owner's directory. Nobody else's is overwritten."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from regrant_terraform.config import State
from regrant_terraform.errors import Refused

BACKEND, IMPORTS = "regrant_backend.tf", "regrant_imports.tf"
_WROTE = "# Regrant wrote this file"
_BACKEND_MARK = (
    f"{_WROTE}: make handover-prepare writes it again. The state's place and lock are in here only.\n"
)
_IMPORTS_MARK = f"{_WROTE} for one import, and removes it after it.\n"
# The whole text, and not the mark alone: what somebody has added is theirs.
_OURS = {
    BACKEND: re.compile(
        re.escape(_BACKEND_MARK)
        + r'terraform \{\n  backend "s3" \{\n(?:    [a-z0-9_]+ += [^\n{}]+\n)+  \}\n\}\n'
    ),
    IMPORTS: re.compile(re.escape(_IMPORTS_MARK) + r"(?:import \{\n  to = [^\n]+\n  id = [^\n]+\n\}\n)*"),
}


def backend_text(state: State, region: str) -> str:
    """Each argument on a line of its own. Exactly one lock: see State."""
    lock = f"dynamodb_table = {_quoted(state.table)}" if state.table else "use_lockfile   = true"
    lines = [
        f"bucket         = {_quoted(state.bucket)}",
        f"key            = {_quoted(state.key)}",
        f"region         = {_quoted(region)}",
        "encrypt        = true",
        lock,
    ]
    inside = "".join(f"    {line}\n" for line in lines)
    return f'{_BACKEND_MARK}terraform {{\n  backend "s3" {{\n{inside}  }}\n}}\n'


def imports_text(imports: Mapping[str, str]) -> str:
    blocks = (f"import {{\n  to = {to}\n  id = {_quoted(id_)}\n}}\n" for to, id_ in imports.items())
    return _IMPORTS_MARK + "".join(blocks)


def _quoted(text: str) -> str:
    """A string of HCL is one of JSON, except that ${ and %{ begin a template in it."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def write(directory: Path, name: str, text: str) -> None:
    """Raises Refused FILE_NOT_OURS."""
    file = directory / name
    if file.is_symlink() or file.exists():
        _must_be_ours(file)
    _replace(file, text)


def _must_be_ours(file: Path) -> None:
    """What a kill has cut off in the middle is not taken for somebody's: it is written beside and renamed."""
    ours = (
        file.is_file()
        and not file.is_symlink()
        and _OURS[file.name].fullmatch(file.read_text("utf-8", "replace"))
    )
    if not ours:
        raise Refused("FILE_NOT_OURS", f"{file.name} is there already, and is not as Regrant writes it")


def _replace(file: Path, text: str) -> None:
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    beside.replace(file)


def remove_stale_imports(directory: Path) -> bool:
    """What an import that was killed has left. Raises Refused FILE_NOT_OURS for a file of somebody else's."""
    file = directory / IMPORTS
    if not (file.is_symlink() or file.exists()):
        return False
    _must_be_ours(file)
    file.unlink()
    return True


@contextmanager
def imports_file(directory: Path, imports: Mapping[str, str]) -> Iterator[None]:
    write(directory, IMPORTS, imports_text(imports))
    try:
        yield
    finally:
        (directory / IMPORTS).unlink(missing_ok=True)
