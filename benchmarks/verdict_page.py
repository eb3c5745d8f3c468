"""The page of benchmarks.verdicts: the worst share of each rule over shapes and seeds, and what is found."""

from pathlib import Path

import pandas as pd

RULES_CSV = Path(__file__).parents[1] / "docs/measured/rules-coverage.csv"
HEAD = """# How often the verdicts err

Written by `python -m benchmarks verdicts`; don't edit. Made-up results with a known truth, judged by the code that
judges a study (`analysis/tables/duels.py`, `analysis/claims/`). Each row below is the worst case over all shapes and
numbers of seeds; [verdicts-coverage.csv](verdicts-coverage.csv) has every case with its number of studies. A rule may
be wrong in 5 % of studies, an interval must hold in 93 %. The statistics one by one:
[rules-coverage.csv](rules-coverage.csv).

- **Levels and spreads at the margin**: four encodings against `none`, a family of four. True differences are 0.98 and
  1.02 times the margin, so that every word is a mistake that is as easy to make as it can be. A study counts as wrong
  if any comparison of its family is. The margin of a level is half a standard deviation of the scores, that of a ratio
  of spreads is 1.5.
- **Shapes**: normal, t with 4 degrees of freedom, exponential, lognormal; encodings that share half of the variance of
  a seed; encodings of two shapes; 2, 5 or 15 % of runs at chance, 15 % failed; an encoding that lacks a third of the
  seeds; two data sets whose scores correlate by 0.9. With 3, 5, 6, 10, 20 and 30 seeds (spreads from 6 on, since with
  fewer no interval is shown).
- **Claims**: five encodings on two data sets, whole tables of runs. What a claim says holds by just less than the
  margin, or its opposite does, or nothing differs.
- Spreads are those of healthy runs. That an encoding collapses in a few percent of its runs is a rate, compared with
  `report.margin.rate` (15 points); a rarer collapse doesn't make *steadier* wrong.
"""


def page(table: pd.DataFrame, planned: int) -> str:
    """The page, from the rows of the table; planned: cases (truth, shape and number of seeds) of a whole run."""
    judged = table[table["bound"] != ""]
    cases = len(table[["truth", "shape", "n"]].drop_duplicates())
    said = f"The table has {cases} of {planned} cases; `python -m benchmarks verdicts` simulates the rest.\n"
    parts = [
        HEAD,
        *([said] if cases < planned else []),
        "## Wrong words and verdicts\n",
        _worst(judged[judged["bound"].str.startswith("<=")], True),
    ]
    parts += ["\n## Intervals\n", _worst(judged[judged["bound"].str.startswith(">=")], False)]
    parts += ["\n## What is found\n", _found(table[table["bound"] == ""]), "\n## Seeds that looks save\n", _looks()]
    return "\n".join(parts) + "\n"


def _worst(rows: pd.DataFrame, highest: bool) -> str:
    """A line a rule and truth: its worst share, where, and how many cases there are."""
    lines = ["| rule | truth | worst share | of | shape | n | cases |", "|---|---|---|---|---|---|---|"]
    for (rule, truth), cases in rows.groupby(["rule", "truth"], sort=False):
        worst = cases.sort_values("share", ascending=not highest, kind="stable").iloc[0]
        lines.append(
            f"| {rule} | {truth} | {100 * worst['share']:.1f} % | {worst['studies']} | {worst['shape']} | {worst['n']} "
            f"| {len(cases)} |"
        )
    return "\n".join(lines)


def _found(rows: pd.DataFrame) -> str:
    lines = ["| rule | truth | shape | n | found |", "|---|---|---|---|---|"]
    for _, row in rows.iterrows():
        lines.append(f"| {row['rule']} | {row['truth']} | {row['shape']} | {row['n']} | {100 * row['share']:.0f} % |")
    return "\n".join(lines)


def _looks() -> str:
    """Seeds until a comparison is decided against the 25 of the fixed design, by effect size, from rules-coverage."""
    table = pd.read_csv(RULES_CSV, keep_default_na=False)
    looks = table[table["what"].str.startswith("looks: ") & table["shape"].str.startswith("normal, effect")]
    wide = looks.pivot_table(index="shape", columns="what", values="share", sort=False)
    lines = [
        "A study with looks at 5, 8, 12, 18 and 25 seeds against one of 25 seeds (normal scores; the effect beyond the",
        "margin, in standard deviations of the paired differences):\n",
        "| effect and family | found | found by 25 fixed seeds | mean seeds until decided | saved |",
        "|---|---|---|---|---|",
    ]
    for shape, row in wide.iterrows():
        found, fixed, seeds = (
            row[f"looks: {name}"] for name in ("found", "found by the fixed design", "mean seeds until decided")
        )
        saved = 100 * (1 - seeds / 25)
        name = str(shape).removeprefix("normal, effect ")
        lines.append(f"| {name} | {100 * found:.0f} % | {100 * fixed:.0f} % | {seeds:.1f} | {saved:.0f} % |")
    return "\n".join(lines)
