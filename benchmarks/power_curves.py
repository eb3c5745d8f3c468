"""The power of the tests of spread by number of seeds, as curves."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from posrec.analysis.topics import style

TESTS = {"log ratio, permuted": "-", "Brown-Forsythe": "--"}
POWER = "power at ratio "
COLOURS = ("#56B4E9", "#0072B2", "#000000")  # lighter: a smaller ratio, which is harder to see
MARKERS = ("o", "s", "^")
WANTED = 80  # percent


def draw(table: pd.DataFrame, stem: Path) -> None:
    """Draw a panel a shape from the measured table (what, method, shape, n, share), as svg and png."""
    power = table[table["what"].str.startswith(POWER)]
    ratios = list(dict.fromkeys(power["what"].str.removeprefix(POWER)))
    shapes = list(dict.fromkeys(power["shape"]))
    with style.house_style():
        figure, axes = style.panels(len(shapes), 3.7, 2.9, columns=len(shapes))
        for panel, shape in zip(axes, shapes, strict=True):
            _draw_shape(panel, power[power["shape"] == shape], ratios)
            panel.set_title(shape, fontsize=10)
        axes[0].set_ylabel("studies that find it (%)")
        looks = zip(ratios, COLOURS, MARKERS, strict=True)
        handles = [style.marker_handle(f"{ratio} times", colour, mark) for ratio, colour, mark in looks]
        handles += [style.line_handle(test, "black", dashes) for test, dashes in TESTS.items()]
        style.legend(figure, handles)
        style.save_images(figure, stem)


def _draw_shape(panel: Axes, power: pd.DataFrame, ratios: list[str]) -> None:
    panel.axhline(WANTED, color=style.LIGHT, linewidth=0.8)
    for ratio, colour, mark in zip(ratios, COLOURS, MARKERS, strict=True):
        for test, dashes in TESTS.items():
            own = power[(power["what"] == POWER + ratio) & (power["method"] == test)]
            panel.plot(own["n"], 100 * own["share"], dashes, marker=mark, ms=4, color=colour)
    panel.set_xscale("log")
    seeds = sorted(set(power["n"]))
    panel.set_xticks(seeds, [str(n) for n in seeds])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlabel("seeds a cell")
    panel.set_ylim(-3, 103)
