"""What measures a GPU runs as it is, on the CPU and on tiny work: so it is known to run where there is a GPU."""

import pandas as pd
import pytest
from benchmarks import bfloat16, gpu
from benchmarks.speed_reference import Work

TINY = Work(40, 50, 5, 9, 3, dimension=8, heads=2, blocks=1, max_length=6, batch_size=8)


def test_the_measurements_and_their_page() -> None:
    speeds = pd.DataFrame(gpu.speed("tiny", TINY, "cpu", seeds=2, steps=2))
    assert list(speeds["trained"]) == [
        "CPU, one core, one seed",
        *(f"cpu, {kind}, {seeds}" for kind in ("fp32", "bf16") for seeds in ("one seed", "2 seeds at once")),
    ]
    assert (speeds["ms per step and seed"] > 0).all()
    effects = bfloat16.effect("cpu", seeds=(1, 2, 3), epochs=1)
    assert list(effects["metric"]) == ["full NDCG@10", "full Hit@10"]
    assert effects["difference"].to_numpy() == pytest.approx((effects["bf16"] - effects["fp32"]).to_numpy())
    assert (effects["from"] <= effects["difference"]).all()
    text = gpu.page("a machine", speeds, effects, 3)
    assert text.count("| tiny | cpu, ") == 4
    assert "| full NDCG@10 | " in text


def test_without_a_gpu_nothing_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.version.cuda", None)
    gpu.main()
    assert "this torch is a build for the CPU alone: nothing is measured" in capsys.readouterr().out
