"""What does a client pay who asks n dealers with private costs for a quote?

Dealers draw a cost uniform on [0, 1] for each request and bid the symmetric equilibrium of a sealed first-price
auction, c + (1-c)/n, through the RFQ venue; the client deals with the best. One client asks again and again.

Source: Vickrey (1961), "Counterspeculation, auctions, and competitive sealed tenders", J. Finance 16; for RFQ, Riggs,
Onur, Reiffen and Zhu (2020), J. Financial Economics 137.

Expected, before the first run: the best quote is 2/(n+1) on average, with the standard deviation of (n-1)/n times the
lowest of n uniform costs; it comes from the dealer with the lowest cost, 1/(n+1) on average; the difference, 1/(n+1),
is what the winner earns. By revenue equivalence the best quote is on average the second lowest cost. It is an
equilibrium: a dealer who marks up by ``--shading`` times as much as the others, with their draws unchanged, earns
less, and as much as the integral over its costs says. With one dealer the client pays its reservation value, 1.
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.common import group, market, new_figure, save, seconds, taped
from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import Inquiries
from lob_sim.agents.strategy import Strategy
from lob_sim.experiment import Experiment, Outcome, Row, agrees, identical, mean_of, run_cells
from lob_sim.messages import RfqClosed, RfqDeclined, RfqQuoted, RfqTraded, Side
from lob_sim.rng import Stream
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S
from strategies.rfq_dealer import PrivateCostAnswers

if TYPE_CHECKING:
    import pandas as pd

HERE = "experiments.validation.rfq_competition"
SOURCE = "Vickrey 1961"
SCALE_TICKS = 10**6
MID_TICKS = 10**8
_SHADES = "dealer-01-1"
"""The dealer that may deviate."""


class ShadedAnswers(PrivateCostAnswers):
    """Those of a dealer in a first-price tender who marks up by a multiple of what the equilibrium says."""

    class Params(PrivateCostAnswers.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            shading: Multiple of the mark-up beyond cost; 1 is the equilibrium.
        """

        shading: Annotated[float, msgspec.Meta(ge=0)] = 1.0

    params: Params

    def markup_ticks(self, cost_ticks: float, dealers: int) -> float:
        return cost_ticks + self.params.shading * (super().markup_ticks(cost_ticks, dealers) - cost_ticks)


