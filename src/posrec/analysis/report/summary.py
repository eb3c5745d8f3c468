"""The whole study in a few sentences: what is best, what can be trusted, what cannot be decided."""

from posrec.analysis.claims.verdict import OPEN
from posrec.analysis.stats import stability
from posrec.analysis.stats.stability import ALPHA
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.reading import Row, listing
from posrec.analysis.topics import wording


def summary(tables: Tables) -> list[str]:
    """The sentences that the report begins with."""
    said = [_best_overall(tables)]
    if tables.inputs.spread:
        return [*said, _leads_overall(tables), stability.seeds_note(_most_seeds(tables)), about_correlation(tables)]
    return [*said, "Levels only: spreads over seeds are not shown in this study (report.stability: false)."]


def _best_overall(tables: Tables) -> str:
    best = tables["datasets"]["best_encoding"]
    if best.isna().all():
        return "No data set has scores of two encodings: there is nothing to compare."
    over = ", counted over data sets and settings" if best.notna().sum() > 1 else ""
    return f"Highest mean NDCG@10 on the full catalogue{over}: {wording.counted(best)}."


def _leads_overall(tables: Tables) -> str:
    """How many encodings are ahead of `none` by more than chance over seeds."""
    compared = tables["cells"].dropna(subset=["advantage_adjusted_low_points"])
    if compared.empty:
        return "No encoding could be compared with none."
    ahead = int((compared["advantage_adjusted_low_points"] > 0).sum())
    behind = int((compared["advantage_adjusted_high_points"] < 0).sum())
    counts = (
        f"Of {len(compared)} comparisons with none, {ahead} show a lead beyond the seeds' spread, {behind} a loss, "
        f"and {len(compared) - ahead - behind} leave it open (95 % for the comparisons of a data set together)."
    )
    return f"{counts} {_why_c1_is_open(tables)}".strip() if ahead or behind else counts


def _why_c1_is_open(tables: Tables) -> str:
    """Why intervals exclude zero while C1 stays open; empty where C1 is decided."""
    claims = tables["claims"]
    verdicts = claims[(claims["claim"] == "C1") & (claims["verdict"] == OPEN)].dropna(subset=["smallest_p"])
    if verdicts.empty:
        return ""
    c1 = verdicts.iloc[0]
    where = f" under {c1['protocol']}" if len(tables.inputs.study.settings.protocols) > 1 else ""
    matters = tables.inputs.study.settings.report.smallest_difference
    smallest = c1["smallest_p"]
    reach = f" With these seeds the clearest outcome of all would have p = {smallest:.2g}." if smallest > ALPHA else ""
    return (
        "These intervals assume normal differences between seeds (Student's t, Bonferroni within a data set). "
        f"Claim C1 asks for more and is {OPEN}{where}: it needs {matters:g} points at least, by a permutation test "
        f"that assumes no shape, after Holm over all {c1['tests']} comparisons.{reach}"
    )


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
