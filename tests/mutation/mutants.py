"""Single faults of the engine, as changes of its source text, and engines that have them.

A mutant is loaded from the changed text under the real module names, which are put back at once: the real
engine and the mutants live side by side.
"""
# A fault stands on one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import lob_sim

_ROOT = Path(lob_sim.__file__).parent
_RELOADED = ("lob_sim.book", "lob_sim.venue")


@dataclass(frozen=True)
class Mutant:
    """One fault: ``old`` stands exactly once in the module and becomes ``new``."""

    name: str
    module: str
    old: str
    new: str


class MutantEngine:
    """The engine's classes, loaded with a fault."""

    def __init__(self, mutant: Mutant) -> None:
        with _fresh_modules(mutant):
            self.engine_class: Any = importlib.import_module("lob_sim.venue.matching").MatchingEngine
            self.band_class: Any = importlib.import_module("lob_sim.venue.bands").PriceBand


def mutated_source(mutant: Mutant) -> str:
    """The module's text with the fault.

    Raises:
        ValueError: The text to change does not stand there exactly once: the engine has moved on.
    """
    text = _path(mutant.module).read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"mutant {mutant.name!r}: its text stands {text.count(mutant.old)} times in {mutant.module}")
    return text.replace(mutant.old, mutant.new)


def _path(module: str) -> Path:
    return _ROOT.parent.joinpath(*module.split(".")).with_suffix(".py")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.source = mutated_source(mutant)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.mutant.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, f"<{self.mutant.name}>", "exec"), module.__dict__)


@contextmanager
def _fresh_modules(mutant: Mutant) -> Iterator[None]:
    finder = _Finder(mutant)
    kept = {name: module for name, module in sys.modules.items() if name.startswith(_RELOADED)}
    packages = {name: getattr(lob_sim, name) for name in ("book", "venue") if hasattr(lob_sim, name)}
    for name in kept:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith(_RELOADED)]:
            del sys.modules[name]
        sys.modules.update(kept)
        for name, package in packages.items():
            setattr(lob_sim, name, package)


_LEVEL, _SIDE, _STOPS = "lob_sim.book.level", "lob_sim.book.side", "lob_sim.book.stops"
_MATCHING, _TRADING, _AUCTION = "lob_sim.venue.matching", "lob_sim.venue.trading", "lob_sim.venue.auction"
_VALIDATION, _LEDGER, _ORDER = "lob_sim.venue.validation", "lob_sim.venue.client_order_ids", "lob_sim.book.order"

