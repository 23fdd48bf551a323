"""The environments keep Gymnasium's contract and their own (spaces, rewards, seeds, errors), and change no market."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import lob_sim.rl as rl
from lob_sim import InputError, Simulation
from lob_sim.log import Run
from lob_sim.rl.environment import MOST_DECISIONS, regular_times
from lob_sim.rl.reward import Account
from lob_sim.scenario import load_scenario
from lob_sim.units import NS_PER_S
from strategies.fixed_spread import FixedSpread

DEALER, EXECUTION = "lob_sim/Dealer-v0", "lob_sim/Execution-v0"
SHORT = {"overrides": ("horizon=40s",)}
SOON = {
    "overrides": ("horizon=40s", "agents.seller.params.start=5s", "agents.seller.params.duration=30s",
                  "agents.seller.params.slices=10", "agents.seller.params.parent_lots=20")
}  # fmt: skip
FIXED = "strategies.fixed_spread:FixedSpreadDealer"
TWAP = "strategies.twap:TwapTrader"


def make(name: str, **options: Any) -> Any:
    return gymnasium.make(name, **{**(SHORT if name == DEALER else SOON), **options}).unwrapped


def play(env: Any, index: int, policy: Callable[[int], Any]) -> tuple[list[Any], list[float]]:
    """Observations and rewards of an episode under a policy of the step's number."""
    observation, _ = env.reset(seed=index)
    paid: list[float] = []
    seen, over = [observation], False
    while not over:
        observation, reward, over, truncated, _ = env.step(policy(len(paid)))
        assert truncated is False
        seen.append(observation)
        paid.append(reward)
    return seen, paid


def _always(action: Any, step: int) -> Any:
    return action


def terms(half_spread: float = 2.0, skew: float = 0.02, size: float = 10.0, stay: float = 1.0) -> Any:
    return np.array([[half_spread, skew, size, stay]], np.float32)


@pytest.mark.parametrize("name", [DEALER, EXECUTION])
def test_gymnasiums_own_check_passes_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(name, render_mode="ansi"))


