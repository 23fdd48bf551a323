"""Seeds for training, for evaluation and for stress, which never meet."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from lob_sim.errors import InputError
from lob_sim.rng import checked_seed

Split: TypeAlias = Literal["training", "evaluation", "stress"]
"""What a seed is for."""
SPLITS: Final[tuple[Split, ...]] = get_args(Split)
MOST_INDEX: Final = 2**31
"""Seeds of a split that an environment draws from when it is not told which."""


def market_seed(split: Split, index: int) -> int:
    """The seed of a market, ``3 * index + k`` with k = 0, 1, 2 for training, evaluation and stress.

    Residues of 3 keep the splits apart whatever the indices are.

    Raises:
        InputError: There is no such split, or the index is negative or no whole number.
    """
    if split not in SPLITS:
        raise InputError(f"expected one of {', '.join(SPLITS)}, got {split!r}", "split")
    return len(SPLITS) * checked_seed(index) + SPLITS.index(split)


def split_of(seed: int) -> Split:
    """What a market's seed is for."""
    return SPLITS[seed % len(SPLITS)]
