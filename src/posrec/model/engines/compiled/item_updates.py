"""AdamW of the item embedding in one pass over its rows, from the sparse gradient of a batch."""

import numpy as np
import torch
from torch import nn

from posrec.model.engines.compiled import loops
from posrec.model.ops.item_updates import sparse_gradient
from posrec.model.ops.plain import ItemUpdate


class RowUpdate(ItemUpdate):
    """Without a dense gradient. The moments are in the state of torch's AdamW, so that checkpoints hold them."""

    def __init__(self, embedding: nn.Parameter, optimiser: torch.optim.AdamW) -> None:
        self.embedding, self.optimiser = embedding, optimiser
        moments = {name: torch.zeros_like(embedding) for name in ("exp_avg", "exp_avg_sq")}
        optimiser.state[embedding] = {"step": torch.zeros(()), **moments}
        self.places = np.full(len(embedding), -1)  # of each row's gradient in the batch

    def before_step(self) -> None:
        """Move the embedding, and leave no gradient of it to torch's AdamW."""
        rows, gradients = sparse_gradient(self.embedding)
        state, settings = self.optimiser.state[self.embedding], self.optimiser.param_groups[0]
        state["step"] += 1
        places, number = rows.numpy(), gradients.numpy().dtype.type
        self.places[places] = np.arange(len(places))
        table, mean, square = (x.detach().numpy() for x in (self.embedding, state["exp_avg"], state["exp_avg_sq"]))
        (beta1, beta2), steps, rate = settings["betas"], float(state["step"]), settings["lr"]
        step = loops.AdamStep(
            size=number(rate / (1 - beta1**steps)),
            decay=number(1 - rate * settings["weight_decay"]),
            beta1=number(beta1),
            rest1=number(1 - beta1),
            beta2=number(beta2),
            rest2=number(1 - beta2),
            correction=number(1 / (1 - beta2**steps) ** 0.5),
            smallest=number(settings["eps"]),
        )
        loops.adamw(table, mean, square, self.places, gradients.numpy(), step)
        self.places[places] = -1
        self.embedding.grad = None
