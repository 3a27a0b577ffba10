"""Makes `machines.csv`: a month of sensor readings of machines, and which of them broke down.

The numbers are drawn, not measured: hot, shaking, long unserviced machines break down more often,
with enough noise that no rule is perfect. The seed is fixed, so the file can be made again:

    python examples/data/make_machines.py
"""

import csv
import math
import random
from pathlib import Path

ROWS = 480
SEED = 20
COLUMNS = (
    "machine",
    "temperature_c",
    "vibration_mm_s",
    "load_percent",
    "days_in_use",
    "broke_down",
)


def main() -> None:
    """Write the file next to this script."""
    generator = random.Random(SEED)
    with Path(__file__).with_name("machines.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(1, ROWS + 1):
            writer.writerow(reading(generator, number))


def reading(generator: random.Random, number: int) -> tuple[str, float, float, float, int, int]:
    """Return one machine's row."""
    load = min(100.0, max(5.0, generator.gauss(60, 18)))
    days = int(generator.expovariate(1 / 90)) + 1
    temperature = generator.gauss(42 + 0.25 * load, 5)
    vibration = max(0.2, generator.gauss(1.6 + days / 120, 0.5))
    tendency = 0.16 * (temperature - 57) + 1.5 * (vibration - 2.4) + 0.006 * (days - 90)
    broke_down = generator.random() < 1 / (1 + math.exp(-2.2 * tendency))
    return (
        f"M{number:03d}",
        round(temperature, 1),
        round(vibration, 2),
        round(load, 1),
        days,
        int(broke_down),
    )


if __name__ == "__main__":
    main()
