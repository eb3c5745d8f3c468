"""Simulated studies of whole designs, for rules_coverage: users crossed with seeds, data sets over sources, choices.

It also holds the two other ways of adding seeds that were compared: AdaStop's permutations (arXiv 2306.10882) and an
asymptotic confidence sequence.
"""

from collections.abc import Iterator

import numpy as np

from posrec.analysis.stats import blocks, choice, crossed, meta, sequential

HELD, WRONG, POWER = ">= 0.93", "<= 0.05", ""
Row = tuple[str, str, int, float, str]


def rows(studies: int) -> Iterator[Row]:
    """All rows of this file."""
    yield from _crossed(studies)
    yield from _meta(4 * studies)
    yield from _choices(studies)
    yield from _looks(studies)


def _crossed(studies: int) -> Iterator[Row]:
    for n in (3, 5, 10):
        for user in (0.5, 2.0):
            generator = np.random.default_rng([n, int(10 * user)])
            held = 0
            for _ in range(studies):
                values = 0.2 * generator.standard_normal((n, 1)) + user * generator.standard_normal((1, 150))
                found = crossed.lead(values + 2 * generator.standard_normal((n, 150)))
                held += found is not None and found.low <= 0 <= found.high
            yield "crossed users: interval holds", f"seed sd 0.2, user sd {user:g}", n, held / studies, HELD


def _meta(studies: int) -> Iterator[Row]:
    for k in (3, 4, 6, 10):
        for tau in (0.0, 1.0):
            generator = np.random.default_rng([k, int(tau)])
            mean = new = 0
            for _ in range(studies):
                errors = generator.uniform(0.3, 1.0, k)
                effects = tau * generator.standard_normal(k) + errors * generator.standard_normal(k)
                found = meta.pooled(effects, errors, [str(i) for i in range(k)])
                mean += found.low <= 0 <= found.high
                new += found.new_low <= tau * generator.standard_normal() <= found.new_high
            yield "data sets: interval of the mean holds", f"tau {tau:g}", k, mean / studies, HELD
            yield "data sets: prediction interval holds", f"tau {tau:g}", k, new / studies, HELD


def _choices(studies: int) -> Iterator[Row]:
    for n in (5, 10, 20):
        generator = np.random.default_rng([n, 9])
        found = [choice.choose(choice.mean_draws(generator.standard_normal((n, 9)), 500), 0.1) for _ in range(studies)]
        sure = np.mean([one.best.max() >= 0.95 for one in found])
        yield "choice: some P(best) >= .95 of nine equal ones", "normal", n, float(sure), WRONG


def _looks(studies: int) -> Iterator[Row]:
    for effect in (0.0, 1.0, 2.0):
        generator = np.random.default_rng([8, int(effect)])
        stops: dict[str, list[int]] = {"AdaStop": [], "confidence sequence": [], "repeated intervals": []}
        for _ in range(studies):
            scores = generator.standard_normal((25, 9))
            scores[:, 1] += effect * 2**0.5
            differences = blocks.against(scores, 0)
            stops["AdaStop"].append(_adastop(differences, effect == 0))
            stops["confidence sequence"].append(_confidence_sequence(differences, effect == 0))
            last = sequential.follow([differences], np.zeros(8))[-1].decided_at
            stops["repeated intervals"].append(max(last) if effect == 0 else last[0])
        for name, found in stops.items():
            bound = WRONG if effect == 0 and name == "repeated intervals" else POWER
            shape = f"normal, 8 comparisons, effect {effect:g} sd"
            yield f"looks compared: {name} finds", shape, 25, float(np.mean(np.array(found) > 0)), bound
            seeds = float(np.mean(np.where(np.array(found) > 0, found, 25)))
            yield f"looks compared: {name}, mean seeds", shape, 25, seeds, POWER


def _adastop(differences: np.ndarray, any_of: bool) -> int:
    """Seeds at which the first comparison (or any) is found by permutations over all looks; 0 if never."""
    flips = blocks.signs(25, 1_999, np.random.default_rng(1))
    alive, used = np.ones(len(flips), bool), 0
    for seeds in sequential.LOOKS:
        z = np.abs(blocks.t_like(differences[:seeds], flips[:, :seeds], 0.0))
        largest = np.where(alive, z.max(axis=1), -1.0)
        allowed = int(len(flips) * sequential.spent(seeds / 25, 0.05)) - used
        bound = np.sort(largest)[::-1][allowed]
        if (z[0].max() if any_of else z[0, 0]) > bound + 1e-9:
            return int(seeds)
        crossed_now = alive & (largest > bound + 1e-9)
        used += int(crossed_now.sum())
        alive &= ~crossed_now
    return 0


def _confidence_sequence(differences: np.ndarray, any_of: bool) -> int:
    """The same by the asymptotic confidence sequence of Waudby-Smith et al. (2021), tuned to 12 seeds."""
    alpha = 0.05 / differences.shape[1]
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / 12
    for seeds in sequential.LOOKS:
        part = differences[:seeds]
        scale = (seeds * rho2 + 1) / (seeds**2 * rho2)
        half = part.std(axis=0, ddof=1) * np.sqrt(2 * scale * np.log(np.sqrt(seeds * rho2 + 1) / alpha))
        beyond = np.abs(part.mean(axis=0)) > half
        if beyond.any() if any_of else beyond[0]:
            return int(seeds)
    return 0
