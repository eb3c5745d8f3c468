"""The text below each figure: what to see in it, and what it rests on."""

from posrec.analysis import registry
from posrec.analysis.registry import Figure
from posrec.analysis.stats.stability import seeds_note
from posrec.analysis.tables.build import Tables
from posrec.analysis.tables.correlation import ALPHA
from posrec.analysis.topics import wording
from posrec.analysis.topics.seeds import NO_SPREAD


def caption(figure: Figure, tables: Tables) -> str:
    """The caption of a figure: what to see in it, then seeds, protocols and candidates, unless it shows data alone."""
    rests_on = wording.simulated_note(tables.inputs) if figure.section == "data" else wording.design(tables)
    return f"{registry.of_analysis(figure.caption)(tables)} {rests_on}".rstrip()


def stability(tables: Tables) -> str:
    """What the points, ticks and lines are."""
    if not tables.inputs.spread:
        return f"The tick is the mean over seeds; grey lines are baselines near it. {NO_SPREAD}"
    return (
        "Each point is one seed, the same seed at the same height within its row; the tick is the mean with its 95 % "
        "interval (Student's t). Intervals that are wide beside the distance between two ticks leave their order open. "
        "Grey lines are baselines, drawn where they lie near the scores; all their values stand above the panel. "
        "Failed and collapsed runs are named in red."
    )


def spread(tables: Tables) -> str:
    """How to read a spread with its interval."""
    if not tables.inputs.spread:
        return NO_SPREAD
    n = len(tables.inputs.study.settings.seeds)
    return (
        "The dot is the sample standard deviation over seeds, the bar its exact 95 % interval for normal scores, on a "
        "logarithmic axis: further left is steadier; the table of comparisons says which are told apart. Where some "
        "seeds collapse the scores are not normal: the bar is then a bootstrap interval (BCa) from 20 seeds on; with "
        f"fewer seeds there is none, since no interval is valid. Runs that collapse so seldom that none of these seeds "
        f"did would not show: the true spread is then far larger. {seeds_note(n)}"
    )


def correlation(tables: Tables) -> str:
    """What the panels plot, and whether any test can decide."""
    if not tables.inputs.spread:
        return NO_SPREAD
    tests = tables.correlation[tables.correlation["test"] == "spearman"].dropna(subset=["p"])
    text = (
        "Each point is a data set (hollow: simulated). Left half: against the data set's deviation, the standard "
        "deviation of none over seeds of its own; right half: against its density, so that sparser lies to the right. "
        "Above the line: ahead of none in points, or more spread than none (logarithm of the ratio). Each panel "
        "names Spearman's rho with the deviation or the sparsity, its permutation p, and p after Holm over encodings."
    )
    if len(tests) and (tests["decidable"] == "no").all():
        text += f" No test here can fall below {ALPHA:g} after Holm, whatever the outcome: there are too few data sets."
    return text


def levels(tables: Tables) -> str:
    """What the colours compare."""
    return (
        "Means over seeds in points; the colour is the distance to the best encoding of the row, in percent of it "
        "(bold: the best). Baselines stand at the right, uncoloured, or above the panels of a data set; a "
        "single encoding of a row has no colour. The two metrics can order encodings differently: being ranked among "
        "few sampled candidates is an easier and a different question."
    )


def learning_curves(tables: Tables) -> str:
    """What line and band are."""
    band = ", the band reaches from the lowest to the highest seed" if tables.inputs.spread else ""
    return (
        "NDCG@10 on the full catalogue over a fixed sample of validation users, by epoch. The line is the mean over "
        f"seeds{band}; a line ends where fewer than half of the seeds still train, and can jump where one ends."
    )


def claims(tables: Tables) -> str:
    """What the colours say, and how often each verdict fell."""
    if not tables.inputs.spread:
        return NO_SPREAD
    counts = [f"{n} {name}" for name, n in tables.claims["verdict"].value_counts(sort=False).items()]
    return (
        "A row a claim of arXiv 2405.10436, a column a protocol of this study. Grey: these data cannot decide, for too "
        f"few seeds or data sets, or because the study varies no such thing. Here: {wording.listing(counts)}. The "
        "reason of each stands in the table of claims."
    )


