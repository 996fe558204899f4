"""`make serve`: the local account with the runbook deployed, for any AWS client, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from types import FrameType

from sandbox.account import LocalAccount
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import empty, retainwise

SEEDS = {"retainwise": retainwise, "empty": empty}
PACE = 10.0
"""Simulated seconds a real second."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine, such as a bridge's")
    parser.add_argument("--port", type=int, default=4599, help="0 takes a free one")
    parser.add_argument("--seed", default="retainwise", choices=sorted(SEEDS))
    options = parser.parse_args(arguments)
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    try:
        account = LocalAccount(pace=PACE, http_host=options.host, http_port=options.port, processes=True)
        with account:
            _deploy(account, options.seed)
            print(f"ready {account.endpoint_url}", flush=True)
            account.clock.run(until=stop.is_set, limit=float("inf"))
    except (OSError, OverflowError) as error:
        where = f"{options.host}:{options.port}"
        print(f"cannot serve on {where}: {error}. Choose another with PORT= or HOST=.", file=sys.stderr)
        return 1
    print("stopped", flush=True)
    return 0


def _deploy(account: LocalAccount, name: str) -> None:
    seed = SEEDS[name]
    outputs = account.deploy(TEMPLATE, seed.PARAMETERS)
    seed.create(account)
    print(f"account {account.account_id}, region {account.region}, seed {name}", flush=True)
    for key, value in outputs.items():
        print(f"  {key:24} {value}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
