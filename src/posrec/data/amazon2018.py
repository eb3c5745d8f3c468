"""The format `amazon2018`: gzipped JSON lines of reviews and of the items' meta data (Ni et al., EMNLP 2019)."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec.data.text import BadLineError, check_id, check_time, read_lines, review_table
from posrec.errors import DataError

PRICE = re.compile(r"\$\s*([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)?")
PRICE_BINS = 10


def read_reviews(folder: Path, files: Collection[str]) -> pd.DataFrame:
    """Reviews (keys reviewerID, asin, unixReviewTime) in the order of the file. Raises DataError."""
    path = folder / _only([file for file in files if not file.startswith("meta")], folder, "reviews")
    return review_table(path, _reviews(path))


def read_attributes(folder: Path, files: Collection[str], items: Collection[str]) -> dict[str, list[str]]:
    """Attributes of `items`: each category, brand=<name>, and price=<bin>, deciles of the prices of `items`.

    An item without meta data has none; its first line counts; text that is not one price, such as a range, is no price.
    Raises DataError.
    """
    meta_files = [file for file in files if file.startswith("meta")]
    if not meta_files:
        return {}
    attributes: dict[str, list[str]] = {}
    prices: dict[str, float] = {}
    for item, names, price in _items(folder / _only(meta_files, folder, "meta data")):
        if item in items and item not in attributes:
            attributes[item] = names
            if price is not None:
                prices[item] = price
    for item, price_bin in zip(prices, price_bins(list(prices.values())), strict=True):
        attributes[item].append(f"price={price_bin}")
    return attributes


def price_bins(prices: list[float]) -> list[int]:
    """The decile (0 to 9) of each price among all of them; equal prices share one."""
    if not prices:
        return []
    edges = np.quantile(prices, np.arange(1, PRICE_BINS) / PRICE_BINS)
    bins: list[int] = np.searchsorted(edges, prices, side="right").tolist()
    return bins


def read_price(text: str) -> float | None:
    """The price in dollars of a text such as "$1,299.00"; None where it is anything else."""
    match = PRICE.fullmatch(text.strip())
    return float((match[1] + (match[2] or "")).replace(",", "")) if match else None


def _only(files: list[str], folder: Path, what: str) -> str:
    if len(files) != 1:
        raise DataError(
            f"{folder}: the source needs exactly one file of {what}, it lists {len(files)}: {', '.join(files)}"
        )
    return files[0]


def _reject_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    decoder = json.JSONDecoder(parse_constant=_reject_constant)
    for number, line in read_lines(path):
        try:
            record = decoder.decode(line)
        except (ValueError, RecursionError) as error:
            raise BadLineError(path, number, f"not valid JSON ({error})") from None
        if not isinstance(record, dict):
            raise BadLineError(path, number, "not a JSON object")
        yield number, record


def _value(path: Path, number: int, record: dict[str, Any], key: str) -> Any:
    if key not in record:
        raise BadLineError(path, number, f"the key {key} is missing")
    return record[key]


def _reviews(path: Path) -> Iterator[tuple[str, str, int]]:
    for number, record in _records(path):
        user, item, time = (_value(path, number, record, key) for key in ("reviewerID", "asin", "unixReviewTime"))
        yield (
            check_id(path, number, "reviewerID", user),
            check_id(path, number, "asin", item),
            check_time(path, number, "unixReviewTime", time),
        )


def _items(path: Path) -> Iterator[tuple[str, list[str], float | None]]:
    for number, record in _records(path):
        item = check_id(path, number, "asin", _value(path, number, record, "asin"))
        categories = record.get("category") or []
        if not isinstance(categories, list) or not all(isinstance(entry, str) for entry in categories):
            raise BadLineError(path, number, "category is not a list of texts")
        brand, price = (_text(path, number, record, key) for key in ("brand", "price"))
        names = {entry.strip() for entry in categories if "</" not in entry}  # the crawl left closing tags among them
        yield item, sorted((names | ({f"brand={brand}"} if brand else set())) - {""}), read_price(price)


def _text(path: Path, number: int, record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise BadLineError(path, number, f"{key} is {value!r}, not a text")
    return (value or "").strip()
