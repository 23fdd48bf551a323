"""How the time of a run grows with its length, its dealers, its instruments and its traders: figures, no requirements.

``python -m tests.bench.growth``. Each line doubles one thing of a market of Glosten and Milgrom's dealers and
zero-intelligence traders, and leaves the rest as it is; both markets are run one after the other, the log thrown away.
"""

from __future__ import annotations

from lob_sim.log import NullRecorder
from lob_sim.scenario import Scenario, parse_scenario
from tests.bench.bench_log import run_time_s
from tests.bench.bench_simulation import medians


def market(minutes: int = 10, dealers: int = 6, instruments: int = 2, traders: int = 100) -> Scenario:
    """Dealers in every instrument, and traders who send one order in two seconds each, spread over the instruments."""
    connection = {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}}
    flow = {"limit_orders_per_s": 0.4 / instruments, "market_orders_per_s": 0.1 / instruments}
    groups = [
        ("dealer", "strategies.glosten_milgrom:GlostenMilgromDealer", dealers, {}),
        ("trader", "strategies.zero_intelligence:ZeroIntelligenceTrader", traders, flow),
    ]
    return parse_scenario(
        {
            "name": "growth",
            "horizon": f"{minutes}min",
            "instruments": [
                {"name": f"bond_{i}", "tick_size": 0.01, "lot_size": 1, "initial_price": 100}
                for i in range(instruments)
            ],
            "agents": [
                {"name": name, "strategy": strategy, "count": count, "connection": connection, "params": params}
                for name, strategy, count, params in groups
            ],
        }
    )


def main() -> None:
    """Print the table."""
    changes = {"length": {"minutes": 20}, "dealers": {"dealers": 12}, "instruments": {"instruments": 4}}
    changes["traders"] = {"traders": 200}
    markets = [market(), *(market(**change) for change in changes.values())]
    base_s, *others_s = medians(*(lambda m=m: run_time_s(m, lambda _: NullRecorder()) for m in markets))
    for name, other_s in zip(changes, others_s, strict=True):
        print(f"twice the {name}: {other_s / base_s:.2f} times ({other_s:.2f} s, {base_s:.2f} s)")


if __name__ == "__main__":
    main()