def ranks(tables: Tables) -> str:
    """How to read a critical difference."""
    return (
        "Mean rank of each encoding over the data sets: further left is better. Encodings under one black bar are not "
        "told apart (Nemenyi, 5 %); the grey bar shows how far apart two must lie. Data sets count as independent, "
        "which subsets of one another are not."
    )


def diagnostics(tables: Tables) -> str:
    """What the three panels of a data set are."""
    return (
        "Means over seeds. Left: entropy of the attention by encoder block, as a share of the most possible. Middle: "
        "how well a linear probe reads the number of steps to the end of the history from the items (cross), from the "
        "encoded items (ring) and after the first block (dot); what an encoding adds is the way from the cross, and at "
        "the grey tick nothing is read. Right: norm of the gradient of a step, on a logarithmic axis; the bar is a "
        "factor of 1 + standard deviation / mean of the steps of an epoch. Rows of panels beyond the first dozen are "
        "in the numbers alone."
    )


def by_setting(tables: Tables) -> str:
    """How to read level and spread against a varied setting."""
    return (
        "Left: means over seeds with their 95 % intervals (Student's t); right: standard deviations over seeds with "
        "theirs, where one is valid, on a logarithmic axis. One line an encoding, moved a little sideways so that "
        "intervals don't cover each other. Lines that cross: which encoding is ahead depends on the setting, as far as "
        "their intervals part. Values stand evenly spaced. Panels beyond the first two dozen are in the numbers alone."
    )


def by_protocol(tables: Tables) -> str:
    """How to read the protocols side by side."""
    return (
        "Mean (left) and standard deviation over seeds (right) with 95 % intervals, a colour and a marker a protocol. "
        "A level that one protocol shows higher can be the protocol's own doing (its ties, its choice of the epoch): "
        "compare the order of the encodings within each, not one protocol's scores with another's."
    )


def components(tables: Tables) -> str:
    """How to read shares of variance."""
    return (
        "The dot is the variance of NDCG@10 over seeds when only the named streams vary, as a share of that when all "
        "do (dashed line: 1); the bar is its 95 % interval for normal scores (F; where some runs collapse a bootstrap "
        "one, BCa, from twenty seeds on). Intervals that reach from far below to above 1 say nothing yet. Shares need "
        "not add up to 1. Evaluation sampling is no part of it: candidates are frozen."
    )


def ties(tables: Tables) -> str:
    """What a tie share warns of."""
    return (
        "Each point is a seed: filled on the full catalogue, hollow among the sampled candidates. Ties are broken at "
        "random by expectation. A share above a few percent says that scores saturate or that a run collapsed; an "
        "evaluation that hands ties to the right item would look better there than it is."
    )


def switches(tables: Tables) -> str:
    """What the two halves and the stars are."""
    if not tables.inputs.spread:
        return NO_SPREAD
    return (
        "Effect of the released behaviour of one switch, with all others sound or all others released, as each panel "
        "says: difference of the means over the same seeds, and ratio of the standard deviations (above 1: released "
        "spreads more). One scale of colours for all panels: released over sound, from half to double. Bold with a "
        "star: below 5 % after Holm over all tests of the metric. Empty: not asked. A number without a star may be "
        "chance."
    )


def data(tables: Tables) -> str:
    """How to read the five panels of a data set."""
    return (
        "From the prepared data, a row a data set. Lengths: what lies right of the dashed line (max_length) is cut. "
        "Popularity: the further above the diagonal, the more the interactions crowd on few items. Ties: how many of "
        "the interactions share their user and time stamp with so many; their order is not known. Time: interactions "
        "and, dashed, test items by month. Order: how often a first-order chain hits the test item, and what is left "
        "of it (mean of five, with two standard deviations) once histories are shuffled; where the two meet, order "
        "says nothing to such a chain."
    )
