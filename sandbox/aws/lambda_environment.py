"""A Lambda execution environment: one function's own modules, variables and output, inside this process.

Lambda Developer Guide, "Lambda execution environment". What a process has only once (sys.modules, os.environ,
stdout, the thread pool, the collector) is the function's while it runs and as it was afterwards. The clock of
its own modules is the account's.
"""

from __future__ import annotations

import concurrent.futures
import gc
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

running = threading.RLock()
"""Environments swap process-wide state, so one function runs at a time."""


class InlineExecutor(concurrent.futures.Executor):
    """Runs each piece of work as it is submitted: threads would make their calls in another order in each
    run.
    """

    def __init__(self, max_workers: int | None = None, **_: object) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class _Output(io.TextIOBase):
    """stdout and stderr of the function that runs. One for all, because loggers keep the stream they saw."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> int:
        self.lines.append(text)
        return len(text)

    def take(self) -> str:
        text, self.lines = "".join(self.lines), []
        # moto stores logs as UTF-8, which has no lone surrogates.
        return text.encode(errors="replace").decode()


output = _Output()


_read_code = SourceFileLoader.get_code


@lru_cache(maxsize=1024)
def _compiled(loader: SourceFileLoader, changed: int) -> CodeType | None:
    return _read_code(loader, loader.name)


def _code(loader: SourceFileLoader, _name: str) -> CodeType | None:
    """Each environment runs a module's code again; reading and compiling it once is enough."""
    return _compiled(loader, Path(loader.path).stat().st_mtime_ns)


class Environment:
    """One function's modules and variables."""

    _current: Environment | None = None

    def __init__(
        self,
        code: Path,
        handler: str,
        variables: dict[str, str],
        log_stream: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """clock: what `time.time()` is in its modules."""
        self.log_stream = log_stream
        self._code = code
        self._variables = variables
        self._modules: dict[str, ModuleType] = {}
        self._foreign: set[str] = set()
        module, _, name = handler.rpartition(".")
        self._own = {path.stem for path in code.iterdir() if path.is_dir() or path.suffix == ".py"}
        with self.active(), patch.object(SourceFileLoader, "get_code", _code):
            self.handle: Callable[[Any, Any], Any] = getattr(import_module(module), name)
            for each in map(sys.modules.__getitem__, self._own_loaded()):
                if vars(each).get("time") is time:
                    vars(each)["time"] = SimpleNamespace(time=clock)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, the process is this function's."""
        with running:
            self._enter()
            try:
                yield
            finally:
                self._leave()

    def _enter(self) -> None:
        Environment._current = self
        self._others = {name: sys.modules[name] for name in self._own_loaded()}
        self._before = dict(os.environ), sys.stdout, sys.stderr, concurrent.futures.ThreadPoolExecutor
        self._freeze = gc.freeze
        gc.freeze = lambda: None  # what is garbage of others would stay for good
        for name in self._others:
            del sys.modules[name]
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self._code))
        for name in [name for name in os.environ if name.startswith(("AWS_", "POWERTOOLS_"))]:
            del os.environ[name]
        os.environ.update(self._variables)
        sys.stdout = sys.stderr = output
        concurrent.futures.ThreadPoolExecutor = InlineExecutor  # type: ignore[misc,assignment]

    def _leave(self) -> None:
        variables, sys.stdout, sys.stderr, executor = self._before
        gc.freeze = self._freeze
        concurrent.futures.ThreadPoolExecutor = executor  # type: ignore[misc]
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
        sys.path.remove(str(self._code))
        self._modules = {name: sys.modules[name] for name in self._own_loaded()}
        for name in self._modules:
            del sys.modules[name]
        sys.modules.update(self._others)
        Environment._current = None

    def _own_loaded(self) -> list[str]:
        """The modules with its names. There are thousands of others, each is looked at only once."""
        unknown = sys.modules.keys() - self._foreign
        own = [name for name in unknown if name.partition(".")[0] in self._own]
        self._foreign.update(unknown.difference(own))
        return own


def inside() -> bool:
    """Whether the calling thread is running a function."""
    owned: bool = running._is_owned()  # type: ignore[attr-defined]  # RLock has no public way to ask
    return owned and Environment._current is not None


@contextmanager
def standing_still() -> Iterator[None]:
    """Within, the function that runs stands still, and other participants of this thread may run theirs."""
    current = Environment._current
    assert current is not None
    current._leave()
    try:
        yield
    finally:
        current._enter()
