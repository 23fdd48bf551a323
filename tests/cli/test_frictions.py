"""What a newcomer gets wrong first is answered by a line that says where and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lob_sim
from lob_sim import Simulation, load_scenario, run, trade_against
from lob_sim.errors import InputError, LobSimError, StrategyError
from lob_sim.rng import checked_seed
from lob_sim.testing import RecordingContext, StrategyContract

BUYER = '''"""Buys."""

from lob_sim import NS_PER_S, Context, Strategy


class Buyer(Strategy):
    """Buys one lot."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, side="buy", qty_lots=1, price_ticks=100)
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "buyer.py").write_text(BUYER)
    (tmp_path / "not_toml.toml").write_text("name = \n")
    return tmp_path


# --- seeds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-3, 1.5, "1", True, np.float64(2)])
def test_a_seed_that_is_none_is_a_plain_error(seed: object) -> None:
    for start in (
        lambda: run("dealer_market", seed=seed),  # type: ignore[arg-type]
        lambda: Simulation("dealer_market", seed),  # type: ignore[arg-type]
        lambda: run(load_scenario("dealer_market"), seed=seed),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=r"^seed: expected a whole number, 0 or more, got "):
            start()


def test_numbers_of_numpy_are_seeds() -> None:
    assert checked_seed(np.int64(7)) == checked_seed(7) == 7
    assert type(checked_seed(np.int64(7))) is int


# --- the ten commonest mistakes -----------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a scenario that is not there": (
        lambda: load_scenario("dealer_markt"),
        r"^dealer_markt: no such file or packaged scenario, did you mean 'dealer_market'\?",
    ),
    "a scenario that is no TOML": (
        lambda: load_scenario("not_toml.toml"),
        r"^not_toml\.toml: is not valid TOML: .*line 1",
    ),
    "a misspelt key": (
        lambda: load_scenario("dealer_market", ["agents.dealer.cuont=3"]),
        r"^dealer_market: agents\.dealer\.cuont: unknown key 'cuont', did you mean 'count'\?$",
    ),
    "a group that is not there": (
        lambda: load_scenario("dealer_market", ["agents.dealers.count=3"]),
        r"agents\.dealers does not exist, did you mean 'dealer'\?; there are: dealer, market_maker",
    ),
    "a value of another type": (
        lambda: load_scenario("dealer_market", ["agents.dealer.count=many"]),
        r"^dealer_market: agents\.dealer\.count: expected int, got str 'many'",
    ),
    "a duration without a unit that is known": (
        lambda: load_scenario("dealer_market", ["horizon=5minutes"]),
        r"^dealer_market: horizon: '5minutes' has no known unit of time: expected a duration such as 250ms",
    ),
    "a strategy that is not there": (
        lambda: run("dealer_market", overrides=["agents.dealer.strategy=byer:Buyer"]),
        r"^dealer_market: agents\.dealer\.strategy: no module named 'byer', did you mean 'buyer'\?",
    ),
    "a parameter that the strategy has not": (
        lambda: run("dealer_market", overrides=["agents.market_maker.params.half_spred_ticks=3"]),
        r"agents\.market_maker\.params\.half_spred_ticks: unknown key .*did you mean 'half_spread_ticks'\?",
    ),
    "a side in words": (
        lambda: run("dealer_market", overrides=["agents.dealer.strategy=buyer:Buyer", "agents.dealer.params={}"]),
        r"^agent 'dealer-1' failed in on_wake at t=1\.0+ s: TypeError: side is 'buy'; "
        r"expected one of Side\.\{BUY, SELL\} \(buyer\.py:13\)$",
    ),
    "a folder that is no run": (
        lambda: lob_sim.open_run("."),
        r"^\.: is not a run directory: it has no manifest\.json$",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_commonest_mistakes_are_answered(mistake: str, here: Path) -> None:
    make, said = MISTAKES[mistake]
    with pytest.raises(LobSimError) as raised:
        make()
    assert re.search(said, str(raised.value)), str(raised.value)
    assert "\n" not in str(raised.value)
    assert "[0]" not in str(raised.value)


# --- a strategy's own mistakes ------------------------------------------------------------------------------------


def test_a_side_in_words_is_the_strategys_fault_wherever_it_runs(here: Path) -> None:
    logged = run("dealer_market", overrides=["horizon=2min"])
    with pytest.raises(StrategyError, match=r"side is 'buy'.*\(buyer\.py:13\)"):
        trade_against(logged, "buyer:Buyer")
    contract = StrategyContract()
    contract.strategy = "buyer:Buyer"  # type: ignore[misc]
    with pytest.raises(TypeError, match="side is 'buy'") as raised:
        contract.test_commands_are_valid()
    assert raised.value.__notes__ == ["the strategy raised this, at buyer.py:13"]


def test_a_contract_that_fails_says_what_to_do() -> None:
    class Plain(lob_sim.Strategy):
        """no full stop"""

    contract = StrategyContract()
    contract.strategy = Plain  # type: ignore[misc]
    with pytest.raises(AssertionError, match="the docstring of Plain must begin with one sentence of at most 110"):
        contract.test_describes_itself_in_one_line()
    assert RecordingContext().actions == []
