"""The collector, in a process that runs hundreds of tests one after the other.

It looks at all that lives, each time: at what was imported, for nothing. And functions freeze what they have
loaded when they start, as Lambda's environments do once; here that would keep every test's garbage for good.
"""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.freeze = lambda: None
    gc.set_threshold(20_000, 10, 10)
