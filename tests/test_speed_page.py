"""The page of measured speed says of each target whether it is met, on the right side of its bound."""

import pandas as pd
from benchmarks.speed_page import TARGETS, targets


def test_a_target_is_met_on_its_side_only() -> None:
    row = {"torch ratio": 13.0, "numba ratio": 19.0, "numba share": 0.4, "evaluation ratio": 30.0}
    row |= {"torch memory": 0.34, "numba memory": 0.33}
    table = targets(pd.DataFrame([{"shape": shape, **row} for shape in TARGETS]), full=19.9)
    met = {(one["shape"], one["target"], one["asked"]): one["met"] for one in table.to_dict("records")}
    assert met["Games", "training with torch, ratio", "at least 12"] == "yes"
    assert met["Games", "training with numba, ratio", "at least 20"] == "no"
    assert met["Men-390", "training with numba, ratio", "at least 12"] == "yes"
    assert met["Beauty", "training with torch, ratio", "at least 60"] == "no"
    assert met["Men-90", "training with numba, share of the matrix rate", "at least 0.35"] == "yes"
    assert met["Men-390", "training with numba, share of the matrix rate", "at least 0.55"] == "no"
    assert met["Beauty", "sampled evaluation, ratio", "at least 30"] == "yes"
    assert met["Games", "peak memory with torch, share of the reference's", "under 0.333"] == "no"
    assert met["Games", "peak memory with numba, share of the reference's", "under 0.333"] == "yes"
    assert met["Beauty 5-core", "full-catalogue evaluation, s", "under 20"] == "yes"
    assert len(met) == 4 * 5 + 2 + 1
