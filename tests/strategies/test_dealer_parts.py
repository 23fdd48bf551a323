"""The parts of a dealer: each keeps its contract, and each can be replaced from a scenario."""

from __future__ import annotations

import textwrap
from math import floor
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import (
    Dealer,
    FormulaQuotes,
    LitPolicy,
    PositionLimit,
    Quotes,
    RfqPolicy,
    Situation,
    part,
)
from lob_sim.agents.dealer.kinds import BELIEFS, INVENTORY_POLICIES, LIT_POLICIES, RFQ_POLICIES, TOXICITIES
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import InputError, PluginError, ScenarioError
from lob_sim.information.belief import Belief, GaussianBelief, MarketPrice
from lob_sim.information.density_belief import DensityBelief
from lob_sim.information.retreat import ExponentialReservations, UniformReservations, gaussian_elastic_half_spread
from lob_sim.information.toxicity import Flow, ToxicityEstimator
from lob_sim.information.toxicity_estimators import LearningToxicity
from lob_sim.log import MemoryRecorder
from lob_sim.messages import DeclineReason, NewOrder, RfqOpened, RfqPrint, RfqTraded, Side, Trade
from lob_sim.plugin_params import build_params, describe
from lob_sim.plugins import find_plugins, load_class
from lob_sim.scenario import load_scenario
from lob_sim.scenario.inherit import resolve_likes
from lob_sim.simulation.hooks import has_hook, waking_messages
from lob_sim.simulation.runner import simulate
from lob_sim.testing import (
    BeliefContract,
    InventoryPolicyContract,
    LitPolicyContract,
    PartContract,
    RecordingContext,
    RfqPolicyContract,
    StrategyContract,
    ToxicityContract,
)
from lob_sim.units import NS_PER_S
from strategies.fixed_spread import FixedSpreadDealer
from strategies.glosten_milgrom import GlostenMilgromDealer
from strategies.rfq_dealer import RfqDealer
from strategies.spiral_dealer import SpiralDealer

# --- every shipped part keeps its contract ----------------------------------------------------------------

KINDS = {
    "belief": (BELIEFS, BeliefContract),
    "toxicity": (TOXICITIES, ToxicityContract),
    "lit_policy": (LIT_POLICIES, LitPolicyContract),
    "rfq_policy": (RFQ_POLICIES, RfqPolicyContract),
    "inventory_policy": (INVENTORY_POLICIES, InventoryPolicyContract),
}
EVERY = [(place, kind) for place, (kinds, _) in KINDS.items() for kind in kinds.names]

for _place, (_kinds, _contract) in KINDS.items():
    for _name, _spec in _kinds.names.items():
        globals()[f"Test_{_place}_{_name}"] = type(f"Test_{_place}_{_name}", (_contract,), {"part": _spec})


@pytest.mark.parametrize(("place", "kind"), EVERY)
def test_a_dealer_with_any_part_pickles_half_way_and_goes_on(place: str, kind: str) -> None:
    class Contract(StrategyContract):
        strategy: ClassVar[type[Strategy] | str] = SpiralDealer
        params: ClassVar[dict[str, object]] = {place: {"kind": kind}}

    Contract().test_pickles_with_its_state()
    Contract().test_commands_are_valid()


def test_a_dealer_is_made_of_parts_and_of_nothing_else() -> None:
    dealers = [load_class(spec, Strategy) for spec in find_plugins("strategies", Strategy)]
    dealers = [cls for cls in dealers if issubclass(cls, Dealer)]
    assert len(dealers) >= 7
    for cls in dealers:
        own = {name for name in vars(cls) if not name.startswith("__")}
        assert own <= {"Params", "params", "is_outside"}, f"{cls.__name__} is more than a composition: {own}"
        assert cls.__bases__ == (Dealer,)


# --- what the contracts are there to find (their negative controls) --------------------------------------------


class Doubtless(MarketPrice):
    """Knows nothing of its error, and says less than nothing."""

    @property
    def sd_ticks(self) -> float:
        return -1.0


