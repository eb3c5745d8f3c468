"""An encoding of one's own that reads times: queries and keys turned by the days since the data set began."""

import torch

from posrec.model.encodings import Encoding, register


@register("own_time_rotary", "time", slowest=365.0)
class OwnTimeRotary(Encoding):
    reads_times = True  # `encode` and `rotate` get `times`, in days

    def __init__(self, shape, generator, slowest=365.0):
        super().__init__(shape, generator)
        count = shape.dimension // shape.heads // 2
        self.days = slowest ** (torch.arange(count, dtype=torch.float64) / count)  # of each pair's turn by a radian
        self.speed = torch.nn.Parameter(torch.ones(shape.blocks, count))

    def rotate(self, x, rows, block, times=None):  # x: (T, H, Dh); times: (T,) float64
        angle = (times[:, None] / self.days * self.speed[block])[:, None]  # (T, 1, Dh / 2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
