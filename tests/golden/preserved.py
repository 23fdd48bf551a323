"""Digests of the market's datasets: what a change of structure may not touch.

A golden log (see ``test_golden.py``) holds every byte of one small run. These digests hold what happened in the markets
that claims rest on, column by column and without row numbers, so that a log which says *more* still compares.
``python -m tests.golden.preserved`` compares, and with ``--renew`` keeps today's, where a change of behaviour is meant.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.spiral.cells import factorial, first_market, flagship
from lob_sim import Run, Scenario, load_scenario, run
from lob_sim.log.schema import message_types
from lob_sim.messages import Command
from tests.golden.renew import golden_scenario

KEPT = Path(__file__).parent / "preserved.json"
DATASETS = (
    *("new_order", "cancel_order", "reduce_order", "replace_order", "set_phase"),
    *("order_accepted", "order_rejected", "order_canceled", "order_replaced", "order_filled", "order_triggered"),
    *("trade", "auction_uncrossed", "phase_changed"),
    *("request_quote", "submit_quote", "decline_quote", "accept_quote", "walk_away", "expire_rfqs"),
    *("rfq_opened", "rfq_quoted", "rfq_declined", "rfq_traded", "rfq_closed", "rfq_rejected", "rfq_print"),
    *("belief", "quote", "retreat", "return", "fair_value", "news"),
    *("balance_sheet", "mark", "constraint_breached", "constraint_cured", "dealer_defaulted", "redemption"),
    *("parent_order_opened", "parent_order_changed", "parent_order_closed", "loss_attributed"),
)
Digests = Mapping[str, Mapping[str, str]]
"""A digest of every column, by dataset and column."""


def _cell(name: str) -> Scenario:
    return factorial(first_market())[name]


def cases() -> dict[str, Callable[[], Scenario]]:
    """The scenarios that are compared, by name; each is made when it is asked for."""
    cells = {f"first_market: {name}": name for name in factorial(first_market())}
    return {
        "golden": golden_scenario,
        "dealer_market": lambda: load_scenario("dealer_market"),
        **{title: partial(_cell, name) for title, name in cells.items()},
        "whole_system": flagship,
    }


def column_digest(column: pd.Series) -> str:
    """First 16 digits of the SHA-256 of a column in its order: numbers by their bytes, anything else as text."""
    values = column.to_numpy()
    if values.dtype.kind in "iufb":
        return hashlib.sha256(values.dtype.str.encode() + values.tobytes()).hexdigest()[:16]
    return hashlib.sha256("\0".join(map(repr, column.tolist())).encode()).hexdigest()[:16]


def digests_of(logged: Run) -> dict[str, dict[str, str]]:
    """The digests of a run's datasets, of those that have rows; the row number is none of the columns."""
    commands = [name for name, message_type in message_types().items() if issubclass(message_type, Command)]
    seqs = np.sort(np.concatenate([logged.table(name)["seq"].to_numpy(np.int64) for name in commands]))
    found = {}
    for name in DATASETS:
        table = logged.table(name)
        if len(table):
            if "cause_seq" in table:
                # Which command it was, and not which row: a log that says more has other row numbers.
                table = table.assign(cause_seq=np.searchsorted(seqs, table["cause_seq"], side="right"))
            found[name] = {str(c): column_digest(table[c]) for c in table.columns if c != "seq"}
    return found


def differences(kept: Digests, now: Digests) -> list[str]:
    """What is not as it was: datasets and columns that are gone, new rows in one that was empty, other values."""
    lines = [f"{name}: had no rows" for name in now if name not in kept]
    for name, columns in kept.items():
        today = now.get(name, {})
        lines += [
            f"{name}.{c}: {'differs' if c in today else 'is gone'}" for c in columns if today.get(c) != columns[c]
        ]
    return lines


def compare(case: str) -> list[str]:
    """How today's program differs from what is kept, in one case."""
    return differences(json.loads(KEPT.read_text())[case], digests_of(run(cases()[case]())))


def main() -> int:
    """Compare every case, or keep today's digests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renew", action="store_true", help="keep today's digests")
    parser.add_argument("--only", choices=list(cases()), action="append", help="a case; all if none is given")
    chosen = parser.parse_args()
    names = chosen.only or list(cases())
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    code = 0
    for name in names:
        now = digests_of(run(cases()[name]()))
        lines = differences(kept.get(name, {}), now)
        print(f"{name}: {'as it was' if not lines else f'{len(lines)} columns differ'}", *lines[:20], sep="\n  ")
        code |= bool(lines)
        kept[name] = now
    if chosen.renew:
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