class Boundless(ToxicityEstimator):
    """Takes a run of trades for more than everybody."""

    def __init__(self, params: msgspec.Struct) -> None:
        super().__init__(params)
        self.run = 0

    def on_trade(self, ts_ns: int, side: Side, qty_lots: int) -> None:
        self.run += 1

    def alpha(self, ts_ns: int) -> float:
        return self.run / 10


class Restless(FormulaQuotes):
    """Prices higher each time that it is asked."""

    asked = 0

    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        self.asked += 1
        return 999.0 + self.asked, 1001.0 + self.asked


class Talkative(RfqPolicy):
    """Answers both sides whatever it was asked."""

    def answer(self, ctx: Context, request: RfqOpened, situation: Situation, lit: LitPolicy) -> Quotes | DeclineReason:
        return Quotes(999, 3, 1001, 3)


class Overdrawn(PositionLimit):
    """Forgets that capacity can be used up."""

    def capacity(self, ctx: Context, instrument_id: int) -> tuple[int, int]:
        inventory, limit = self.inventory_lots(ctx, instrument_id), self.params.max_inventory_lots
        return limit - inventory, limit + inventory


@pytest.mark.parametrize(
    ("contract", "broken", "test"),
    [
        (BeliefContract, Doubtless, "test_moments_stay_finite"),
        (ToxicityContract, Boundless, "test_alpha_is_a_share"),
        (LitPolicyContract, Restless, "test_prices_leave_no_trace"),
        (RfqPolicyContract, Talkative, "test_answers_the_sides_asked_for"),
        (InventoryPolicyContract, Overdrawn, "test_capacity_is_never_negative"),
    ],
)
def test_contracts_find_a_broken_part(contract: type[PartContract], broken: type, test: str) -> None:
    checks = type("Broken", (contract,), {"part": broken})()
    with pytest.raises(AssertionError):
        getattr(checks, test)()


# --- replaced from a scenario -----------------------------------------------------------------------------------

