"""The model: a logistic function over features of a customer, read from a JSON file."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SHIPPED = Path(__file__).with_name("churn-model.json")


class ModelNotFound(Exception):
    """The model file is not in the image."""


@dataclass(frozen=True)
class Model:
    intercept: float
    weights: dict[str, float]

    def score(self, customer: dict[str, str]) -> float:
        """Probability that the customer leaves, 0 to 1."""
        z = self.intercept + sum(weight * float(customer[name]) for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-z))


def load(path: str | None) -> Model:
    file = Path(path) if path else SHIPPED
    if not file.is_file():
        raise ModelNotFound(f"model file not found: {file}")
    content = json.loads(file.read_text())
    return Model(content["intercept"], content["weights"])


def read_customers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def write_customers(rows: Iterable[dict[str, str]]) -> str:
    rows = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
