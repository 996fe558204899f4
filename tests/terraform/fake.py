"""A `terraform` on the PATH that does what a test says, and notes how it was called."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.terraform import recorded

SCRIPT = """#!{python}
import json, os, pathlib, sys, time
folder = pathlib.Path({folder!r})
with (folder / "calls.jsonl").open("a") as log:
    call = {{"argv": sys.argv[1:], "env": dict(os.environ), "files": sorted(os.listdir())}}
    log.write(json.dumps(call) + "\\n")
answers = json.loads((folder / "answers.json").read_text())
command = "state " + sys.argv[2] if sys.argv[1] == "state" else sys.argv[1]
given = answers.get(command, {{}})
if isinstance(given, list):
    number = sum(json.loads(line)["argv"][:1] == sys.argv[1:2] for line in (folder / "calls.jsonl").open())
    given = given[min(number, len(given)) - 1]
out = next((a.removeprefix("-out=") for a in sys.argv if a.startswith("-out=")), "")
if out:
    pathlib.Path(out).write_text(given.get("plan", "a plan"))
if given.get("writes"):
    pathlib.Path(given["writes"]).write_text("{{}}")
if given.get("dies"):
    os.kill(os.getpid(), given["dies"])
if "utf8" in given:
    sys.stdout.buffer.write(bytes(given["utf8"]))
sys.stdout.write(given.get("out", ""))
sys.stderr.write(given.get("err", ""))
sys.exit(given.get("rc", 0))
"""
VERSION = {"out": '{"terraform_version": "1.11.4"}'}


class Fake:
    """`answers` has for a command one answer, or one for each time it is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.hcl = folder / "infra"
        self.hcl.mkdir()
        (self.hcl / "main.tf").write_text("")
        program = self.folder / "terraform"
        program.write_text(SCRIPT.format(python=sys.executable, folder=str(self.folder)))
        program.chmod(0o755)
        self.answer()

    def answer(self, **answers: Any) -> None:
        said = {"version": VERSION} | {name.replace("_", " "): each for name, each in answers.items()}
        (self.folder / "answers.json").write_text(json.dumps(said))

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder), **more}

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def commands(self) -> list[str]:
        return [" ".join(call["argv"][: 1 + (call["argv"][0] == "state")]) for call in self.calls]


def shown(plan: recorded.Raw) -> dict[str, str]:
    return {"out": json.dumps(plan)}


def error(text: str, status: int = 1) -> dict[str, object]:
    """As Terraform draws it, the text broken into short lines."""
    return {"rc": status, "err": "╷\n" + "\n".join(f"│ {line}" for line in text.splitlines()) + "\n╵\n"}