OWN_PARTS = '''
    """Parts of a user's own."""

    import msgspec
    from lob_sim.agents.dealer import FormulaQuotes, InventoryPolicy, Quotes, RfqPolicy
    from lob_sim.information.belief import Belief
    from lob_sim.information.toxicity import ToxicityEstimator
    from lob_sim.units import Interval


    class LastPrice(Belief):
        """The last lit price, give or take."""

        class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
            """Parameters.

            Attributes:
                error_ticks: How far off it may be.
            """

            error_ticks: float = 10.0

        def __init__(self, params, initial_ticks):
            super().__init__(params, initial_ticks)
            self.last = initial_ticks

        @property
        def mean_ticks(self):
            return self.last

        @property
        def sd_ticks(self):
            return self.params.error_ticks

        def on_lit_print(self, ts_ns, price_ticks):
            self.last = float(price_ticks)


    class Runs(ToxicityEstimator):
        """Fears runs of trades on one side."""

        class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
            """Parameters.

            Attributes:
                half_life: How fast it forgets.
            """

            half_life: Interval = 60_000_000_000

        def __init__(self, params):
            super().__init__(params)
            self.run, self.side, self.last_ns = 0, 0, 0

        def on_trade(self, ts_ns, side, qty_lots):
            self.run = self.run + 1 if side == self.side else 0
            self.side, self.last_ns = side, ts_ns

        def alpha(self, ts_ns):
            return (1 - 0.8**self.run) * 0.5 ** ((ts_ns - self.last_ns) / self.params.half_life)


    class Wide(FormulaQuotes):
        """Quotes twenty ticks off."""

        def formula(self, ctx, situation):
            mean = situation.belief.mean_ticks
            return mean - 20, mean + 20


    class Generous(RfqPolicy):
        """Answers at what it believes."""

        def answer(self, ctx, request, situation, lit):
            mid, qty = round(situation.belief.mean_ticks), situation.qty_lots
            return Quotes(mid, qty, mid + 1, qty).on_sides(request.side != 1, request.side != -1)


    class Cautious(InventoryPolicy):
        """Holds five lots at most."""

        def capacity(self, ctx, instrument_id):
            held = self.inventory_lots(ctx, instrument_id)
            return max(0, 5 - held), max(0, 5 + held)
'''
REPLACED = {
    "belief": "LastPrice",
    "toxicity": "Runs",
    "lit_policy": "Wide",
    "rfq_policy": "Generous",
    "inventory_policy": "Cautious",
}
MARKET = """
name = "parts"
horizon = "3min"
[[instruments]]
name = "bond"
tick_size = 0.01
lot_size = 1_000_000
price_per = 100
initial_price = 100
fair_value = { daily_volatility = 0.01, news_interval = "30s", news_noise_sd = 0.001 }
rfq = { transparency = "delayed", delay = "30s" }
[[agents]]
name = "dealer"
strategy = "strategies.spiral_dealer:SpiralDealer"
count = 3
params = { size_lots = 4PARAMS }
[[agents]]
name = "clients"
strategy = "strategies.liquidity:LiquidityTraders"
params = { mean_interval = "20s", rfq_share = 0.4 }
[[agents]]
name = "informed"
strategy = "strategies.informed:InformedTrader"
sees_fair_value = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own_parts.py").write_text(textwrap.dedent(OWN_PARTS), encoding="utf-8")
    return tmp_path


def market(folder: Path, params: str) -> Path:
    path = folder / "market.toml"
    path.write_text(MARKET.replace("PARAMS", params and f", {params}"), encoding="utf-8")
    return path


def digest(folder: Path, params: str = "", overrides: tuple[str, ...] = ()) -> str:
    path = market(folder, params)
    log = MemoryRecorder()
    simulate(load_scenario(path, overrides), 1, log)
    return log.digest


@pytest.mark.parametrize("place", REPLACED)
def test_each_part_is_replaced_by_a_class_beside_the_scenario(folder: Path, place: str) -> None:
    assert digest(folder, f'{place} = {{ kind = "own_parts:{REPLACED[place]}" }}') != digest(folder)


def test_naming_the_default_parts_changes_nothing(folder: Path) -> None:
    plain = digest(folder)
    named = ", ".join(
        f'{place} = {{ kind = "{kinds.name_of(getattr(SpiralDealer.Params(), place).cls)}" }}'
        for place, (kinds, _) in KINDS.items()
    )
    assert digest(folder, named) == plain
    by_class = 'toxicity = { kind = "lob_sim.information.toxicity_estimators:LearningToxicity" }'
    assert digest(folder, by_class) == plain


def test_parameters_of_a_part_in_its_table_or_beside_it_are_the_same(folder: Path) -> None:
    beside = digest(folder, "prior_alpha = 0.1, max_inventory_lots = 20")
    tables = "toxicity = { prior_alpha = 0.1 }, inventory_policy = { max_inventory_lots = 20 }"
    assert digest(folder, tables) == beside
    assert digest(folder) != beside
    overridden = ("agents.dealer.params.toxicity.prior_alpha=0.1", "agents.dealer.params.max_inventory_lots=20")
    assert digest(folder, overrides=overridden) == beside


def test_the_discretised_belief_makes_much_the_same_dealer() -> None:
    # The Gaussian is the density's approximation by two moments: after a few trades they still agree.
    found = {}
    for kind, cls in (("gaussian", GaussianBelief), ("density", DensityBelief)):
        ctx = RecordingContext(initial_ticks=1000)
        params = {"belief": {"kind": kind, "prior_sd_ticks": 20}, "prior_alpha": 0.3, "learning_weight": 0}
        dealer = GlostenMilgromDealer(build_params(GlostenMilgromDealer, params, "test"))
        dealer.on_start(ctx)
        for n, side in enumerate((Side.BUY, Side.BUY, Side.SELL, Side.BUY)):
            ctx.now_ns += NS_PER_S
            dealer.on_trade(ctx, Trade(ctx.now_ns, 0, n, 1000 + 5 * side, 5, side, n, 10 + n))
        dealer.on_wake(ctx, 0)
        assert type(dealer.views[0].belief) is cls
        found[kind] = dealer.valuation(ctx, 0)
    (mean, sd), (exact_mean, exact_sd) = found["gaussian"], found["density"]
    assert mean != exact_mean
    assert abs(mean - exact_mean) < 0.05 * exact_sd
    assert exact_mean > 1000 + 0.1 * exact_sd  # they have learnt something to disagree about
    assert sd == pytest.approx(exact_sd, rel=0.05)


@pytest.mark.parametrize("reservations", ["exponential", "uniform"])
def test_reservations_are_a_choice_of_the_lit_policy(reservations: str) -> None:
    ctx = RecordingContext(initial_ticks=1000)
    params = {
        "prior_alpha": 0.1, "learning_weight": 0, "prior_sd_ticks": 45, "processing_ticks": 1,
        "reservations": reservations, "reservation_ticks": 14, "risk_aversion_per_tick_lot": 0,
    }  # fmt: skip
    SpiralDealer(build_params(SpiralDealer, params, "test")).on_start(ctx)
    bids = [a.price_ticks for a in ctx.actions if isinstance(a, NewOrder) and a.side is Side.BUY]
    expected = {"exponential": ExponentialReservations(14.0), "uniform": UniformReservations(14.0)}[reservations]
    half = gaussian_elastic_half_spread(0.1, 45.0, 1.0, expected)
    # Where values are uniform nobody pays more than 14 ticks, and the lit market closes.
    assert (half is None) is (reservations == "uniform")
    assert bids == ([] if half is None else [floor(1000 - half)])


def test_the_toxicity_switch_keeps_any_estimator_at_its_prior(folder: Path) -> None:
    own = 'toxicity = { kind = "own_parts:Runs" }'
    off = ("switches.toxicity=false",)
    assert digest(folder, own, off) == digest(folder, 'toxicity = { kind = "fixed", alpha = 0 }')
    assert digest(folder, own) != digest(folder, own, off)


def test_estimators_hear_of_clients_too() -> None:
    class Counting(Boundless):
        """Counts trades."""

        def alpha(self, ts_ns: int) -> float:
            return 0.0

    params = SpiralDealer.Params(toxicity=part(Counting))
    dealer, ctx = SpiralDealer(params), RecordingContext(initial_ticks=1000)
    dealer.on_start(ctx)
    dealer.on_rfq_trade(ctx, RfqTraded(0, 0, 3, 1, 1, 8, 0, Side.SELL, 990, 5, 0))
    client = dealer.views[0].clients.of(ctx.group_of(8))
    assert isinstance(client, Counting)
    assert client.run == 1
    assert LearningToxicity.of_flow(LearningToxicity.Params(), Flow.CLIENTS).alpha(0) == 0.1


# --- what a composition hears -------------------------------------------------------------------------------------


def test_a_dealer_hears_what_its_parts_have_a_use_for() -> None:
    heard = {
        cls: {name for name in dir(Strategy) if name.startswith("on_") and has_hook(cls(), name)}
        for cls in (SpiralDealer, FixedSpreadDealer, RfqDealer)
    }
    always = {"on_start", "on_wake", "on_rfq_request", "on_desk_event"}
    assert heard[RfqDealer] == always
    assert heard[FixedSpreadDealer] == always | {"on_trade", "on_news", "on_announcement", "on_fill", "on_rfq_trade"}
    own_requests = {"on_rfq_quote", "on_rfq_decline", "on_rfq_close", "on_reject"}
    assert heard[SpiralDealer] == heard[FixedSpreadDealer] | {"on_print"} | own_requests
    replaced = SpiralDealer(build_params(SpiralDealer, {"inventory_policy": {"kind": "unlimited"}}, "test"))
    assert not has_hook(replaced, "on_rfq_close")
    assert has_hook(replaced, "on_rfq_decline")  # the RFQ policy suspects who declines

    class Attentive(FixedSpreadDealer):
        """Has an ear of its own."""

        def on_print(self, ctx: Context, rfq_print: RfqPrint) -> None:
            pass

    assert has_hook(Attentive(), "on_print")
    assert waking_messages([replaced]) < waking_messages([SpiralDealer()])


# --- what a person is told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "place", "words"),
    [
        ("toxicity = { kind = 'learnin' }", "toxicity.kind", "did you mean 'learning'"),
        ("toxicity = { kind = 'own_parts:Run' }", "toxicity.kind", "did you mean 'Runs'"),
        ("toxicity = { kind = 'own_parts:Wide' }", "toxicity.kind", "not a subclass of"),
        ("toxicity = { kind = 'own_parts:Runs', half_lif = '2min' }", "toxicity.half_lif", "did you mean 'half_life'"),
        ("toxicity = { kind = 'own_parts:Runs', half_life = 'x' }", "toxicity.half_life", "duration"),
        ("toxicity = { imbalance = { bucket_lots = 0 } }", "toxicity.imbalance.bucket_lots", ">= 2"),
        ("toxicity = 'learning'", "toxicity", "expected a table such as { kind"),
        ("toxicity = { prior_alpha = 0.1 }, prior_alpha = 0.1", "prior_alpha", "a parameter of toxicity"),
        ("toxicity = { kind = 'fixed' }, prior_alpha = 0.1", "prior_alpha", "but toxicity is FixedToxicity"),
        ("prior_alfa = 0.1", "prior_alfa", "did you mean 'prior_alpha'"),
        ("prior_alpha = 1.5", "prior_alpha", "< 1"),
    ],
)
def test_a_wrong_part_is_named_with_its_place(folder: Path, params: str, place: str, words: str) -> None:
    path = market(folder, params)
    with pytest.raises(InputError) as caught:
        simulate(load_scenario(path), 1, MemoryRecorder())
    assert isinstance(caught.value, ScenarioError)
    assert caught.value.where == f"agents.dealer.params.{place}"
    assert words in caught.value.message


class Frugal(PositionLimit):
    """Has a parameter of the same name as the lit policy."""

    class Params(PositionLimit.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            processing_ticks: What it costs to hold.
        """

        processing_ticks: float = 0.0


