"""How often the item of a test user ties with others."""

from collections.abc import Iterator

from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.load import GROUP
from posrec.analysis.topics import style
from posrec.analysis.topics.panels import WHOLE, Drawn, encoding_axis, panel_title

READING = (
    "Each point is a seed: filled on the full catalogue, hollow among the sampled candidates. Ties are broken at "
    "random by expectation. More than a few percent means that scores saturate or that a run collapsed; an evaluation "
    "that lets the right item win ties would overrate such a model."
)


def caption(tables: Tables) -> str:
    """The largest shares, and what a tie share warns of."""
    runs = tables["runs"].query("role == 'scoring' and status == 'finished'")
    full, sampled = (100 * runs[f"{kind}_tie_share"].astype(float).max() for kind in ("full", "sampled"))
    if runs.empty:
        return "No run finished, so no score ties."
    return f"Largest share of tied users: {full:.2g} % (full catalogue), {sampled:.2g} % (sampled)."


def draw(tables: Tables, part: slice = WHOLE) -> Drawn:
    """Share of test users whose item ties with others, one point per seed: full catalogue and sampled candidates."""
    runs = tables["runs"][(tables["runs"]["role"] == "scoring") & (tables["runs"]["status"] == "finished")]
    columns = {"full_tie_share": "full catalogue", "sampled_tie_share": "sampled candidates"}
    data = runs[[*GROUP, "encoding", "seed", *columns]]
    if data.empty:
        return style.notice("No run finished, so there are no scores that could tie."), data
    largest = 100 * float(data[list(columns)].to_numpy(float).max())
    if largest == 0:
        return style.notice(f"In none of {len(data)} runs does any test user's item tie with another."), data
    found = list(data.groupby(GROUP, sort=False))[part]
    if not found:
        return style.notice("No run finished here."), data
    encodings = [str(name) for name in dict.fromkeys(data["encoding"])]
    figure, axes = style.panels(len(found), 5.0, max(2.8, 1.3 + 0.29 * len(encodings)))
    for panel, (key, rows) in zip(axes, found, strict=True):
        own_encodings = [str(name) for name in dict.fromkeys(rows["encoding"])]
        for row, name, shift in _places(own_encodings):
            own = rows[rows["encoding"] == own_encodings[row]]
            colour = style.colour(own_encodings[row])
            fill = colour if name == "full_tie_share" else "white"
            panel.plot(100 * own[name].astype(float), [row + shift] * len(own), "o", color=colour, ms=4, mfc=fill)
        encoding_axis(panel, own_encodings)
        panel.set_title(panel_title(tables, tuple(map(str, key))), fontsize=10)
        panel.set_xlabel("test users whose item ties with others (%)")
        panel.set_xlim(-0.03 * largest, 1.05 * largest)  # the same in every panel
    kinds = [style.dot_handle("full catalogue", filled=True), style.dot_handle("sampled candidates", filled=False)]
    style.legend(figure, [*style.family_handles(encodings), *kinds])
    return figure, data


def _places(encodings: list[str]) -> Iterator[tuple[int, str, float]]:
    for row in range(len(encodings)):
        yield row, "full_tie_share", -0.15
        yield row, "sampled_tie_share", 0.15
