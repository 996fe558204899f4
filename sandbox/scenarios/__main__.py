"""`make scenarios`: each scenario's name, and what happens in it."""

from __future__ import annotations

from sandbox.scenarios.scenarios import SCENARIOS


def main() -> None:
    width = max(map(len, SCENARIOS))
    for scenario in SCENARIOS.values():
        print(f"{scenario.name:{width}}  {scenario.story}")


if __name__ == "__main__":
    main()
