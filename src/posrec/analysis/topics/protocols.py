"""Level and spread of the encodings under each protocol, side by side."""

import pandas as pd
from matplotlib.axes import Axes

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.tables.scores import POINTS
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import BOUNDED, MEASURES, WHOLE, Drawn, encoding_axis, plain_log_axis

SHADES = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")

READING = (
    "Mean (left) and standard deviation over seeds (right) with 95 % intervals; colour and marker: the protocol. A "
    "protocol can raise all levels by itself (ties, choice of the epoch): compare encodings within a protocol, not "
    "scores across."
)


def caption(tables: Tables) -> str:
    """How often the protocols agree on the best encoding, and what may not be compared."""
    best = tables["datasets"].dropna(subset=["best_encoding"]).groupby(["dataset", "settings"])["best_encoding"]
    agree = int((best.nunique() == 1).sum())
    return f"The protocols agree on the encoding with the highest mean in {agree} of {best.ngroups} cases."


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """The protocols side by side: mean and spread of every encoding, one row of panels per data set and settings."""
    cells = tables["cells"][tables["cells"]["kind"] == "encoding"]
    data = cells[[*GROUP, "encoding", "finished"]].assign(**{f"{n}_points": POINTS * cells[n] for n in BOUNDED})
    protocols = [protocol.name for protocol in tables.inputs.study.protocols]
    measures = [name for name in MEASURES if name == "mean" or tables.inputs.spread]
    found = list(data.groupby(["dataset", "settings"], sort=False))[part]
    if not found:
        return style.notice("The other panels are on the pages before."), data
    height = max(2.8, 1.3 + 0.4 * data["encoding"].nunique())
    figure, axes = style.panels(len(measures) * len(found), 4.8, height, columns=len(measures))
    panels = iter(axes)
    for key, rows in found:
        for measure in measures:
            panel = next(panels)
            _draw_protocols(panel, rows, measure, protocols)
            parts = (tables.inputs.label(str(key[0])), str(key[1]))
            panel.set_title("\n".join(part for part in parts if part), fontsize=10)
            panel.set_xlabel(MEASURES[measure])
    style.legend(
        figure,
        [style.marker_handle(name, _shade(n), style.ENCODING_MARKERS[n % 4]) for n, name in enumerate(protocols)],
    )
    return figure, data


def _shade(number: int) -> str:
    return SHADES[number % len(SHADES)]


def _draw_protocols(panel: Axes, rows: pd.DataFrame, measure: str, protocols: list[str]) -> None:
    encodings = [str(name) for name in dict.fromkeys(rows["encoding"])]
    for _, row in rows.iterrows():
        number = protocols.index(row["protocol"])
        place = encodings.index(row["encoding"]) + 0.5 * ((number + 0.5) / len(protocols) - 0.5)
        value, low, high = (float(row[f"full_ndcg10_{measure}{bound}_points"]) for bound in ("", "_low", "_high"))
        panel.plot([low, high], [place, place], color=_shade(number), linewidth=1.3)
        panel.plot([value], [place], style.ENCODING_MARKERS[number % 4], color=_shade(number), ms=5)
    if measure == "sd" and (rows["full_ndcg10_sd_points"] > 0).any():
        panel.set_xscale("log")
        plain_log_axis(panel)
    encoding_axis(panel, encodings)