MUTANTS: tuple[Mutant, ...] = (
    Mutant("time priority: last in, first out", _MATCHING, "level.displayed.append(order)", "level.displayed.insert(0, order)"),
    Mutant("price priority: best bid is not moved up", _SIDE, "or key > keys[-1]", "or key < keys[-1]"),
    Mutant("price: trades at the taker's limit", _TRADING, "                makers.drop_level(level)\n", "                makers.drop_level(level)\n            price_ticks = limit_ticks\n"),
    Mutant("limit: a sell trades one tick below it", _TRADING, "price_ticks < limit_ticks:", "price_ticks < limit_ticks - 1:"),
    Mutant("limit: equal prices do not trade", _MATCHING, "best.price_ticks <= price_ticks:", "best.price_ticks < price_ticks:"),
    Mutant("remainder: a market order's rest stays", _TRADING, "if order.has_limit and (special is None or special.time_in_force is _GTC):", "if special is None or special.time_in_force is _GTC:"),
    Mutant("remainder: an IOC order's rest stays", _TRADING, "if order.has_limit and (special is None or special.time_in_force is _GTC):", "if order.has_limit:"),
    Mutant("remainder: wrong reason", _TRADING, "CancelReason.IOC_REMAINDER if order.has_limit", "CancelReason.IOC_REMAINDER if not order.has_limit"),
    Mutant("partial fill: the maker loses one lot more", _LEVEL, "open_lots = order.open_lots - qty_lots\n", "open_lots = order.open_lots - qty_lots - (order.open_lots > qty_lots + 1)\n"),
    Mutant("hidden before displayed", _LEVEL, "        if self.shown_lots:\n", "        if self.shown_lots and not any(order.open_lots for order in self.hidden):\n"),
    Mutant("iceberg: a refilled slice keeps its place", _LEVEL, "        self.append(order)\n", "        self._first -= 1\n        self.n_dead -= 1\n        self.dark_lots += order.reserve_lots\n        self.shown_lots += order.slice_lots\n"),
    Mutant("iceberg: the refill shows everything", _LEVEL, "        order.set_reserve()\n", "        order.special.reserve_lots = 0\n"),
    Mutant("iceberg: a reduce takes from the slice", _LEVEL, "min(special.reserve_lots, qty_lots)", "max(0, special.reserve_lots - order.open_lots + 1) if special.reserve_lots else 0"),
    Mutant("iceberg: a refill miscounts the reserve", _LEVEL, "self.dark_lots -= order.open_lots\n", "self.dark_lots -= order.open_lots - 1\n"),
    Mutant("STP: ignored", _TRADING, "prevents = taker.self_trade is not _NO_PREVENTION", "prevents = False"),
    Mutant("STP: cancel both spares the taker", _TRADING, "if mode is not SelfTradePrevention.CANCEL_MAKER:\n            lost", "if mode is not SelfTradePrevention.CANCEL_MAKER and mode is not SelfTradePrevention.CANCEL_BOTH:\n            lost"),
    Mutant("STP: cancel taker cancels the maker too", _TRADING, "if mode is not SelfTradePrevention.CANCEL_TAKER:\n", "if True:\n"),
    Mutant("STP: decrement takes the larger quantity", _TRADING, "min(taker.open_lots, maker.open_lots) if mode", "min(taker.open_lots, maker.open_lots - maker.reserve_lots) if mode"),
    Mutant("STP: the maker's mode rules", _TRADING, "mode = taker.self_trade\n        both", "mode = maker.self_trade or taker.self_trade\n        both"),
    Mutant("FOK: never killed", _TRADING, "self._takeable_lots(order) < order.open_lots", "False"),
    Mutant("FOK: killed at exactly enough", _TRADING, "self._takeable_lots(order) < order.open_lots", "self._takeable_lots(order) <= order.open_lots"),
    Mutant("FOK: counts own orders", _TRADING, "own_lots = 0 if mode is _NO_PREVENTION else level.lots_of(agent_id)", "own_lots = 0"),
    Mutant("FOK: counts displayed quantity only", _TRADING, "level.total_lots - own_lots", "level.shown_lots - own_lots"),
    Mutant("FOK: ignores the band", _TRADING, "if lots and not self._low", "if False and not self._low"),
    Mutant("FOK: reserves count before an own order", _LEVEL, "ahead_lots += order.slice_lots", "ahead_lots += order.open_lots"),
    Mutant("post-only: may trade", _MATCHING, "if command.post_only and phase is _CONTINUOUS and", "if False and"),
    Mutant("post-only: forgotten by a replace", _MATCHING, "if flaw is None and order.post_only and", "if False and"),
    Mutant("stops: fire in order of price", _STOPS, "self.triggered[order.arrival] = order\n\n", "self.triggered[order.stop_price_ticks * 10**6 + order.arrival] = order\n\n"),
    Mutant("stops: trigger beyond their price only", _STOPS, "peekitem(0)[0][0] <= reached", "peekitem(0)[0][0] < reached"),
    Mutant("stops: only the last print triggers", _TRADING, "on_prints(first_ticks, last_ticks)", "on_prints(last_ticks, last_ticks)"),
    Mutant("stops: one already through waits", _STOPS, "if last_price_ticks and", "if False and"),
    Mutant("stops: fire before continuous trading", _TRADING, "while self.triggered and self.phase is _CONTINUOUS:", "while self.triggered and self.phase is not Phase.CLOSED:"),
    Mutant("stops: one fires per command", _TRADING, "            self.enter(order, ts_ns, events)\n\n", "            self.enter(order, ts_ns, events)\n            break\n\n"),
    Mutant("replace: always keeps its place", _MATCHING, "price_ticks == order.price_ticks and qty_lots <= order.open_lots", "price_ticks == order.price_ticks"),
    Mutant("replace: never keeps its place", _MATCHING, "price_ticks == order.price_ticks and qty_lots <= order.open_lots", "price_ticks == order.price_ticks and qty_lots < order.open_lots"),
    Mutant("replace: a better price keeps its arrival", _MATCHING, "price_ticks, qty_lots, arrival,\n", "price_ticks, qty_lots, order.arrival,\n"),
    Mutant("replace: what was special is forgotten", _MATCHING, "order.self_trade, order.special,\n", "order.self_trade, None,\n"),
    Mutant("replace: self-trade prevention is forgotten", _MATCHING, "order.self_trade, order.special,\n", "SelfTradePrevention.NONE, order.special,\n"),
    Mutant("reduce: at the open quantity one lot stays", _MATCHING, "min(qty_lots, order.open_lots)", "min(qty_lots, max(1, order.open_lots - 1))"),
    Mutant("auction: least imbalance before volume", _AUCTION, "return -min(buy_lots, sell_lots), abs(buy_lots - sell_lots), distance", "return abs(buy_lots - sell_lots), -min(buy_lots, sell_lots), distance"),
    Mutant("auction: imbalance does not matter", _AUCTION, "return -min(buy_lots, sell_lots), abs(buy_lots - sell_lots), distance", "return -min(buy_lots, sell_lots), 0, distance"),
    Mutant("auction: the reference does not matter", _AUCTION, "distance_ticks = abs(price_ticks - reference_ticks)", "distance_ticks = 0"),
    Mutant("auction: the higher of two equal prices", _AUCTION, "distance_ticks, price_ticks\n", "distance_ticks, -price_ticks\n"),
    Mutant("auction: only limit prices are tried", _AUCTION, "{price_ticks - step_ticks, price_ticks, price_ticks + step_ticks}", "{price_ticks}"),
    Mutant("auction: hidden quantity does not count", _AUCTION, "level.total_lots for level", "level.shown_lots or level.total_lots for level"),
    Mutant("auction: the earlier order is the aggressor", _TRADING, "if buy.arrival > sell.arrival", "if buy.arrival < sell.arrival"),
    Mutant("auction: what was in for it only stays", _TRADING, "for order in self._for_auction:\n            if order.open_lots:\n                events", "for order in []:\n            if order.open_lots:\n                events"),
    Mutant("auction: the reference stays", _TRADING, "            self.set_reference(price_ticks)\n", ""),
    Mutant("phase: the close does not uncross", _TRADING, "goes_on = phase is _HALTED or", "goes_on = phase is _HALTED or phase is Phase.CLOSED or"),
    Mutant("phase: a halt uncrosses the call before it", _TRADING, "goes_on = phase is _HALTED or (", "goes_on = ("),
    Mutant("band: the upper bound is not in it", _TRADING, "if not low_ticks <= price_ticks <= high_ticks", "if not low_ticks <= price_ticks < high_ticks"),
    Mutant("band: no lower bound", _TRADING, "if not low_ticks <= price_ticks <= high_ticks", "if price_ticks > high_ticks"),
    Mutant("band: the halt does not say until when", _TRADING, "ts_ns + self._band.halt_at(ts_ns)", "self._band.halt_at(ts_ns)"),
    Mutant("ids: the highest id alone counts", _LEDGER, "        gap = bisect_right(self._gap_starts, client_order_id) - 1\n        return gap", "        return True\n        gap = 0\n        return gap"),
    Mutant("ids: a left-out id is used up", _LEDGER, "return gap < 0 or client_order_id > self._gap_ends[gap]", "return gap < 0 or client_order_id >= self._gap_ends[gap]"),
    Mutant("ids: duplicates of the newest id pass", _MATCHING, "elif client_order_id <= ledger.last_id and", "elif client_order_id < ledger.last_id and"),
    Mutant("owner: anybody may cancel", _MATCHING, "if order is None or order.agent_id != command.agent_id:\n            order = ", "if order is None:\n            order = "),
    Mutant("validation: a boolean is a quantity", _VALIDATION, "if type(qty_lots) is not int or", "if not isinstance(qty_lots, int) or"),
    Mutant("validation: the grid is not looked at", _VALIDATION, "        if step_ticks != 1 and price_ticks % step_ticks:\n            return RejectReason.OFF_GRID\n    elif", "    elif"),
    Mutant("validation: the grid is not looked at on the short way", _MATCHING, " or price_ticks % self._step_ticks:", ":"),
    Mutant("iceberg: the spent slice's entry stays at the front", _LEVEL, "        self._first += 1\n", ""),
    Mutant("cancel: a special order's reserve stays", _SIDE, "level.dark_lots -= special.reserve_lots\n", "pass\n"),
    Mutant("closed: orders are taken", _MATCHING, "(phase is _CLOSED or time_in_force is _FOK)", "time_in_force is _FOK"),
)  # fmt: skip
"""One fault each; its name says which."""


def caught_by(mutant: Mutant, seeds: Sequence[int], n_operations: int) -> str:
    """How the differential check catches a mutant, or "" if it does not."""
    from differential import DivergenceError, run

    loaded = MutantEngine(mutant)
    for seed in seeds:
        try:
            run(seed, n_operations, 5, loaded.engine_class, make_band=loaded.band_class)
        except DivergenceError as divergence:
            return str(divergence)
    return ""
