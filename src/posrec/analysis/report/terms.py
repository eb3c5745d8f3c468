"""Terms that a reader new to the subject needs."""

TERMS: tuple[tuple[str, str], ...] = (
    (
        "The task",
        "A sequential recommender reads the items that a user chose, in order, and ranks the items that may come next. "
        "Here the user's last item is held out and ranked.",
    ),
    (
        "Positional encoding",
        "How the model knows where in the history an item is. Without one (none) attention sees the items, and "
        "their times where the context is fed, but no positions; a causal mask still lets some order through. "
        "Added: a vector is added to the item's. Concatenated: it is appended to it and mixed in by a linear layer. "
        "Relative: the distance between two items changes the attention between them.",
    ),
    ("Hit@10", "The share of users whose held-out item is among the first ten."),
    (
        "NDCG@10",
        "The same, but a place near the top counts more: 1 for the first place, 0.63 for the second, 0.29 for the "
        "tenth. On the full catalogue it is the primary metric here. All numbers are in points (hundredths).",
    ),
    ("MRR", "The mean of 1 / place of the held-out item."),
    (
        "Seed",
        "Training starts from random numbers: another seed, another score. The seed is the unit of every interval.",
    ),
    (
        "Deviation",
        "How far scores scatter from seed to seed without an encoding: the standard deviation of none over seeds "
        "that are used for nothing else.",
    ),
    ("Sparsity", "The share of user-item pairs that never met: 1 minus density."),
    (
        "Intervals",
        "95 %. Of a mean: Student's t. Of a difference: the same over seeds that both have, wider, so that the "
        "intervals of all comparisons of a family hold together. Of a standard deviation: exact chi-square, for normal "
        "scores; with few seeds, or seeds that collapse, it says less than it seems.",
    ),
    (
        "Margin, ahead, behind, equivalent, open",
        "The margin is the smallest difference that matters, stated before the runs; figures show it as a band. Ahead "
        "or behind: the whole interval of the difference is beyond the margin. Equivalent: the interval is within it, "
        "so take the cheaper one. Open: neither, or too many runs were lost or still rising.",
    ),
    (
        "Lost and still rising runs",
        "A run may fail, or end at chance level: it is useless, and counts as an outcome beside the scores of the "
        "healthy runs. A run is still rising if its training ended at its best score: its final level is unknown.",
    ),
    (
        "Baselines",
        "Rules without training on the same candidates: chance; popularity; popularity in the calendar month of the "
        "request; Markov, which knows the last item only. They count training interactions alone.",
    ),
)
