"""What one switch of the released code does: protocols of a study that differ in that switch alone, paired by seed.

Each effect is judged by the one rule (`tables.duels`). Whether a switch makes or unmakes the lead of an encoding is an
interaction: the lead with the switch released minus the lead with it sound.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from posrec.analysis.stats.interactions import CHANGES
from posrec.analysis.tables import duels
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.duels import Duel, Found, spread_columns
from posrec.analysis.tables.load import IDENTITY, PRIMARY, Inputs
from posrec.study.protocols import single_switches

METRICS = ("sampled_hit10", PRIMARY)  # the paper's metric, and ours
BOUND = "95 % bound that holds for all effects on the metric together (max-T quantile, allowance for skewness)"
RATIO = "95 % bound of this ratio for this comparison alone (permutations, from six healthy pairs on)"
LEAD = "95 % bound of this difference that holds for all of the metric together"
COLUMNS = {
    **{name: IDENTITY[name] for name in ("dataset", "settings", "encoding")},
    "switch": "switch of the released code (docs/reference/released-code.md)",
    "others": "the preset that all other switches come from: sound or released",
    "metric": "sampled_hit10 or full_ndcg10",
    "pairs": "seeds with a healthy run with the switch sound and with it released",
    "sound_mean_points": "mean of the healthy runs with the switch sound",
    "effect_points": "mean over the pairs with the switch released, minus that with the switch sound",
    "effect_low_points": f"lower {BOUND}",
    "effect_high_points": f"upper {BOUND}",
    "margin_points": "the smallest effect that matters (report.margin, of the mean of none with the switch sound)",
    "effect": "raises, lowers or leaves: the interval is beyond the margin, or within it; else open",
    "why": "what withheld a clearer word, or decided in place of the scores",
    "p": "two-sided p of no effect: max-T over all effects on the metric, step-down, the seed as block",
    "smallest_p": "smallest p that so many seeds can reach",
    "tests": "number of these effects",
    "spread_ratio": "spread over seeds (mean distance to the median, healthy runs) released divided by that sound",
    "spread_ratio_low": f"lower {RATIO}",
    "spread_ratio_high": f"upper {RATIO}",
    "spread": "steadier, less steady or alike with the switch released, by intervals that hold for the family; else "
    "open",
    "spread_why": "what withheld a clearer word",
    "spread_p": "two-sided p of equal spreads by the same permutations, after Sidak; paired where both sides score the "
    "same trainings",
    "lead_change_points": "lead over none with the switch released minus that with it sound",
    "lead_change_low_points": f"lower {LEAD}",
    "lead_change_high_points": f"upper {LEAD}",
    "lead_change_p": "two-sided p of no change of the lead: max-T over all of the metric",
    "lead_change": "raises, lowers or leaves the lead of the encoding over none; else open",
}


def build(tables: Tables) -> pd.DataFrame:
    """One row per switch, cell and metric; columns: COLUMNS.

    The effect is released minus sound; all other switches are as in the preset that the pair starts from. The effects
    on a metric are one family, the changes of leads another. The table is empty without stability
    (report.stability: false).
    """
    inputs = tables.inputs
    rows = [row for metric in METRICS for row in _metric_rows(inputs, metric)] if inputs.spread else []
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(("pairs", "tests"), "Int64"))


def _metric_rows(inputs: Inputs, metric: str) -> list[dict[str, Any]]:
    of = duels.design(inputs.study.settings)
    turned = list(_turned(inputs, metric))
    compared = [duel for _, duel, _ in turned]
    found = zip(duels.levels(compared, of), duels.spread_ratios(compared, of), strict=True)
    rows = [
        {**names, "metric": metric, **_effect(level, duel), **spread_columns(spread)}
        for (names, duel, _), (level, spread) in zip(turned, found, strict=True)
    ]
    with_lead = [(row, lead) for row, (_, _, lead) in zip(rows, turned, strict=True) if lead is not None]
    for (row, _), change in zip(with_lead, duels.levels([lead for _, lead in with_lead], of), strict=True):
        row |= _change(change)
    return rows


def _turned(inputs: Inputs, metric: str) -> Iterator[tuple[dict[str, Any], Duel, Duel | None]]:
    """For each switch and cell: its names, released against sound, and the lead of the one against that of the other.

    Comparisons of one data set and settings are a block: they share their seeds.
    """
    of = duels.design(inputs.study.settings)
    runs = inputs.runs[inputs.runs["role"] == "scoring"]
    by_cell = runs.groupby(["protocol", "dataset", "settings", "encoding"], sort=False)
    sides = {tuple(map(str, key)): duels.side(group, metric, f"{key[3]} under {key[0]}") for key, group in by_cell}
    for switch, others, sound, released in single_switches(inputs.study.protocols):
        for (protocol, *block, encoding), own in sides.items():
            other = sides.get((released.name, *block, encoding))
            if protocol != sound.name or other is None:
                continue
            off, on = (sides.get((name, *block, "none")) for name in (sound.name, released.name))
            place, margin = tuple(block), duels.margin_of(off or own, of.margin)
            lead = None
            if off is not None and on is not None and encoding != "none":
                lead = Duel(place, duels.lead(other, on), duels.lead(own, off), margin, contrast=True)
            names = {"dataset": block[0], "settings": block[1], "encoding": encoding}
            yield {**names, "switch": switch, "others": others}, Duel(place, other, own, margin), lead


def _effect(found: Found, duel: Duel) -> dict[str, Any]:
    sound = duel.second.scores
    return {
        "pairs": found.pairs,
        "sound_mean_points": float(sound.mean()) if len(sound) else None,
        "effect_points": found.estimate,
        "effect_low_points": found.low,
        "effect_high_points": found.high,
        "margin_points": duel.margin,
        "effect": CHANGES.get(found.word, "open"),
        "why": found.why,
        "p": found.p,
        "smallest_p": found.smallest_p if found.pairs else None,
        "tests": found.comparisons,
    }


def _change(found: Found) -> dict[str, Any]:
    return {
        "lead_change_points": found.estimate,
        "lead_change_low_points": found.low,
        "lead_change_high_points": found.high,
        "lead_change_p": found.p,
        "lead_change": CHANGES.get(found.word, "open"),
    }
