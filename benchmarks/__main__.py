"""Run every measurement: `python -m benchmarks`, or those named: `python -m benchmarks coverage`."""

import importlib
import sys

MEASUREMENTS = (
    "bfloat16",
    "coverage",
    "encodings",
    "equivalence",
    "gpu",
    "planning",
    "planted",
    "planted_gaps",
    "published",
    "reading",
    "scale",
    "speed",
    "strength",
    "tiny",
    "verdicts",
)


def main(names: list[str]) -> int:
    """Run the measurements of these names; all of them for none."""
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        print(f"benchmarks: '{unknown[0]}' does not exist; known: {', '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    for name in names or MEASUREMENTS:
        print(f"{name} ...", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
