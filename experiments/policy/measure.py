"""What the policy lab measures of a run, from the moment of decision to the end.

*Off value*: a price that was dealt, on the book or by request, off fair value at that time, in the direction in which
the episode goes, in per cent of value. *Gains by dealing* are valued at the end: what somebody bought is worth fair
value then, whatever was paid; among all who trade they add up to zero, exactly. What their holdings gain or lose
because value moves no policy changes, and is told apart from it; the two together are profit and loss from the moment
on. Swaps and futures, which nobody trades on a market, are in neither.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

from experiments.policy.ways import CLASSES, PUBLIC
from experiments.spiral.measure import fair_values, mids
from lob_sim.analysis.amplification import failures, forced_volume_lots
from lob_sim.analysis.calm import rms_distance, warm_up
from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import Floats, Ints, floats, ints
from lob_sim.log import Run
from lob_sim.log.executions import opening_lots
from lob_sim.units import NS_PER_S, Instrument, Ns

RECOVERED_PCT = 0.2
"""Nearer to value a price has recovered: what :func:`lob_sim.analysis.summary.crisis_metrics` takes too."""
_FINE = 1 << 20
"""Fair values are taken to the nearest 2^-20 of a tick, so that sums of gains are exact."""
_MILLION = 1e6


class Lens(msgspec.Struct, frozen=True):
    """How an episode's runs are looked at.

    Attributes:
        at_ns: The moment of decision.
        instrument: The safe asset.
        side: -1 where its price falls below value, 1 where it rises above.
        classes: Group → class.
    """

    at_ns: Ns
    instrument: str
    side: int
    classes: dict[str, str]


def policy_metrics(run: Run, lens: Lens) -> dict[str, float]:
    """All of it, flat; amounts in millions of currency units.

    ``overshoot_pct``: furthest off value that the safe asset was dealt; ``anywhere_pct`` any instrument.
    ``recovery_s``: from the moment to its last trade more than 0.2% off; ``unrecovered``: 1 if that was in the last
    twentieth of the time. ``half_s``: from the worst of its lit mid until half of that is gone, or the rest of the
    time. ``calm_rms_pct``: root mean square of its mid less value before the moment. ``forced``: sold under
    constraints. ``redeemed``: paid to funds' investors. ``failures``, and ``creditors``: what those of the failed lost.
    ``gain.CLASS`` by dealing, ``held.CLASS`` on what was held at the moment, ``gain_sum`` all gains by dealing
    together, in 2^-20 units of cash. ``spent``: the most that the central bank had spent at a time, net. ``lent``: the
    most that its facility had lent.
    """
    # The last row, and not a horizon in the night after it, in which nothing recovers.
    end_ns = int(run.manifest.last_ts_ns) + 1
    at_ns = min(lens.at_ns, end_ns - 1)
    found = _prices(run, lens, at_ns, end_ns) | _distress(run, at_ns)
    found |= _gains(run, lens, at_ns) | _public(run, lens, at_ns)
    return {name: float(value) for name, value in found.items()}


def _prices(run: Run, lens: Lens, at_ns: Ns, end_ns: Ns) -> dict[str, float]:
    dealt = run.executions[run.executions["ts_event_ns"] >= at_ns]
    worst, recovery = {}, 0.0
    for instrument in run.header.instruments:
        own = of(dealt, instrument.instrument_id)
        times = ints(own, "ts_event_ns")
        value = fair_values(run, instrument.instrument_id, times)
        off = 100 * lens.side * (floats(own, "price_ticks") / value - 1)
        worst[instrument.name] = max(0.0, float(off.max())) if off.size else 0.0
        if instrument.name == lens.instrument and (off > RECOVERED_PCT).any():
            recovery = (int(times[off > RECOVERED_PCT].max()) - at_ns) / NS_PER_S
    stake = next(i.instrument_id for i in run.header.instruments if i.name == lens.instrument)
    calm = _ratios(run, stake, warm_up(at_ns), at_ns)
    after = np.nan_to_num(100 * lens.side * (_ratios(run, stake, at_ns, end_ns) - 1))
    return {
        "overshoot_pct": worst[lens.instrument],
        "anywhere_pct": max(worst.values()),
        "recovery_s": recovery,
        "unrecovered": float(recovery * NS_PER_S > 0.95 * (end_ns - at_ns)),
        "half_s": half_life_s(after),
        "calm_rms_pct": 100 * rms_distance(calm[np.isfinite(calm)], np.ones(int(np.isfinite(calm).sum()))),
    }


def _ratios(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> Floats:
    """The lit mid over value, every second; NaN before there is one."""
    grid: Ints = np.arange(start_ns, end_ns, NS_PER_S, dtype=np.int64)
    return mids(run, instrument_id, grid) / fair_values(run, instrument_id, grid)


def half_life_s(off: Floats) -> float:
    """Seconds from the largest of a path of one value a second until half of it is gone, or to its end."""
    worst = int(off.argmax())
    back = np.flatnonzero(off[worst:] <= off[worst] / 2)
    return float(back[0] if back.size else off.size - worst)


def _distress(run: Run, at_ns: Ns) -> dict[str, float]:
    parents, orders, fills = (run.table(name) for name in ("parent_order_opened", "new_order", "order_filled"))
    fills, deals = (table[table["ts_event_ns"] >= at_ns] for table in (fills, run.rfq_trades))
    forced = sum(
        forced_volume_lots(*(of(table, i.instrument_id) for table in (parents, orders, fills, deals))) * _lot(run, i)
        for i in run.header.instruments
    )
    defaults, losses = run.table("dealer_defaulted"), run.table("loss_attributed")
    borne = losses[losses["bearer"] != "shareholders"]
    left = run.table("redemption")
    left = left[left["ts_event_ns"] >= at_ns]
    money = float(run.header.money_unit) / _MILLION
    return {
        "forced": forced / _MILLION,
        "failures": failures(defaults[defaults["ts_event_ns"] >= at_ns]),
        "redeemed": float(floats(left, "redeemed_cash").sum()) * money,
        "creditors": float(floats(borne, "loss_cash").sum()) * money,
    }


def _lot(run: Run, instrument: Instrument) -> float:
    """Value of a lot at its opening fair value, in currency units."""
    first = float(fair_values(run, instrument.instrument_id, np.zeros(1, np.int64))[0])
    return first * instrument.cash_per_tick_lot * float(run.header.money_unit)


def _gains(run: Run, lens: Lens, at_ns: Ns) -> dict[str, float]:
    group_of = {agent.agent_id: agent.group for agent in run.header.agents}
    gains, held = dict.fromkeys(CLASSES, 0), dict.fromkeys(CLASSES, 0)
    opening = opening_lots(run.header)
    unit = float(run.header.money_unit) / _FINE / _MILLION
    for instrument in run.header.instruments:
        i, worth = instrument.instrument_id, instrument.cash_per_tick_lot
        fair = of(run.table("fair_value"), i)
        fine = np.rint(floats(fair, "value_ticks") * _FINE).astype(np.int64)
        before = int(np.searchsorted(ints(fair, "ts_event_ns"), at_ns, side="left"))
        last, then = int(fine[-1]), int(fine[max(0, before - 1)])
        own = of(run.executions, i)
        signed = ints(own, "side") * ints(own, "qty_lots")
        brought = signed * (last - ints(own, "price_ticks") * _FINE)
        past = ints(own, "ts_event_ns") < at_ns
        table = pd.DataFrame({"agent": ints(own, "agent_id"), "lots": signed * past, "gain": brought * ~past})
        for agent_id, row in table.groupby("agent").sum().iterrows():
            gains[lens.classes[group_of[int(str(agent_id))]]] += int(row["gain"]) * worth
            held[lens.classes[group_of[int(str(agent_id))]]] += int(row["lots"]) * (last - then) * worth
        for (agent_id, instrument_id), lots in opening.items():
            if instrument_id == i:
                held[lens.classes[group_of[agent_id]]] += lots * (last - then) * worth
    told = {f"gain.{name}": amount * unit for name, amount in gains.items()}
    return told | {f"held.{name}": amount * unit for name, amount in held.items()} | {"gain_sum": sum(gains.values())}


def _public(run: Run, lens: Lens, at_ns: Ns) -> dict[str, float]:
    money = float(run.header.money_unit) / _MILLION
    public = [agent.agent_id for agent in run.header.agents if lens.classes[agent.group] == PUBLIC]
    own = run.executions[run.executions["agent_id"].isin(public) & (run.executions["ts_event_ns"] >= at_ns)]
    worth = {i.instrument_id: i.cash_per_tick_lot for i in run.header.instruments}
    paid = ints(own, "side") * ints(own, "qty_lots") * ints(own, "price_ticks")
    paid = paid * own["instrument_id"].map(worth).to_numpy(np.int64)
    lent = []
    for name, sign in (("loan_borrowed", 1), ("loan_repaid", -1)):
        loans = run.table(name)
        loans = loans[loans["lender_id"].isin(public)]
        lent.append(pd.DataFrame({"seq": ints(loans, "seq"), "cash": sign * ints(loans, "amount_cash")}))
    owed = ints(pd.concat(lent).sort_values("seq", kind="stable"), "cash").cumsum()
    return {
        "spent": float(paid.cumsum().max(initial=0)) * money,
        "lent": float(owed.max(initial=0)) * money,
    }