class Client(Strategy):
    """Asks every dealer to sell it one lot, once a second, and deals with the best within its reservation value."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            requests: How often.
        """

        requests: int

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.inquiries = Inquiries()
        self.asked = 0

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag > 0:
            self.inquiries.on_patience_over(ctx, tag)
            return
        limit = MID_TICKS + SCALE_TICKS
        self.inquiries.ask(ctx, 0, Side.BUY, 1, limit, dealer_ids=ctx.dealers, patience_ns=NS_PER_S // 10)
        self.asked += 1
        if self.asked < self.params.requests:
            ctx.wake_in(NS_PER_S)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        self.inquiries.on_quote(ctx, quote)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        self.inquiries.on_decline(ctx, event)

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        self.inquiries.on_close(ctx, event)


def one_market(spec: TaskSpec) -> dict[str, float]:
    """One client's requests: sums over them of quotes, costs and profits, with one dealer shading."""
    o = spec.overrides
    dealers, requests, shading = int(o["dealers"]), int(o["requests"]), float(o["shading"])
    scenario = market(
        seconds(requests + 2),
        [
            group("client", f"{HERE}:Client", requests=requests),
            *(
                group(
                    f"dealer-{k:02d}",
                    "strategies.rfq_dealer:RfqDealer",
                    rfq_policy={
                        "kind": f"{HERE}:ShadedAnswers",
                        "cost_scale_ticks": float(SCALE_TICKS),
                        "shading": shading if k == 1 else 1.0,
                    },
                )
                for k in range(1, dealers + 1)
            ),
        ],
        tick="0.00000001",
        initial=str(MID_TICKS / 10**8),
    )
    world, tape = taped(scenario, spec.seed, RfqQuoted, RfqTraded)
    names = [member.name for member in world.members]
    # Costs are the dealers' own random numbers, which a stream of the same name gives again.
    streams = {k: Stream(spec.seed, f"agent/{name}/0") for k, name in enumerate(names) if name.startswith("dealer")}
    costs = np.array([[stream.uniform() for stream in streams.values()] for _ in range(requests)])
    column = {agent_id: k for k, agent_id in enumerate(streams)}
    quotes = np.full((requests, dealers), np.nan)
    for quote in tape.of(RfqQuoted):
        quotes[quote.rfq_id - 1, column[quote.dealer_id]] = (quote.ask_ticks - MID_TICKS) / SCALE_TICKS
    paid, winner = np.full(requests, np.nan), np.zeros(requests, dtype=int)
    for trade in tape.of(RfqTraded):
        paid[trade.rfq_id - 1] = (trade.price_ticks - MID_TICKS) / SCALE_TICKS
        winner[trade.rfq_id - 1] = column[trade.dealer_id]
    dealt = np.isfinite(paid)
    own = column[names.index(_SHADES)]
    mine = np.where(dealt & (winner == own), paid - costs[:, own], 0.0)
    ordered = np.sort(costs, axis=1)
    metrics = {
        "deals": float(dealt.sum()),
        "mine": float(mine.mean()),
        "quotes": float(np.isfinite(quotes).sum()),
        "second_cost": float(ordered[:, 1].mean()) if dealers > 1 else 1.0,
    }
    if dealt.sum() < 2:
        return metrics
    won_at = costs[np.arange(requests), winner][dealt]
    metrics |= {
        "paid": float(paid[dealt].mean()),
        "paid_sd": float(paid[dealt].std(ddof=1)),
        "won_at": float(won_at.mean()),
        "markup": float((paid[dealt] - won_at).mean()),
        "lowest_wins": float((won_at == ordered[dealt, 0]).mean()),
        "best": float((paid[dealt] == np.nanmin(quotes[dealt], axis=1)).mean()),
    }
    return metrics | {f"paid[{k}]": float(x) for k, x in enumerate(paid[dealt][:50])}


def best_quote(dealers: int) -> tuple[float, float]:
    """Mean and standard deviation of the best of n equilibrium quotes; 1 and 0 for one dealer."""
    n = dealers
    return 2 / (n + 1), (n - 1) / n * sqrt(n / ((n + 1) ** 2 * (n + 2)))


def deviation_profit(dealers: int, shading: float) -> float:
    """Expected profit a request of a dealer that marks up ``shading`` times as much as n - 1 others in equilibrium.

    With u = 1 - c it wins against each of them with probability min(1, u·(n-s)/(n-1)), and earns s·u/n.
    """
    n, s = dealers, shading
    if n == 1:
        return s / 2 if s <= 1 else 0.0  # beyond its reservation value the client walks away
    odds = max(0.0, (n - s) / (n - 1))
    edge = min(1.0, 1 / odds) if odds > 0 else 1.0
    contested = odds ** (n - 1) * edge ** (n + 1) / (n + 1)
    return s / n * (contested + (1 - edge**2) / 2)


def run(
    dealers: Annotated[int, typer.Option(help="n: dealers asked.", min=1, max=64)] = 5,
    runs: Annotated[int, typer.Option(help="Markets.", min=2)] = 40,
    requests: Annotated[int, typer.Option(help="Requests in each.", min=50)] = 250,
    shading: Annotated[
        float, typer.Option(help="Mark-up of the dealer that deviates; 1 is as the others.", min=0)
    ] = 1.5,
) -> Outcome:
    """Hold best quotes, costs and profits against the equilibrium of the auction."""
    point = {"dealers": dealers, "requests": requests, "shading": 1.0}
    frame = run_cells(one_market, [point, point | {"shading": shading}], runs)
    fair, bent = (frame[frame["point"] == k].reset_index(drop=True) for k in (0, 1))
    mean, sd = best_quote(dealers)
    tick = 1 / SCALE_TICKS
    n = f"n={dealers}"
    rows = [
        identical(f"requests that end in a deal, share, {n}", fair["deals"].mean() / requests, 1.0, "all may quote"),
        identical(f"quotes a request, {n}", fair["quotes"].mean() / requests, dealers, "all quote"),
        identical(f"deals at the best quote, share, {n}", fair["best"].mean(), 1.0, "the client's rule"),
    ]
    paid, markup, cost = (mean_of(fair[name]) for name in ("paid", "markup", "won_at"))
    if dealers == 1:
        # A monopolist asks for the reservation value whatever its cost.
        rows.append(identical(f"best quote, {n}", paid.value, mean, SOURCE, tick))
    else:
        spread = mean_of(fair["paid_sd"])
        lowest = float(fair["lowest_wins"].mean())
        gap = mean_of(fair["paid"] - fair["second_cost"])
        rows += [
            agrees(f"best quote, {n}: 2/(n+1)", paid.value, mean, paid.se, SOURCE, tick),
            # A sample's standard deviation is biased by less than a requests' part.
            agrees(f"standard deviation of the best quote, {n}", spread.value, sd, spread.se, SOURCE, sd / requests),
            identical(f"requests won by the lowest cost, share, {n}", lowest, 1.0, SOURCE, 2e-3),
            agrees(
                f"best quote less second lowest cost, {n}: revenue equivalence", gap.value, 0.0, gap.se, SOURCE, tick
            ),
        ]
    rows += [
        agrees(f"cost of the winner, {n}: 1/(n+1)", cost.value, 1 / (dealers + 1), cost.se, SOURCE),
        agrees(f"profit of the winner, {n}: 1/(n+1)", markup.value, 1 / (dealers + 1), markup.se, SOURCE, tick),
    ]
    rows += _deviation_rows(dealers, shading, fair["mine"].to_numpy(), bent["mine"].to_numpy())
    return Outcome(rows, lambda path: _draw(path, dealers, fair, bent, shading))


def _deviation_rows(dealers: int, shading: float, fair: np.ndarray, bent: np.ndarray) -> list[Row]:
    """What one dealer earns as the others do, and what it would gain by deviating alone, with the same draws."""
    alike, other, more = mean_of(fair), mean_of(bent), mean_of(bent - fair)
    equal, theory = deviation_profit(dealers, 1.0), deviation_profit(dealers, shading)
    tick, integral = 1 / SCALE_TICKS, "the integral over its costs"
    claim = f"profit a request of one dealer, n={dealers}: 1/(n(n+1))"
    rows = [agrees(claim, alike.value, equal, alike.se, SOURCE, tick)]
    claim = f"the same if it alone marks up {shading:g} times as much, n={dealers}"
    if theory == 0:
        rows.append(identical(claim, other.value, 0.0, integral, tick))
    else:
        rows.append(agrees(claim, other.value, theory, other.se, integral, tick))
    if shading != 1:
        claim = f"what it gains by deviating (less than 0: an equilibrium), n={dealers}"
        rows.append(agrees(claim, more.value, theory - equal, more.se, integral, tick))
    return rows


def _draw(path: Path, dealers: int, fair: pd.DataFrame, bent: pd.DataFrame, shading: float) -> None:
    figure, (left, middle, right) = new_figure(3)
    counts = np.arange(1, max(10, dealers) + 1)
    left.plot(counts, 2 / (counts + 1), "k-", lw=1, label="2/(n+1)")
    left.plot(counts, 1 / (counts + 1), "k:", lw=1, label="1/(n+1)")
    for name, label, colour in (("paid", "best quote", "tab:blue"), ("won_at", "winner's cost", "tab:orange")):
        found = mean_of(fair[name])
        left.errorbar([dealers], [found.value], yerr=[3 * found.se], fmt="o", color=colour, capsize=3, label=label)
    left.set(xlabel="dealers asked", ylabel="share of the largest cost", title="Measured ± 3 s.e.", ylim=(0, 1.05))
    left.legend()
    paid = fair.filter(regex=r"^paid\[").to_numpy().ravel()
    middle.hist(paid, bins=40, density=True, alpha=0.5, label="in the RFQ venue")
    if dealers > 1:
        x = np.linspace(1 / dealers, 1, 200)
        share = dealers / (dealers - 1)
        density = share * dealers * (1 - (x - 1 / dealers) * share) ** (dealers - 1)
        middle.plot(x, density, "k-", lw=1, label="theory")
    middle.set(xlabel="best quote (share of the largest cost)", ylabel="density", title=f"Best of {dealers} quotes")
    middle.legend()
    grid = np.linspace(0, 3, 200)
    right.plot(grid, [deviation_profit(dealers, float(s)) for s in grid], "k-", lw=1, label="theory")
    for frame, s in ((fair, 1.0), (bent, shading)):
        found = mean_of(frame["mine"])
        right.errorbar([s], [found.value], yerr=[3 * found.se], fmt="o", capsize=3)
    right.set(
        xlabel="mark-up of one dealer (equilibrium: 1)",
        ylabel="its profit a request (share of the largest cost)",
        title="Does deviating pay?",
    )
    right.legend()
    save(figure, path)


EXPERIMENT = Experiment(
    "rfq_competition",
    run,
    quick={"runs": 10, "requests": 80},
    cases=[{"dealers": n} for n in range(1, 11)] + [{"dealers": 4, "shading": 0.5}],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
