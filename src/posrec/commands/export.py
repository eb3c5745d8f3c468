"""`posrec export`: write a trained model into a folder that recommends without the study."""

import argparse

from posrec.serve import choose
from posrec.serve.export import export
from posrec.study.study import load


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    study = load(arguments.study)
    chosen = [getattr(arguments, key) for key in ("encoding", "dataset", "settings", "protocol")]
    cell = choose.cell_of(study, *chosen)
    config = export(study, cell, arguments.out, arguments.seeds, arguments.with_histories).config
    full = config["metrics"]["test"]["full"]
    print(
        f"{arguments.out}: {config['encoding']} on {config['dataset']}, {config['data']['items']:,} items, seeds "
        f"{', '.join(map(str, config['seeds']))}; test Hit@10 {100 * full['Hit@10']:.2f} %, NDCG@10 "
        f"{100 * full['NDCG@10']:.2f} % on the full catalogue; see {arguments.out / 'README.md'}"
    )
