"""How much the seeds differ: standard deviations over seeds by encoding."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from posrec.analysis.stats.stability import seeds_note
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style, wording
from posrec.analysis.topics.panels import (
    NO_SPREAD,
    WHOLE,
    Drawn,
    draw_band,
    encoding_axis,
    groups,
    panel_height,
    panel_title,
    plain_log_axis,
)

READING = (
    "The band is the margin around none's: ratios within it don't matter. The dot is the sample standard deviation "
    "over seeds, the bar its 95 % interval: exact for normal scores; where some seeds collapse a bootstrap one (BCa) "
    "from 20 seeds on, and none below. Hollow: some runs failed, collapsed or were still rising, so the spread alone "
    "says little. The axis is logarithmic: further left is steadier."
)


def caption(tables: Tables) -> str:
    """How many spreads differ, and what the marks are."""
    if not tables.inputs.spread:
        return NO_SPREAD
    found = wording.counted_words(tables["comparisons"]["spread"], "comparisons of two spreads")
    return f"{found} {seeds_note(len(tables.inputs.study.settings.scoring_seeds))}"


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Standard deviation with its exact interval by encoding, one panel per data set, on a logarithmic axis."""
    columns = ["full_ndcg10_sd", "full_ndcg10_sd_low", "full_ndcg10_sd_high"]
    cells = tables["cells"][tables["cells"]["kind"] == "encoding"]
    data = cells[[*GROUP, "encoding", "finished", *columns]]
    data = data.assign(**{name: POINTS * data[name].astype(float) for name in columns})
    data = data.rename(columns={name: f"{name}_points" for name in columns})
    if not tables.inputs.spread:
        return style.notice(NO_SPREAD), data
    found = groups(tables)[part]
    figure, axes = style.panels(len(found), 5.0, panel_height(tables) - 0.2)
    for panel, (key, group) in zip(axes, found, strict=True):
        draw_band(panel, _band(tables, group))
        _draw_spread(panel, group)
        panel.set_title(panel_title(tables, key), fontsize=10)
        panel.set_xlabel("sd of NDCG@10, full catalogue (points)")
    handles: list[Line2D | Patch] = [*style.family_handles(tables.inputs.study.settings.encodings)]
    handles += [style.band_handle("margin around none"), style.dot_handle("runs lost or still rising", filled=False)]
    style.legend(figure, handles)
    return figure, data


def _band(tables: Tables, cells: pd.DataFrame) -> tuple[float, float] | None:
    none = cells.loc[cells["encoding"] == "none", "full_ndcg10_sd"].dropna()
    ratio = tables.inputs.study.settings.report.margin.ratio
    return (POINTS * none.iloc[0] / ratio, POINTS * none.iloc[0] * ratio) if len(none) and none.iloc[0] > 0 else None


def _draw_spread(panel: Axes, cells: pd.DataFrame) -> None:
    panel.set_xscale("log")
    for row, (_, cell) in enumerate(cells.iterrows()):
        value, low, high = (POINTS * cell[f"full_ndcg10_sd{end}"] for end in ("", "_low", "_high"))
        if value > 0:
            colour = style.colour(cell["encoding"])
            panel.plot([low, high], [row, row], color=colour, linewidth=1.6)
            hollow = cell["bad"] > 0 or cell["still_rising"] > 0
            panel.plot([value], [row], "o", ms=5.5, color=colour, mfc="white" if hollow else colour)
        else:
            said = "all scores equal" if value == 0 else f"no spread: {cell['finished']} finished"
            place = panel.get_yaxis_transform()
            panel.text(0.02, row, said, transform=place, ha="left", va="center", fontsize=7, color=style.BAD)
    encoding_axis(panel, list(cells["encoding"]))
    plain_log_axis(panel)
