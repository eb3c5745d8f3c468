"""`position_scale`: the norm of added and concatenated positions at the start, for each kind of encoding."""

import pytest
import torch
from torch import Tensor, nn

from posrec.data.prepare.prepared import Prepared
from posrec.model.carca import Carca
from posrec.model.encodings.interface import Encoding, Shape
from posrec.model.start_scale import item_norm, position_norm, set_start_scale
from posrec.model.train import build_model
from tests.model.conftest import make_cell

ADDED = ["abs", "learnt", "rotatory", "abs_time", "time2vec", "added_control"]
SCALED = [*ADDED, "abs_con", "learnt_con", "rotatory_con"]
ROUNDING = 1e-6


class Own(Encoding):
    """As a user writes one: it overrides `encode` alone, and turns x as well."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape, generator)
        self.vectors = nn.Parameter(torch.randn(shape.rows, shape.dimension, generator=generator))

    def encode(self, x: Tensor, rows: Tensor, times: Tensor | None = None) -> Tensor:
        return 2 * x + self.vectors[rows]


def built(encoding: str, data: Prepared, **settings: object) -> Carca:
    return build_model(make_cell(encoding, **settings), data, 1)


@pytest.mark.parametrize("name", SCALED)
def test_positions_start_as_large_as_the_items_or_as_asked(name: str, data: Prepared) -> None:
    unit, items, number = (built(name, data, position_scale=scale) for scale in ("unit", "items", 0.25))
    assert position_norm(items, data) == pytest.approx(item_norm(items, data), rel=ROUNDING)
    assert position_norm(number, data) == pytest.approx(0.25, rel=ROUNDING)
    assert position_norm(unit, data) > 2  # at D = 12: sqrt(6) for sines, about sqrt(12) for N(0, 1)
    assert items.start_norms == pytest.approx((item_norm(items, data), position_norm(items, data)), rel=ROUNDING)


@pytest.mark.parametrize("name", SCALED)
def test_as_released_positions_stay_as_they_are_drawn(name: str, data: Prepared) -> None:
    protocol = {"name": "drawn", "base": "sound", "position_norm": "released"}
    unit, drawn = built(name, data, position_scale="unit"), built(name, data, protocol=protocol, position_scale="items")
    assert position_norm(drawn, data) == position_norm(unit, data)


@pytest.mark.parametrize("name", ["none", "rope", "rmha4", "con_control"])
def test_what_adds_nothing_is_left(name: str, data: Prepared) -> None:
    model = built(name, data, position_scale="items")
    assert position_norm(model, data) == 0
    assert model.encoding.amplitude is None


def test_an_encoding_of_ones_own_is_scaled_in_what_it_adds_alone(data: Prepared) -> None:
    model = built("none", data, position_scale=0.5)
    own = Own(model.encoding.shape, torch.Generator().manual_seed(1)).double()
    model.encoding = own
    before = position_norm(model, data)
    set_start_scale(model, data)
    x, rows = torch.ones(3, 12, dtype=torch.float64), torch.arange(3)
    assert torch.allclose(own.place(x, rows), 2 * x + 0.5 / before * own.vectors[rows], rtol=1e-12)
