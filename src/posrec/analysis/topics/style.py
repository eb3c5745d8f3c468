"""One style for all figures: a colour per family, a line and marker per encoding, the same bytes every time."""

import io
import textwrap
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from posrec.files import write_bytes
from posrec.study.encodings import ENCODINGS, family_of

# Okabe and Ito's palette: distinguishable with any colour vision, and by lightness in grey print.
FAMILY_COLOURS = {
    "none": "#4D4D4D",
    "added": "#0072B2",
    "concatenated": "#D55E00",
    "relative": "#009E73",
    "rotary": "#56B4E9",
    "time": "#CC79A7",
    "time_order": "#E69F00",
    "kernel": "#882255",
    "control": "#999999",
}
LineStyle = str | tuple[int, tuple[int, ...]]  # of matplotlib: a name, or offset and dashes
BASELINE_LINES: dict[str, LineStyle] = {
    "chance": ":",
    "popularity": "--",
    "month popularity": "-.",
    "markov": "-",
    "item_knn": (0, (5, 1, 1, 1)),
}
LINES = ("-", "--", ":", "-.")
ENCODING_MARKERS = ("o", "s", "^", "D")
DATASET_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
LIGHT = "#777777"
BAD = "#B00020"  # of runs that failed or collapsed
BAND, BAND_ALPHA = "#F0E442", 0.35  # of the margin
DPI = 150
MANY_PANELS = 12
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "posrec",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#4D4D4D",
    "grid.color": "#EDEDED",
    "legend.frameon": False,
    "figure.dpi": DPI,
}


@contextmanager
def house_style() -> Iterator[None]:
    """The settings for drawing and saving every figure, whatever the user's own are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        sns.set_theme(context="paper", style="ticks", font_scale=1.05, rc={**SETTINGS, "axes.grid": True})
        yield


def colour(encoding: str) -> str:
    """The colour of an encoding: that of its family."""
    return FAMILY_COLOURS[family_of(encoding)]


def rank_in_family(encoding: str) -> int:
    """Place of an encoding among those of its family, which chooses its line and marker."""
    family = [name for name, of in ENCODINGS.items() if of == family_of(encoding)]
    return family.index(encoding) if encoding in family else len(family) + zlib.crc32(encoding.encode()) % 4


def line(encoding: str) -> str:
    """The line style of an encoding."""
    return LINES[rank_in_family(encoding) % len(LINES)]


def marker(encoding: str) -> str:
    """The marker of an encoding."""
    return ENCODING_MARKERS[rank_in_family(encoding) % len(ENCODING_MARKERS)]


def panels(
    n: int, width: float, height: float, columns: int | None = None, share: bool | str = False
) -> tuple[Figure, list[Axes]]:
    """A figure of n panels of that size (inches) in rows of `columns`; space left in the last row stays empty.

    Without `columns` there are two columns, or three narrower ones for many panels. share: one scale for all panels, of
    both axes or of "x" alone.
    """
    if columns is None:
        columns, width = (2, width) if n < MANY_PANELS else (3, 0.8 * width)
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(max(6.5, width * columns), height * rows + 0.5), layout="constrained")
    scales: dict[str, Any] = {"sharex": bool(share), "sharey": share is True}
    axes = figure.subplots(rows, columns, squeeze=False, **scales).ravel().tolist()
    for spare in axes[n:]:
        spare.remove()
    return figure, axes[:n]


def notice(text: str) -> Figure:
    """A plain panel that says why there is nothing to draw."""
    figure = Figure(figsize=(6.5, 1.6))
    figure.text(0.5, 0.5, textwrap.fill(text, 75), ha="center", va="center", fontsize=10)
    return figure


def legend(figure: Figure, handles: Sequence[Line2D | Patch]) -> None:
    """One legend below all panels, with as many columns as the width allows."""
    lengths = [len(str(handle.get_label())) for handle in handles]
    fitting = (n for n in range(len(lengths), 1, -1) if _legend_width(lengths, n) <= figure.get_figwidth())
    figure.legend(handles=list(handles), loc="outside lower center", ncols=next(fitting, 1))


def _legend_width(lengths: list[int], columns: int) -> float:
    """About how many inches the columns of a legend take, which matplotlib fills as array_split does."""
    return sum(0.65 + 0.085 * int(part.max()) for part in np.array_split(lengths, columns))


def family_handles(encodings: list[str]) -> list[Line2D]:
    """Legend entries of the families that the encodings belong to."""
    families = dict.fromkeys(family_of(name) for name in encodings)
    return [
        Line2D(
            [],
            [],
            color=FAMILY_COLOURS[name],
            marker="o",
            linestyle="",
            label="no encoding" if name == "none" else name,
        )
        for name in families
    ]


def line_handle(label: str, colour: str, dashes: LineStyle) -> Line2D:
    """Legend entry of a line."""
    handle = Line2D([], [], color=colour, label=label)
    handle.set(linestyle=dashes)
    return handle


def baseline_handle(name: str) -> Line2D:
    """Legend entry of a baseline."""
    return line_handle(name, LIGHT, BASELINE_LINES.get(name, "-"))


def band_handle(label: str) -> Patch:
    """Legend entry of the margin's band."""
    return Patch(facecolor=BAND, alpha=BAND_ALPHA, label=label)


def dot_handle(label: str, filled: bool) -> Line2D:
    """Legend entry of a filled or hollow dot of any colour."""
    return Line2D([], [], color="black", marker="o", mfc="black" if filled else "white", linestyle="", label=label)


def marker_handle(label: str, colour: str, mark: str = "s", size: float = 6) -> Line2D:
    """Legend entry of a filled marker."""
    return Line2D([], [], color=colour, marker=mark, markersize=size, linestyle="", label=label)


def save(figure: Figure, stem: Path, data: pd.DataFrame) -> None:
    """Write the figure as svg and png and its data as csv: the same bytes every time."""
    save_images(figure, stem)
    text = data.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    write_bytes(stem.with_suffix(".csv"), text.encode())


def save_images(figure: Figure, stem: Path) -> None:
    """Write the figure as svg and png, without dates or versions."""
    for kind, metadata in (
        ("svg", {"Date": None, "Creator": None, "Format": None, "Type": None}),
        ("png", {"Software": None}),
    ):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=DPI, facecolor="white")
        write_bytes(stem.with_suffix(f".{kind}"), buffer.getvalue())
        figure.set_layout_engine("none")  # both have the same places, and finding them takes longest
