"""What a setting does to the leads of the encodings: pairs of settings that differ in one value alone, paired by seed.

That an encoding is ahead of `none` with one value and open with the other says nothing of the setting: the difference
of the two leads does. A seed gives both the same initial trunk and order of the data, where the setting leaves them.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from posrec.analysis.stats.interactions import CHANGES
from posrec.analysis.tables import duels
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.duels import Duel, Found, Side
from posrec.analysis.tables.load import IDENTITY, PRIMARY, Inputs
from posrec.analysis.tables.reading import MOST_ROWS, Row, Shown, between, number
from posrec.study.variation import format_setting, settings_label, settings_of, varied_settings

BOUND = "bound that holds for all changes of the setting together (max-T quantile, allowance for skewness)"
COLUMNS = {
    **{name: IDENTITY[name] for name in ("dataset", "protocol", "encoding")},
    "setting": "the setting whose two values are compared",
    "value": "its value",
    "against": "the value that it is compared with, the first of the two in the study",
    "others": "all other settings that vary, the same on both sides",
    "pairs": "seeds with a healthy run of the encoding and of none, with both values",
    "lead_points": "lead over none with the value: mean of full NDCG@10 over these seeds",
    "lead_against_points": "lead over none with the other value",
    "change_points": "the first lead minus the second",
    "change_low_points": f"lower {BOUND}",
    "change_high_points": f"upper {BOUND}",
    "margin_points": "the smallest change that matters (report.margin, of the mean of none with the other value)",
    "change": "raises, lowers or leaves the lead: the interval is beyond the margin, or within it; else open",
    "why": "what withheld a clearer word, or decided in place of the scores",
    "p": "two-sided p of no change: max-T over the changes of the setting, step-down; empty in a study with looks",
    "comparisons": "how many these are",
}
Cells = dict[tuple[str, str, str, str], Side]  # protocol, data set, settings, encoding
Named = tuple[dict[str, Any], Duel]


def build(tables: Tables) -> pd.DataFrame:
    """One row per encoding and pair of values, each setting a family; columns: COLUMNS. Empty without stability."""
    inputs = tables.inputs
    of = duels.design(inputs.study.settings)
    families: dict[str, list[Named]] = {}
    for names, duel in _pairs(inputs) if inputs.spread else ():
        families.setdefault(f"{names['protocol']} {names['setting']}", []).append((names, duel))
    rows = [
        {**names, **_change(duel, found)}
        for family in families.values()
        for (names, duel), found in zip(family, duels.levels([duel for _, duel in family], of), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(("pairs", "comparisons"), "Int64"))


def _pairs(inputs: Inputs) -> Iterator[Named]:
    """The lead of each encoding with one value against that with an earlier one; settings and data set are a block."""
    of = duels.design(inputs.study.settings)
    runs = inputs.runs[inputs.runs["role"] == "scoring"]
    grouped = runs.groupby(["protocol", "dataset", "settings", "encoding"], sort=False)
    cells: Cells = {_key(key): duels.side(own, PRIMARY) for key, own in grouped}
    for setting, others, value, against, labels in _differing(inputs):
        for (protocol, dataset, label, encoding), first in cells.items():
            both = [cells.get((protocol, dataset, each, "none")) for each in labels]
            second = cells.get((protocol, dataset, labels[1], encoding))
            if label != labels[0] or encoding == "none" or second is None or both[0] is None or both[1] is None:
                continue
            lead = duels.lead(first, both[0], f"{encoding} with {value}")
            other = duels.lead(second, both[1], f"{encoding} with {against}")
            names = {"dataset": dataset, "protocol": protocol, "encoding": encoding, "setting": setting}
            margin = duels.margin_of(both[1], of.margin)
            yield (
                names | {"value": value, "against": against, "others": others},
                Duel((protocol, dataset, setting), lead, other, margin, contrast=True),
            )


def _key(key: Any) -> tuple[str, str, str, str]:
    protocol, dataset, settings, encoding = map(str, key)
    return protocol, dataset, settings, encoding


def _differing(inputs: Inputs) -> Iterator[tuple[str, str, str, str, tuple[str, str]]]:
    """Settings that differ in one value alone: its name, the others, both values, both labels; the later one first."""
    cells = inputs.study.cells
    varied = varied_settings(cells)
    labels = {settings_label(cell, varied): settings_of(cell) for cell in cells}
    for place, (later, values) in enumerate(labels.items()):
        for earlier, known in list(labels.items())[:place]:
            differ = [name for name in varied if values[name] != known[name]]
            if len(differ) == 1:
                name = differ[0]
                rest = ", ".join(f"{one}={format_setting(values[one])}" for one in varied if one != name)
                yield name, rest, format_setting(values[name]), format_setting(known[name]), (later, earlier)


def _change(duel: Duel, found: Found) -> dict[str, Any]:
    common = duel.first.scores.index.intersection(duel.second.scores.index)
    leads = (float(side.scores.loc[common].mean()) if len(common) else None for side in (duel.first, duel.second))
    return {
        **dict(zip(("lead_points", "lead_against_points"), leads, strict=True)),
        "pairs": found.pairs,
        "change_points": found.estimate,
        "change_low_points": found.low,
        "change_high_points": found.high,
        "margin_points": duel.margin,
        "change": CHANGES.get(found.word, "open"),
        "why": found.why,
        "p": found.p,
        "comparisons": found.comparisons,
    }


def shown(tables: Tables) -> Shown:
    """Both leads, and the change with its word."""
    header = (
        "data set",
        "protocol",
        "encoding",
        "setting",
        "value",
        "against",
        "others",
        "seeds",
        "lead",
        "lead there",
    )
    rows = tables["interactions"].head(MOST_ROWS)
    return (*header, "change", "margin", "word", "why"), tuple(_row(row, tables) for _, row in rows.iterrows())


def _row(row: Row, tables: Tables) -> tuple[str, ...]:
    change = between(row["change_low_points"], row["change_high_points"])
    return (
        tables.inputs.label(row["dataset"]),
        *(str(row[name]) for name in ("protocol", "encoding", "setting", "value", "against", "others", "pairs")),
        *(number(row[name]) for name in ("lead_points", "lead_against_points")),
        f"{number(row['change_points'])} {change}".strip(),
        f"±{number(row['margin_points'])}",
        row["change"],
        row["why"],
    )
