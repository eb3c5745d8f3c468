"""Table and figure of where a spread comes from, for studies in which some cells hold random streams."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis.stats.intervals import share_interval
from posrec.analysis.stats.spread_tests import variance_share
from posrec.analysis.stats.stability import standard_deviation
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.cells import MIN_SPREAD
from posrec.analysis.tables.load import IDENTITY
from posrec.analysis.tables.scores import POINTS, scores, some_collapsed
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import Drawn, panel_title, plain_log_axis
from posrec.study.settings.training import STREAMS
from posrec.study.variation import settings_label, settings_of, varied_settings

COLUMNS = {
    **{name: IDENTITY[name] for name in ("dataset", "protocol", "encoding")},
    "other_settings": "the other settings that vary within a data set",
    "varying": "random streams that the run's seed chooses; the others are held",
    "finished": "seeds that finished",
    "sd_points": "sample standard deviation (n - 1) of NDCG@10 on the full catalogue, in points",
    "share": "its variance over that of the cell in which every stream varies",
    "share_low": "lower 95 % bound of the share",
    "share_high": "upper 95 % bound of the share",
    "share_interval": "which interval is shown (exact: F, for normal scores; BCa where some runs collapse, from "
    "twenty seeds on), or why none is",
    "note": "why there is no share",
}


def build(tables: Tables) -> pd.DataFrame:
    """One row per cell that holds streams, beside the cell that holds none; columns: COLUMNS."""
    study = tables.inputs.study
    varied = varied_settings(study.cells)
    cells = {settings_label(cell, varied): cell for cell in study.cells}
    runs = tables["runs"][tables["runs"]["role"] == "scoring"]
    others = {
        label: settings_label(cell, [name for name in varied if name != "held_streams"])
        for label, cell in cells.items()
    }
    runs = runs.assign(other_settings=runs["settings"].map(others))
    rows: list[dict[str, Any]] = []
    for key, group in runs.groupby(["dataset", "protocol", "encoding", "other_settings"], sort=False):
        by_label = {str(label): own for label, own in group.groupby("settings", sort=False)}
        held = {label: settings_of(cells[label])["held_streams"] for label in by_label}
        whole = next((by_label[label] for label in by_label if not held[label]), group.head(0))
        rows += [
            {**dict(zip(list(COLUMNS)[:4], key, strict=True)), **_share(own, whole, held[label])}
            for label, own in by_label.items()
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"finished": "Int64"})


def _share(own: pd.DataFrame, all_vary: pd.DataFrame, held: dict[str, int]) -> dict[str, Any]:
    varying = [name for name in STREAMS if name not in held]
    part, whole = scores(own), scores(all_vary)
    deviation = standard_deviation(part)
    row: dict[str, Any] = {"varying": ", ".join(varying) or "nothing", "finished": len(part)}
    row |= {} if deviation is None else {"sd_points": POINTS * deviation}
    if not held:
        return row
    found = variance_share(part, whole)
    if found is None:
        few = min(len(part), len(whole)) < MIN_SPREAD
        return {
            **row,
            "note": "fewer than two finished seeds here or where all vary" if few else "the whole has no spread",
        }
    interval, name = share_interval(part, whole, collapsed=some_collapsed(own) or some_collapsed(all_vary))
    low, high = interval or (None, None)
    return {**row, "share": found.share, "share_low": low, "share_high": high, "share_interval": name}


READING = (
    "The dot is the variance of NDCG@10 over seeds when only the named streams vary, as a share of that when all do "
    "(dashed line: 1); the bar is its 95 % interval (F for normal scores; BCa bootstrap where some runs collapse, from "
    "twenty seeds on). An interval from far below to above 1 says nothing yet. Shares need not add up to 1."
)


def caption(tables: Tables) -> str:
    """The range of the shares, and how to read one."""
    shares = tables["components"]["share"].dropna().astype(float)
    if shares.empty:
        return "No share of a single stream is known."
    return f"Shares of single streams range from {shares.min():.2g} to {shares.max():.2g}."


def draw(tables: Tables) -> Drawn:
    """Share of the whole variance that is left when only some streams vary, with its interval."""
    data = tables["components"]
    shown = data.dropna(subset=["share"])
    if shown.empty:
        return style.notice("No cell that holds streams has two finished seeds beside a cell that holds none."), data
    found = list(shown.groupby(["dataset", "protocol", "other_settings"], sort=False))
    labels = [f"{row['encoding']}: {row['varying']}" for _, row in shown.iterrows()]
    most = max(len(group) for _, group in found)
    figure, axes = style.panels(len(found), 4.5 + 0.05 * max(map(len, labels)), 1.4 + 0.3 * most, columns=1)
    for panel, (key, group) in zip(axes, found, strict=True):
        _draw_shares(panel, group)
        panel.set_title(panel_title(tables, (str(key[0]), str(key[1]), str(key[2]))), fontsize=10)
        plain_log_axis(panel)
        panel.set_xlabel("share of the variance with all varying")
    return figure, data


def _draw_shares(panel: Axes, group: pd.DataFrame) -> None:
    panel.set_xscale("log")
    panel.axvline(1, color=style.LIGHT, linewidth=1, linestyle="--")
    for place, (_, row) in enumerate(group.iterrows()):
        colour = style.colour(str(row["encoding"]))
        panel.plot([row["share_low"], row["share_high"]], [place, place], color=colour, linewidth=1.5)
        panel.plot([row["share"]], [place], "o", color=colour, ms=5)
        if row["share"] == 0:
            inside: dict[str, Any] = {"transform": panel.get_yaxis_transform(), "ha": "left", "va": "center"}
            panel.text(0.02, place, "all scores equal", fontsize=7, color="#B00020", **inside)
    names = [f"{row['encoding']}: {row['varying']}" for _, row in group.iterrows()]
    panel.set_yticks(range(len(names)), names, fontsize=8)
    panel.set_ylim(len(names) - 0.4, -0.6)
