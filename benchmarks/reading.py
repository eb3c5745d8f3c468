"""What to read of the model and its training, in order, with the lines of each file."""

from pathlib import Path

import posrec.model

FIRST = ("equations.py", "carca.py", "attention.py", "encodings/interface.py")  # these are the model
REST = ("inputs.py", "batches.py", "losses.py", "streams.py", "train.py", "ops/plain.py")
FOLDER = Path(posrec.model.__file__).parent


def lines(files: tuple[str, ...] = FIRST + REST) -> dict[str, int]:
    """Number of lines of each file, in the order in which they are best read."""
    return {name: len((FOLDER / name).read_text(encoding="utf-8").splitlines()) for name in files}


def main() -> None:
    """Print the list as a table."""
    print("| file of src/posrec/model/ | lines | so far |\n| --- | ---: | ---: |")
    total = 0
    for name, count in lines().items():
        total += count
        print(f"| {name} | {count} | {total} |")


if __name__ == "__main__":
    main()
