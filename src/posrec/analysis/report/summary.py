"""The whole study in a few sentences: what is best, what can be trusted, what cannot be decided."""

from posrec.analysis.report.answer import STRONG, unbeaten
from posrec.analysis.stats import stability
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.stats.threeway import OPEN
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.reading import Row, listing
from posrec.analysis.topics import wording
from posrec.analysis.topics.panels import groups, panel_title


def summary(tables: Tables) -> list[str]:
    """The sentences that the report begins with."""
    said = [*_unbeaten(tables), _best_overall(tables)]
    if tables.inputs.spread:
        return [
            *said,
            _leads_overall(tables),
            *_look(tables),
            stability.seeds_note(_most_seeds(tables)),
            about_correlation(tables),
        ]
    return [*said, "Levels only: spreads over seeds are not shown in this study (report.stability: false)."]


def _unbeaten(tables: Tables) -> list[str]:
    """On which data sets no trained model beats item kNN or the Markov chain."""
    found: dict[str, list[str]] = {}
    for key, cells in groups(tables):
        for name in set(STRONG) & set(unbeaten(tables, key, cells)):
            found.setdefault(name, []).append(panel_title(tables, key).replace("\n", ", "))
    return [f"No trained model beats {name} on: {listing(found[name])}." for name in reversed(STRONG) if name in found]


def _best_overall(tables: Tables) -> str:
    best = tables["datasets"]["best_encoding"]
    if best.isna().all():
        return "No data set has scores of two encodings: there is nothing to compare."
    sets = [frozenset(cells.dropna(subset=["full_ndcg10_mean"])["encoding"]) for _, cells in groups(tables)]
    most = [found == frozenset().union(*sets) for found in sets]
    if not any(most):
        return "Which encoding is highest most often cannot be said: no data set has scores of all of them."
    alike, left_out = best[most], int(best[[not one for one in most]].notna().sum())
    over = ", counted over data sets and settings" if alike.notna().sum() > 1 else ""
    rest = f" Not counted: {left_out} with scores of only some encodings." if left_out else ""
    return f"Highest mean NDCG@10 on the full catalogue{over}: {wording.counted(alike)}.{rest}"


def _leads_overall(tables: Tables) -> str:
    """How often each word of the rule is said of an encoding against `none`."""
    compared = tables["comparisons"].query("against == 'none'")
    if compared.empty:
        return "No encoding could be compared with none."
    said = wording.counted_words(compared["level"], "comparisons with none")
    return f"{said} One error of 5 % covers the comparisons of a data set. {wording.margin_note(tables.inputs.study)}"


def _look(tables: Tables) -> list[str]:
    """The look of a study that adds seeds, and how many comparisons it has decided."""
    study = tables.inputs.study
    if not study.settings.looks:
        return []
    decided = int((tables["comparisons"]["level"] != OPEN).sum())
    text = f"{decided} of {len(tables['comparisons'])} comparisons of levels are decided"
    return [f"{len(study.settings.scoring_seeds)} seeds per cell{wording.look(study)}: {text}."]


def _most_seeds(tables: Tables) -> int:
    return int(tables["cells"].loc[tables["cells"]["kind"] == "encoding", "finished"].max())


def about_correlation(tables: Tables) -> str:
    """What the rank tests over data sets show, or cannot show."""
    tests = tables["correlation"]
    done = tests.dropna(subset=["p"])
    datasets = len(tables.inputs.study.settings.datasets)
    question = "Whether what works follows from a data set's deviation or sparsity"
    if done.empty:
        many = "one data set" if datasets == 1 else f"{stability.count_word(datasets)} data sets"
        return f"{question} cannot be tested on {many}: a rank test needs at least three that have both figures."
    if (done["decidable"] == "no").all():
        return (
            f"{question} cannot be decided with {stability.count_word(datasets)} data sets: no outcome could bring a "
            f"test below 5 % after Holm (smallest p before Holm: {done['smallest_p'].min():.3g})."
        )
    found = done[(done["p_holm"] <= ALPHA)]
    if found.empty:
        return f"{question}: no test is below 5 % after Holm, which does not show that there is no relation."
    named = [_named(row) for _, row in found.iterrows()]
    return f"{question}: below 5 % after Holm are {listing(named)}. A correlation over data sets shows no cause."


def _named(row: Row) -> str:
    """A test of the correlation table in words."""
    held = " (the other predictor held)" if row["test"] == "partial" else ""
    of = "" if row["test"] == "family" else f" of {row['encoding']}"
    return f"{row['predictor']} and {row['outcome']}{of}{held}"
