"""The encoder's blocks, by the names that `model.block` has. A new one is a file and a line here."""

from posrec.model.blocks.carca import CarcaBlock
from posrec.model.blocks.interface import Block
from posrec.model.blocks.ligr import LigrBlock
from posrec.model.blocks.sasrec import SasrecBlock

__all__ = ["BLOCKS", "Block", "CarcaBlock", "LigrBlock", "SasrecBlock"]

BLOCKS: dict[str, type[Block]] = {"carca": CarcaBlock, "sasrec": SasrecBlock, "ligr": LigrBlock}