def test_a_parameter_that_two_parts_have_must_stand_with_one_of_them() -> None:
    frugal = {"inventory_policy": {"kind": f"{__name__}:Frugal"}}
    with pytest.raises(PluginError, match="a parameter of lit_policy and inventory_policy"):
        build_params(SpiralDealer, {**frugal, "processing_ticks": 1}, "test")
    params = build_params(SpiralDealer, {**frugal, "lit_policy": {"processing_ticks": 2}}, "test")
    assert (params.lit_policy.params.processing_ticks, params.inventory_policy.params.processing_ticks) == (2, 0)


def test_a_group_that_names_another_kind_inherits_no_parameters_of_the_old_one() -> None:
    def second(**own: object) -> dict[str, Any]:
        first = {"name": "a", "params": {"toxicity": {"prior_alpha": 0.1, "kind": "learning"}}}
        groups = resolve_likes({"agents": [first, {"name": "b", "like": "a", "params": {"toxicity": own}}]}, "")
        toxicity: dict[str, Any] = groups["agents"][1]["params"]["toxicity"]
        return toxicity

    assert second(kind="fixed") == {"kind": "fixed"}
    assert second(learning_weight=1.0) == {"kind": "learning", "prior_alpha": 0.1, "learning_weight": 1.0}
    assert second(kind="learning") == {"kind": "learning", "prior_alpha": 0.1}


def test_what_is_listed_shows_the_parameters_of_default_parts() -> None:
    info = describe(SpiralDealer)
    assert "prior_alpha" in [p.name for p in info.parts["toxicity"].params]
    assert next(p for p in info.params if p.name == "toxicity").default == "learning"
    assert issubclass(load_class(BELIEFS.names["density"], Belief), Belief)
