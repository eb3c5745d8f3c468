"""The page of measured speed says of each target whether it is met, on the right side of its bound."""

import pandas as pd
from benchmarks.speed_page import TARGETS, targets


def test_a_target_is_met_on_its_side_only() -> None:
    row = {"train ratio": 13.0, "share of matrix rate": 0.4, "evaluation ratio": 30.0, "memory ratio": 0.34}
    table = targets(pd.DataFrame([{"shape": shape, **row} for shape in TARGETS]), full=19.9)
    met = {(one["shape"], one["target"].split(",")[0], one["asked"]): one["met"] for one in table.to_dict("records")}
    assert met["Games", "training", "at least 12"] == "yes"
    assert met["Games", "training", "at least 20"] == "no"
    assert met["Men-390", "training", "at least 12"] == "yes"
    assert met["Beauty", "training", "at least 60"] == "no"
    assert met["Men-90", "share of the matrix rate", "at least 0.35"] == "yes"
    assert met["Men-390", "share of the matrix rate", "at least 0.55"] == "no"
    assert met["Beauty", "sampled evaluation", "at least 30"] == "yes"
    assert met["Games", "peak memory", "under 0.333"] == "no"
    assert met["Beauty 5-core", "full-catalogue evaluation", "under 20"] == "yes"
    assert len(met) == 4 * 4 + 2 + 1
