"""`make sam-local`: every function that `sam build` made, in a container, by `sam local invoke`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from runtimes import engine, incident, standin
from runtimes.engine import Engine
from runtimes.incident import Outcome, shown
from runtimes.steps import ROOT, NoEngine, NotReady, Step, built_template, left_out, steps

HOW = (
    "Install Docker, start it, and run make sam-local again: sam then fetches Lambda's own image.\n"
    "Or run it as root on Debian, where it brings up an engine of its own."
)
_INVOKE_SECONDS = 120

_NO_IMAGE = ("failed to pull it", "Error building docker image")
"""What sam says if the registry of AWS's images cannot be reached."""

_TO_NOBODY = {
    "SAM_CLI_TELEMETRY": "0",
    # sam asks STS for the number of the account. Nobody answers here, and it goes on without.
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m runtimes.samlocal", description=__doc__)
    parser.add_argument(
        "--inside", type=Path, help="for its own use: in namespaces of its own, with this folder"
    )
    options = parser.parse_args(arguments)
    try:
        every = incident.in_order(steps())
    except NotReady as reason:
        print(f"make sam-local: {reason}", file=sys.stderr)
        return 1
    try:
        if options.inside:
            with engine.ours(options.inside, options.inside / "standin.tar") as own:
                return _compare(every, own)
        if users := engine.of_the_user():
            try:
                return _compare(every, users)
            except NoEngine as reason:
                print(f"Your container engine cannot be used: {reason}", flush=True)
        return _in_an_engine_of_ours()
    except NoEngine as reason:
        print(f"\nSKIPPED sam local: {reason}\n{HOW}\n", flush=True)
        return 0 if os.environ.get("CI") else 1


def _in_an_engine_of_ours() -> int:
    begun = time.monotonic()
    engine.prepare()
    with tempfile.TemporaryDirectory(prefix="regrant-engine-") as folder:
        standin.make(Path(folder))
        print(f"{time.monotonic() - begun:.0f} s for a base image and what makes it", flush=True)
        return engine.apart([sys.executable, "-m", "runtimes.samlocal", "--inside", folder])


def _compare(every: list[Step], own: Engine) -> int:
    print(f"image: {own.image or 'the one of AWS, as sam fetches it'}", flush=True)
    expected = incident.in_process(every, 1)
    seen = _in_containers(every, own)
    wrong = incident.complaints(expected, seen)
    incident.show(wrong)
    print(
        f"{len(every)} functions by sam local invoke: "
        + (f"{len(wrong)} WRONG" if wrong else "as in this process")
    )
    if said := left_out():
        print(said)
    return 1 if wrong else 0


def _in_containers(every: list[Step], own: Engine) -> Outcome:
    """sam takes longer to load than to invoke, so the next one loads while this one works."""
    with (
        tempfile.TemporaryDirectory() as name,
        incident.account_of_the_incident(own.bind) as account,
        ExitStack() as ends,
    ):
        template = _template(Path(name), every)

        def start(step: Step) -> subprocess.Popen[str]:
            environment, _, _ = incident.variables(account, step)
            environment["AWS_ENDPOINT_URL"] = environment["AWS_ENDPOINT_URL"].replace(own.bind, own.reach)
            process = _start(step, own, environment, template)
            ends.callback(process.kill)
            return process

        later = iter([*every[1:], None])
        waiting = start(every[0])

        @contextmanager
        def runtime(step: Step) -> Iterator[Callable[[Any], Any]]:
            nonlocal waiting
            process, following = waiting, next(later)
            if following is not None:
                waiting = start(following)
            yield lambda event: _invoke(step, event, own, process)

        return incident.play(account, every, runtime, 1)


def _template(folder: Path, every: list[Step]) -> Path:
    """The built template with one variable more: sam passes on only those that a template declares."""
    template = built_template()
    template["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
    for step in every:
        template["Resources"][step.logical_id]["Properties"]["CodeUri"] = str(step.package)
    path = folder / "template.yaml"
    path.write_text(yaml.safe_dump(template, sort_keys=False))
    return path


def _start(step: Step, own: Engine, environment: dict[str, str], template: Path) -> subprocess.Popen[str]:
    """sam, which waits for the event on its stdin before it does anything."""
    variables = template.parent / f"{step.name}.json"
    variables.write_text(json.dumps({step.logical_id: environment}))
    command = [
        *(str(ROOT / ".venv-sam" / "bin" / "sam"), "local", "invoke", step.logical_id),
        *("--template", str(template), "--event", "-", "--env-vars", str(variables)),
        *("--region", environment["AWS_REGION"], "--add-host", "host.docker.internal:host-gateway"),
        *(("--invoke-image", own.image, "--skip-pull-image") if own.image else ()),
    ]
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    mine |= {key: environment[key] for key in keys} | dict(own.environment) | _TO_NOBODY
    mine["TMPDIR"] = str(template.parent)  # sam leaves a note there about the image that it built
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=template.parent, env=mine, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def _invoke(step: Step, event: Any, own: Engine, process: subprocess.Popen[str]) -> Any:
    """The payload. sam's exit status is 0 for a failed function, so the payload alone says what happened.

    A container that says nothing, or not in time, is answered for by a sentence, which is no right answer.
    """
    begun = time.monotonic()
    try:
        output, errors = process.communicate(json.dumps(event), timeout=_INVOKE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        late = f"{step.name}: no answer in {_INVOKE_SECONDS} s"
        payload: Any = f"{late}; sam was killed, exit status {process.returncode}"
    else:
        if own.image is None and any(sign in errors for sign in _NO_IMAGE):
            raise NoEngine(f"sam could not fetch Lambda's image: {errors.strip().splitlines()[-1]}")
        # Nothing on stdout is a time-out or a death, which only stderr shows.
        said = (output.strip() or errors.strip()).splitlines()
        silent = f"{step.name}: sam said nothing, exit status {process.returncode}"
        payload = _parsed(said[-1]) if said else silent
    print(f"{time.monotonic() - begun:5.1f} s  {step.name:20} {shown(payload)}", flush=True)
    return payload


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main())
