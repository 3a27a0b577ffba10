"""Trains a small model that says which machines will break down. Needs nothing but Python.

Logistic regression by gradient descent on `machines.csv`. It takes its parameters from the
arguments, or from RUNBUS_PARAMETERS, where runbus puts what stands under `parameters` in the run
document; it prints a line per epoch, and at the end writes and prints its result as JSON.

    python examples/train.py --data examples/data/machines.csv --epochs 20
"""

import argparse
import csv
import json
import math
import os
import random
import sys
import time
from pathlib import Path

FEATURES = ("temperature_c", "vibration_mm_s", "load_percent", "days_in_use")
TARGET = "broke_down"
SEED = 7
TEST_SHARE = 0.25

Row = list[float]


def main() -> int:
    """Train, say how it goes, and write the result."""
    options = parse_options()
    rows, labels = read_data(options.data)
    train_rows, train_labels, test_rows, test_labels = split(rows, labels)
    centres, widths = scales(train_rows)
    train_rows = [scaled(row, centres, widths) for row in train_rows]
    test_rows = [scaled(row, centres, widths) for row in test_rows]
    print(f"training on {len(train_rows)} machines, testing on {len(test_rows)}", flush=True)

    weights = [0.0] * (len(FEATURES) + 1)
    loss, accuracy = 0.0, 0.0
    for epoch in range(1, options.epochs + 1):
        weights = improved(weights, train_rows, train_labels, options.learning_rate)
        loss = mean_loss(weights, test_rows, test_labels)
        accuracy = share_right(weights, test_rows, test_labels)
        progress = f"epoch {epoch}/{options.epochs}  loss {loss:.4f}  accuracy {accuracy:.3f}"
        print(progress, flush=True)
        time.sleep(options.pause)

    result = {
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "loss": round(loss, 4),
        "accuracy": round(accuracy, 3),
        "weights": {
            name: round(each, 3) for name, each in zip(("bias", *FEATURES), weights, strict=True)
        },
    }
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
        print(f"wrote {options.out.name}")
    print(json.dumps(result), flush=True)
    return 0


def parse_options() -> argparse.Namespace:
    """Return the options; RUNBUS_PARAMETERS gives the defaults."""
    given = json.loads(os.environ.get("RUNBUS_PARAMETERS") or "{}")
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, default=Path(__file__).parent / "data" / "machines.csv")
    add("--epochs", type=int, default=given.get("epochs", 20), help="passes over the data")
    add("--learning-rate", type=float, default=given.get("learning_rate", 0.5))
    add("--pause", type=float, default=given.get("pause", 0.0), help="seconds after an epoch")
    add("--out", type=Path, help="file for the result")
    return parser.parse_args()


def read_data(path: Path) -> tuple[list[Row], list[int]]:
    """Return the features of each machine, and whether it broke down."""
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    rows = [[float(line[name]) for name in FEATURES] for line in lines]
    return rows, [int(line[TARGET]) for line in lines]


def split(rows: list[Row], labels: list[int]) -> tuple[list[Row], list[int], list[Row], list[int]]:
    """Return rows and labels to train on, and those to test on."""
    order = list(range(len(rows)))
    random.Random(SEED).shuffle(order)
    cut = int(len(order) * TEST_SHARE)
    test, train = order[:cut], order[cut:]
    return (
        [rows[i] for i in train],
        [labels[i] for i in train],
        [rows[i] for i in test],
        [labels[i] for i in test],
    )


def scales(rows: list[Row]) -> tuple[Row, Row]:
    """Return mean and standard deviation of each feature."""
    columns = list(zip(*rows, strict=True))
    means = [sum(column) / len(column) for column in columns]
    widths = [
        math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)) or 1.0
        for column, mean in zip(columns, means, strict=True)
    ]
    return means, widths


def scaled(row: Row, centres: Row, widths: Row) -> Row:
    """Return a row with each feature around 0 and of the same size, after a 1 for the bias."""
    return [
        1.0,
        *((value - mid) / width for value, mid, width in zip(row, centres, widths, strict=True)),
    ]


def probability(weights: Row, row: Row) -> float:
    """Return how likely the machine of a row breaks down."""
    total = sum(weight * value for weight, value in zip(weights, row, strict=True))
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))


def improved(weights: Row, rows: list[Row], labels: list[int], rate: float) -> Row:
    """Return the weights after one step down the gradient of the mean loss."""
    errors = [probability(weights, row) - label for row, label in zip(rows, labels, strict=True)]
    gradient = [
        sum(error * row[i] for error, row in zip(errors, rows, strict=True)) / len(rows)
        for i in range(len(weights))
    ]
    return [weight - rate * slope for weight, slope in zip(weights, gradient, strict=True)]


def mean_loss(weights: Row, rows: list[Row], labels: list[int]) -> float:
    """Return the mean cross entropy."""
    tiny = 1e-12
    chances = [probability(weights, row) for row in rows]
    given = [chance if label else 1 - chance for chance, label in zip(chances, labels, strict=True)]
    return -sum(math.log(max(tiny, each)) for each in given) / len(rows)


def share_right(weights: Row, rows: list[Row], labels: list[int]) -> float:
    """Return the share of machines that are judged rightly."""
    chances = [probability(weights, row) for row in rows]
    judged = [(each >= 0.5) == bool(label) for each, label in zip(chances, labels, strict=True)]
    return sum(judged) / len(rows)


if __name__ == "__main__":
    sys.exit(main())
