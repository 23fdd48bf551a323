"""What breaks the spiral: which intervention damps the crisis of the flagship, and by how much?

The crisis with everything on, and with one change at a time, each a packaged overlay (``lob-sim list overlays``):

- ``exemption``: Treasuries and reserves leave the leverage exposure (Federal Reserve, interim final rule, April 2020);
- ``purchases``: a central bank bids for Treasuries, 0.3% below the last sound price, while the market does not function
  (Duffie and Keane 2023);
- ``repo``: a standing facility lends against both instruments at the calm haircuts (Federal Reserve, July 2021);
- ``all_to_all``: half of the clients offer liquidity in the lit book before they take it (Chaboud et al. 2022,
  "All-to-All Trading in the U.S. Treasury Market");
- ``halt``: trading stops for two minutes when a price has left a band of 1% (a volatility halt);
- ``transparency``: every RFQ trade is public at once;
- ``batches``: call auctions every second in place of continuous trading (Budish, Cramton and Shim 2015).

Expected, before the first run on the whole system. The exemption takes away what makes most dealers sell, so it must
cut forced sales and the overshoot; less than in the first market, because funds have no leverage limit, are forced by
VaR and have half of what is sold. Purchases put a floor under Treasuries, into which most is sold, and must cut the
overshoot about to their discount in those seeds, about half, that spiral. The facility ends the rise of haircuts, the
smallest of the three constraints: a small effect. All-to-all trading adds bids that no fear withdraws, but clients'
orders are small beside what is sold: a somewhat smaller overshoot. A halt gives slow capital time, and keeps forced
sellers waiting with marks that no market supports: sign open. Transparency and batches: sign open; neither adds
capacity. Claimed are the first two alone. Common random numbers hold but for ``all_to_all``, whose clients draw one
number more each, so that its clients are others.

Learnt in the first market, with 16 seeds, before this was the flagship: both claims held; the exemption ended nearly
all forced sales and took 0.70 [0.24, 1.64] % of value off an overshoot of 0.96, purchases 0.32 [0.06, 0.89]; batches
deepened it by 2.2 [1.1, 3.9], because several forced sellers in one batch sized their orders to the same bids, which
they no longer do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from experiments.drawing import COLOURS, new_figure, save
from experiments.spiral import cells
from experiments.spiral.thesis import OUTCOMES
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row
from lob_sim.experiment.over_seeds import below
from lob_sim.scenario import Scenario, changed_scenario, scenario_to_dict
from lob_sim.sweep import bootstrap

NOTHING = "nothing"
_SOURCES = {
    "exemption": "Federal Reserve, interim final rule of April 2020",
    "purchases": "Duffie and Keane (2023)",
}
_OVERLAYS = {
    "exemption": "slr_exemption",
    "purchases": "purchases",
    "repo": "collateral_backstop",
    "all_to_all": "all_to_all",
    "halt": "halts",
    "transparency": "transparency",
    "batches": "batches",
}
"""Each intervention, and the packaged overlay that it is."""


def interventions(scenario: Scenario) -> dict[str, Scenario]:
    """The scenario as it is, and with each intervention."""
    plain = scenario_to_dict(scenario)
    found = {name: changed_scenario(plain, [overlay], (), scenario.name) for name, overlay in _OVERLAYS.items()}
    return {NOTHING: scenario, **found}


def run(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each intervention.")] = 16,
    horizon: Annotated[str, typer.Option(help="Simulated time of a run; the scenario's own if not given.")] = "",
) -> Outcome:
    """Run the crisis under each intervention, and compare with doing nothing seed by seed."""
    scenario = cells.flagship([f"horizon={horizon}"] if horizon else ())
    frames = cells.run_scenarios(interventions(scenario), seeds, "interventions")
    return Outcome(_rows(frames), lambda path: _draw(path, frames), [_table(frames)])


def _rows(frames: Mapping[str, pd.DataFrame]) -> list[Row]:
    return [
        below(
            f"overshoot below fair value (%): {name} less nothing",
            frames[name]["overshoot_pct"] - frames[NOTHING]["overshoot_pct"],
            0.0,
            source,
        )
        for name, source in _SOURCES.items()
    ]


_SHOWN = {**OUTCOMES, "forced_lots": "sold under a constraint (lots)"}


def _table(frames: Mapping[str, pd.DataFrame]) -> ResultTable:
    lines = [
        [name, *(bootstrap(frame[m] - (0 if name == NOTHING else frames[NOTHING][m])) for m in _SHOWN)]
        for name, frame in frames.items()
    ]
    title = "Doing nothing, and what each intervention changes: mean [95 % interval] over seeds, paired"
    return ResultTable(title, ["intervention", *_SHOWN.values()], lines)


def _draw(path: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    shown = ("overshoot_pct", "quote_absence", "forced_lots")
    figure, axes = new_figure(1, len(shown), sharey=True)
    changed = [name for name in frames if name != NOTHING]
    for axis, metric in zip(axes, shown, strict=True):
        for place, name in enumerate(reversed(changed)):
            found = bootstrap(frames[name][metric] - frames[NOTHING][metric])
            reach = [[found.value - found.low], [found.high - found.value]]
            axis.errorbar(found.value, place, xerr=reach, fmt="o", color=COLOURS[0], capsize=4)
        axis.axvline(0.0, color="black", linewidth=0.8)
        axis.set_xlabel(f"change in {_SHOWN[metric]}", fontsize="small")
    axes[0].set_yticks(range(len(changed)), list(reversed(changed)))
    save(figure, path)


EXPERIMENT = Experiment("interventions", run, quick={"seeds": 2, "horizon": "12min"})

if __name__ == "__main__":
    EXPERIMENT.main()