@pytest.mark.parametrize("name", [DEALER, EXECUTION])
def test_the_same_seed_and_actions_give_the_same_episode_and_another_seed_another(name: str) -> None:
    env = make(name)
    env.action_space.seed(7)
    actions = [env.action_space.sample() for _ in range(60)]
    first, again, other = (play(env, index, actions.__getitem__) for index in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


@pytest.mark.parametrize("name", [DEALER, EXECUTION])
def test_what_is_seen_has_a_name_a_unit_and_bounds_and_keeps_within_them(name: str) -> None:
    env = make(name)
    for fields, space in ((env.observation_fields, env.observation_space), (env.action_fields, env.action_space)):
        assert len(fields) == int(np.prod(space.shape))
        assert len({field.name for field in fields}) == len(fields)
        assert all(field.unit for field in fields)
        np.testing.assert_array_equal([field.low for field in fields], space.low.ravel())
        np.testing.assert_array_equal([field.high for field in fields], space.high.ravel())
    env.action_space.seed(1)
    seen, _ = play(env, 0, lambda _: terms(1.0) if name == DEALER else env.action_space.sample())
    assert all(observation in env.observation_space for observation in seen)
    varies = np.ptp(np.array(seen), axis=0) > 0
    assert varies.sum() >= len(varies) - 2  # the phase is continuous all the time, and requests may find no dealer


# --- it changes no market ------------------------------------------------------------------------------------
def fixed_in_the_seat(env: Any, index: int, params: dict[str, Any]) -> Run:
    return Simulation(env.native(FIXED, params), rl.market_seed(env.split, index)).finish()


def same_rows(driven: Run, native: Run) -> bool:
    return driven.digest == native.digest and driven.counts == native.counts


@pytest.mark.parametrize("params", [{}, {"half_spread_ticks": 4, "skew_ticks_per_lot": 0.1, "size_lots": 5}])
def test_the_fixed_spread_dealer_driven_leaves_its_native_log_byte_for_byte(params: dict[str, Any]) -> None:
    env = make(DEALER)
    given = FixedSpread.Params(**{k: v for k, v in params.items() if k != "size_lots"})
    action = terms(given.half_spread_ticks, given.skew_ticks_per_lot, params.get("size_lots", 10))
    _, paid = play(env, 1, lambda _: action)
    native = fixed_in_the_seat(env, 1, params)
    assert same_rows(env.finish(), native)
    assert len(native.table("order_replaced").query(f"agent_id == {env.agent_id}")) > 10
    assert sum(paid) == rl.episode_return(rl.Shipped(FIXED, params), env, 1)


def test_it_does_so_in_dealer_market_with_random_latencies_too() -> None:
    latency = '{distribution="lognormal", median="1ms", sigma=0.5}'
    jitter = f"{{to_venue={latency}, from_venue={latency}}}"
    overrides = (
        "horizon=90s",
        "agents.market_maker.count=1",
        "agents.market_maker.strategy=strategies.driven_dealer:DrivenDealer",
        "agents.market_maker.params={size_lots=5}",
        f"agents.market_maker.connection={jitter}",
    )
    env = make(DEALER, scenario="dealer_market", overrides=overrides, seat="market_maker")
    assert env.action_space.shape == (2, 4)
    play(env, 0, lambda _: np.repeat(terms(4.0, 0.02, 5.0), 2, axis=0))
    native = fixed_in_the_seat(env, 0, {"half_spread_ticks": 4, "size_lots": 5})
    assert same_rows(env.finish(), native)


def test_control_one_other_action_in_one_step_leaves_another_log() -> None:
    env = make(DEALER)
    play(env, 1, lambda step: terms(3.0 if step == 20 else 2.0))
    assert not same_rows(env.finish(), fixed_in_the_seat(env, 1, {}))


def test_an_equal_schedule_driven_leaves_the_native_log_of_twap_byte_for_byte() -> None:
    env = make(EXECUTION)
    lots, slices = env.parent.parent_lots, env.parent.slices
    _, paid = play(env, 2, lambda step: [(lots * (step + 1) // slices) / lots, 0, 0])
    params = {"instrument": "bond", "parent_lots": lots, "start": "5s", "duration": "30s", "slices": slices}
    native = Simulation(env.native(TWAP, params), rl.market_seed("training", 2)).finish()
    assert same_rows(env.finish(), native)
    assert sum(paid) == rl.episode_return(rl.Shipped(TWAP, params), env, 2)
    play(env, 2, lambda step: [1, 0, 0])
    assert not same_rows(env.finish(), native)


# --- what actions do -----------------------------------------------------------------------------------------
def test_a_dealer_that_retreats_quotes_nothing_and_declines() -> None:
    env = make(DEALER)
    _, paid = play(env, 0, lambda _: terms(stay=0.49))
    run = env.finish()
    assert run.table("new_order").query(f"agent_id == {env.agent_id}").empty
    assert run.table("submit_quote").query(f"agent_id == {env.agent_id}").empty
    assert len(run.table("decline_quote").query(f"agent_id == {env.agent_id}"))
    assert sum(paid) == 0.0


def test_the_quotes_are_what_the_action_says() -> None:
    env = make(DEALER)
    play(env, 0, lambda step: terms(6.0, 0.0, 7.0) if step < 20 else terms(9.0, 0.0, 3.0))
    orders = env.finish().table("order_replaced").query(f"agent_id == {env.agent_id}")
    before, after = (orders.query(q)["qty_lots"].max() for q in ("ts_event_ns < 20e9", "ts_event_ns > 21e9"))
    assert (before, after) == (7, 3)


def test_resting_and_asking_work_the_parent_order_and_never_more_than_it() -> None:
    env = make(EXECUTION)
    seen, _ = play(env, 1, lambda _: [0, 1.0, 0])
    names = [field.name for field in env.observation_fields]
    assert max(observation[names.index("resting")] for observation in seen) > 0
    assert 0 < seen[-1][names.index("remaining")] < 1 or len(seen) <= env.parent.slices + 1
    play(env, 1, lambda _: [0, 0, 0.5])
    asked = env.finish()
    assert len(asked.table("request_quote").query(f"agent_id == {env.agent_id}"))
    for action in ([1, 1, 1], [0.5, 1, 0.5]):
        for index in range(5):
            play(env, index, partial(_always, action))
            env.finish()
            left = env.episode.open_lots()
            assert left.min() >= 0
            assert left.max() <= env.parent.parent_lots


# --- rewards -------------------------------------------------------------------------------------------------
def test_rewards_are_profit_less_the_costs_as_the_formula_says() -> None:
    free = {"risk_aversion": 0, "capital_rate": 0}
    env, costly = make(DEALER, costs=free), make(DEALER, costs={"risk_aversion": 1e-5, "capital_rate": 1.0, "unit": 1})
    _, paid = play(env, 0, lambda _: terms())
    world = env.episode.simulation.world
    opening = np.array(env.plan.members[env.agent_id].lots)
    position = np.array(world.ledger.positions[env.agent_id]) - opening
    cash = world.ledger.cash[env.agent_id] - env.plan.members[env.agent_id].cash
    tick_value = float(env.plan.instruments[0].tick_value)
    profit = env.plan.cash_unit.money(cash) + position[0] * tick_value * world.data.fair_values[0]
    assert sum(paid) == pytest.approx(profit / 1_000, abs=1e-6)
    assert profit != 0
    costly.reset(seed=0)
    total, over, expected = 0.0, False, 0.0
    daily_sd = 0.006 * 10_000 * tick_value
    while not over:
        _, reward, over, _, _ = costly.step(terms())
        total += reward
        x = float(costly.episode.open_lots()[0])
        years = 1 / (252 * 8 * 3600)
        expected += 1e-5 / 2 * (x * daily_sd) ** 2 / (8 * 3600)
        expected += abs(x) * tick_value * costly.episode.simulation.world.data.fair_values[0] * years
    assert profit - total == pytest.approx(expected, rel=1e-6)
    assert expected > 0


@pytest.mark.parametrize(
    ("calendar", "day_s"), [([], 8 * 3600), (["calendar={ day = '2min', session = '1min' }"], 120)]
)
def test_inventory_costs_by_the_day_that_volatility_is_of(calendar: list[str], day_s: int) -> None:
    world = Simulation(load_scenario("learning_market", ["horizon='4min'", *calendar])).world
    account = Account(world, 0, rl.Costs(risk_aversion=1e-5, capital_rate=0.0))
    lots, tick_value = np.array([7.0]), float(world.instruments[0].tick_value)
    daily_sd = world.scenario.instruments[0].fair_value.daily_volatility * world.plan.initial_ticks[0] * tick_value
    a_day = 1e-5 / 2 * (7 * daily_sd) ** 2
    assert account.running_cost(lots, day_s * NS_PER_S) == pytest.approx(a_day, rel=1e-9)
    capital = Account(world, 0, rl.Costs(risk_aversion=0.0, capital_rate=1.0))
    gross = 7 * tick_value * world.data.fair_values[0]
    assert capital.running_cost(lots, 252 * day_s * NS_PER_S) == pytest.approx(gross, rel=1e-9)


def test_what_is_not_done_of_a_parent_order_is_charged() -> None:
    paid = []
    for ticks in (0.0, 10.0):
        env = make(EXECUTION, costs={"unfinished_ticks": ticks, "unit": 1})
        paid.append(sum(play(env, 0, lambda _: [0, 0, 0])[1]))
    assert paid[0] - paid[1] == pytest.approx(10 * 20 * float(env.plan.instruments[0].tick_value))
    assert rl.Costs().unfinished_ticks == 10.0


def test_a_debt_is_no_profit() -> None:
    env = make(DEALER)
    env.reset(seed=0)
    world = env.episode.simulation.world
    account, nothing = Account(world, env.agent_id, rl.Costs()), np.zeros(1)
    before = account.value(nothing)

    class Desk:
        class sheet:  # noqa: N801
            debt_cash = world.cash_unit.to_cash(5_000)

    world.desks[env.agent_id] = Desk()
    assert before - account.value(nothing) == pytest.approx(5_000)


# --- many at once --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_many_at_once_are_each_what_they_are_alone(mode: str) -> None:
    envs = gymnasium.make_vec(DEALER, num_envs=2, vectorization_mode=mode, overrides=("horizon=5s",))
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    seen, _ = envs.reset(seed=0)  # of the second it is 1
    alone = make(DEALER, overrides=("horizon=5s",))
    first, paid = play(alone, 1, lambda _: terms())
    np.testing.assert_array_equal(seen[1], first[0])
    actions = np.stack([terms(), terms()])
    for step in range(5):
        seen, rewards, over, _, _ = envs.step(actions)
        np.testing.assert_array_equal(seen[1], first[step + 1])
        assert rewards[1] == paid[step]
    assert over.all()
    seen, rewards, over, _, _ = envs.step(actions)  # begins anew, and pays nothing for that
    assert not over.any()
    assert (rewards == 0).all()
    envs.close()


def test_the_autoreset_mode_is_declared() -> None:
    for name in (DEALER, EXECUTION):
        assert gymnasium.make(name).unwrapped.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


# --- seeds ---------------------------------------------------------------------------------------------------
def test_seeds_of_different_splits_never_meet() -> None:
    found = {split: {rl.market_seed(split, i) for i in range(1_000)} for split in rl.SPLITS}
    assert sum(map(len, found.values())) == len(set().union(*found.values())) == 3_000
    assert all(rl.split_of(seed) == split for split, seeds in found.items() for seed in seeds)


@pytest.mark.parametrize("split", rl.SPLITS)
def test_an_environment_runs_seeds_of_its_split_alone(split: rl.Split) -> None:
    env = make(DEALER, split=split)
    seeds = [env.reset(seed=5)[1]["seed"], *(env.reset()[1]["seed"] for _ in range(10))]
    assert seeds[0] == rl.market_seed(split, 5)
    assert {rl.split_of(seed) for seed in seeds} == {split}
    assert len(set(seeds)) == 11


# --- text ----------------------------------------------------------------------------------------------------
def test_the_page_of_text() -> None:
    env = make(DEALER, render_mode="ansi")
    assert make(DEALER).render() is None
    env.reset(seed=0)
    for stay in (1.0, 0.0):
        env.step(terms(stay=stay))
        page = env.render()
        assert "learning_market, dealer: 0:00:0" in page
        assert ("away" in page) == (stay == 0.0)
    assert "spread" in page
    execution = make(EXECUTION, render_mode="ansi")
    execution.reset(seed=0)
    execution.step([0.5, 0.25, 0])
    assert "10 of 20 lots to be done, 5 to rest, 0 to ask for" in execution.render()


# --- bad input -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("action", "told"),
    [
        (terms(51.0), r"action bond\.half_spread: is out of bounds: expected from 0.5 to 50 ticks, got 51"),
        (terms(size=0.0), r"action bond\.size: .* from 1 to 50 lots, got 0"),
        (terms(skew=-0.1), r"action bond\.skew"),
        (terms(stay=1.1), r"action bond\.stay"),
        (terms(float("nan")), r"bond\.half_spread.*got nan"),
        (terms(float("inf")), r"bond\.half_spread.*got inf"),
        (terms()[0], r"shape \(1, 4\), got \(4,\)"),
        ("much", r"action: expected \(1, 4\) numbers"),
        ([["a", 1, 1, 1]], "expected"),
    ],
)
def test_an_action_out_of_bounds_is_told_and_nothing_happens(action: Any, told: str) -> None:
    env = make(DEALER)
    env.reset(seed=0)
    env.step(terms())
    before = env.episode.now_ns, env.episode.simulation.world.recorder.rows
    with pytest.raises(InputError, match=told):
        env.step(action)
    assert (env.episode.now_ns, env.episode.simulation.world.recorder.rows) == before
    env.step(terms())


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (DEALER, {"seat": "deler"}, r"there is no group 'deler', did you mean 'dealer'"),
        (DEALER, {"seat": "competitor"}, "competitor has 2 agents: expected a group of one"),
        (DEALER, {"seat": "informed"}, "is a InformedTrader, which nobody drives.*driven_dealer:DrivenDealer"),
        (DEALER, {"seat": "seller"}, "DrivenExecution, which nobody drives"),
        (DEALER, {"split": "testing"}, "split: expected one of training, evaluation, stress"),
        (DEALER, {"costs": {"risk_aversio": 1}}, "did you mean 'risk_aversion'"),
        (DEALER, {"costs": {"risk_aversion": -1}}, r"costs: risk_aversion"),
        (DEALER, {"interval": 0}, "interval: expected a positive time"),
        (DEALER, {"interval": "soon"}, "soon"),
        (DEALER, {"interval": True}, "interval: expected a positive time"),
        (DEALER, {"interval": 1.5}, "interval: expected a positive time"),
        (DEALER, {"interval": 5, "overrides": ["horizon=10s"]}, r"5 ns \(nanoseconds\) up to .* at most 1,000,000"),
        (DEALER, {"most_size_lots": 0}, "most size"),
        (DEALER, {"scenario": "no_such"}, "no_such"),
        (EXECUTION, {"overrides": ("horizon=10s",)}, "seller.params: ends at .* beyond the horizon"),
        (EXECUTION, {"overrides": ("agents.seller.params.instrument=bund",)}, "bund"),
    ],
)
def test_an_environment_that_cannot_be_is_told(name: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make(name, **options)


def test_the_most_decisions_that_an_episode_may_have() -> None:
    assert len(regular_times(0, 5, 5_000_000)) == MOST_DECISIONS + 1
    with pytest.raises(InputError, match="1,000,001 decisions"):
        regular_times(0, 5, 5_000_005)


def test_numpys_whole_numbers_are_seeds_and_intervals() -> None:
    env = make(DEALER, interval=np.int64(2 * NS_PER_S), overrides=("horizon=4s",))
    plain = make(DEALER, interval=2 * NS_PER_S, overrides=("horizon=4s",))
    assert env.decision_times == plain.decision_times
    third: Any = np.int64(3)
    (seen, told), (expected, as_expected) = env.reset(seed=third), plain.reset(seed=3)
    assert seen.tolist() == expected.tolist()
    assert told == as_expected
    assert type(told["seed"]) is int
    wrong: Any
    for wrong in (1.5, True, -1, "3"):
        with pytest.raises(InputError, match="seed: expected a whole number"):
            env.reset(seed=wrong)


def test_steps_outside_an_episode_are_told() -> None:
    env = make(DEALER, overrides=("horizon=2s",))
    for call in (lambda: env.step(terms()), env.finish):
        with pytest.raises(InputError, match=r"expected reset\(\) first"):
            call()
    play(env, 0, lambda _: terms())
    with pytest.raises(InputError, match=r"expected reset\(\) first"):
        env.step(terms())
    with pytest.raises(InputError, match="there are no options, got warm"):
        env.reset(options={"warm": 1})
    with pytest.raises(InputError, match="render_mode"):
        rl.DealerEnv(render_mode="human")


def test_without_gymnasium_one_line_names_the_extra() -> None:
    code = (
        "import importlib.util as u, sys\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'gymnasium' else find(name, *a)\n"
        "import lob_sim.extras; lob_sim.extras.find_spec = u.find_spec\n"
        "from lob_sim import MissingExtraError\n"
        "try:\n    import lob_sim.rl\nexcept MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'gymnasium not installed: expected pip install "lob-sim[rl]"\n'
    assert importlib.util.find_spec("gymnasium") is not None
