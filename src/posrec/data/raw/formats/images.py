"""Image features of Amazon 2014 (`image_features_*.b`): records of a 10-byte ASIN and 4,096 float32."""

import sys

import numpy as np
from tqdm import tqdm

from posrec.data.raw.formats.carca import check_finite
from posrec.data.raw.formats.raw import Raw
from posrec.errors import DataError

FEATURES = 4096
RECORD = np.dtype([("asin", "S10"), ("features", "<f4", (FEATURES,))])
BLOCK = 4096  # records looked at in one go: 64 MiB


def read_features(raw: Raw) -> tuple[list[str], np.ndarray] | None:
    """ASINs (I,) and their float32 features (I, 4096), memory-mapped; None where the source has no such file.

    The file is read through once to check it. Raises DataError: cut off, a bad or repeated ASIN, a number that is not
    finite.
    """
    names = [name for name in raw.files if name.endswith(".b")]
    if not names:
        return None
    path = raw.only("image features", names)
    try:
        size = path.stat().st_size
        if size == 0 or size % RECORD.itemsize:
            raise DataError(
                f"{path}: {size:,} bytes are not a whole number of records of {RECORD.itemsize:,}; fetch it again"
            )
        records = np.memmap(path, dtype=RECORD, mode="r")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); fetch it again") from None
    ids: dict[str, None] = {}
    bar = tqdm(total=len(records), desc=path.name, unit="item", leave=False, disable=not sys.stderr.isatty())
    with bar:
        for start in range(0, len(records), BLOCK):
            block = records[start : start + BLOCK]
            for place, name in enumerate(block["asin"], start + 1):
                asin = name.decode("latin-1")
                if not (len(asin) == 10 and asin.isascii() and asin.isalnum()):
                    raise DataError(f"{path}: record {place} has the ASIN {asin!r}, not ten letters and digits")
                if asin in ids:
                    raise DataError(f"{path}: record {place}: the ASIN {asin} is there twice")
                ids[asin] = None
            check_finite(path, block["features"])
            bar.update(len(block))
    return list(ids), records["features"]
