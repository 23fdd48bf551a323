"""What every part of a dealer must do, as test classes that authors of parts inherit."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from lob_sim.agents.context import Headroom
from lob_sim.agents.dealer import InventoryPolicy, LitPolicy, NoLitQuotes, Quotes, RfqPolicy, Situation, Unlimited
from lob_sim.errors import PluginError
from lob_sim.information.belief import Belief, GaussianBelief
from lob_sim.information.toxicity import Flow, ToxicityEstimator
from lob_sim.messages import DeclineReason, RfqOpened, Side
from lob_sim.parts import KIND, Part
from lob_sim.plugin_params import build_params, describe, params_type
from lob_sim.plugins import load_class
from lob_sim.rng import Stream
from lob_sim.testing.recording import RecordingContext, make_instrument
from lob_sim.units import NS_PER_S

_OPENING_TICKS = 1000
_STEPS = 60


class PartContract:
    """What the contracts of all parts have in common; inherit one of those below.

    ::

        class TestMyEstimator(ToxicityContract):
            part = "my_file.py:MyEstimator"
            params = {"half_life": "2min"}

    Attributes:
        part: The class, or its ``"module:Class"``.
        params: Parameters as in a scenario; what is not given keeps its default.
    """

    part: ClassVar[type[Any] | str]
    params: ClassVar[Mapping[str, object]] = {}
    base: ClassVar[type[Any]] = object

    def chosen(self) -> Part:
        """The class under test with its parameters."""
        cls = load_class(self.part, self.base) if isinstance(self.part, str) else self.part
        assert issubclass(cls, self.base)
        return Part(cls, build_params(cls, self.params, "contract"))

    def test_describes_itself(self) -> None:
        """It says in a line what it is, and documents every parameter; none is called ``kind``."""
        info = describe(self.chosen().cls)
        assert info.summary.endswith("."), info.summary
        assert [p.name for p in info.params if not p.doc] == []
        assert KIND not in [p.name for p in info.params]

    def test_parameters_are_strict(self) -> None:
        """An unknown key is refused."""
        cls = self.chosen().cls
        try:
            build_params(cls, {**self.params, "no_such_parameter": 1}, "contract")
        except PluginError:
            assert params_type(cls).__struct_config__.frozen
        else:
            raise AssertionError(f"{cls.__name__} accepts a parameter that it does not have")


class BeliefContract(PartContract):
    """What every belief must do."""

    base = Belief

    def moments(self, belief: Belief, seed: int) -> Iterator[tuple[float, float]]:
        """Mean and standard deviation as a belief hears of time, trades and news."""
        random, now_ns = Stream(seed, "contract"), 0
        for _ in range(_STEPS):
            now_ns += random.integer(1, 5) * NS_PER_S
            side = Side.BUY if random.uniform() < 0.5 else Side.SELL
            price = _OPENING_TICKS + side * random.integer(0, 10)
            belief.advance(now_ns)
            belief.on_mid(now_ns, price)
            belief.on_lit_print(now_ns, price)
            belief.on_trade(side, price, random.uniform())
            belief.on_past_trade(side, price, random.uniform(), 60 * NS_PER_S)
            belief.on_signal(price, 5.0)
            belief.on_jump(price - _OPENING_TICKS, 2.0)
            belief.on_others_quotes(NS_PER_S, price - 2, price + 2)
            yield belief.mean_ticks, belief.sd_ticks

    def test_begins_at_the_opening_value(self) -> None:
        """Everybody knew it."""
        belief = self.chosen().make(float(_OPENING_TICKS))
        assert belief.mean_ticks == _OPENING_TICKS or math.isclose(belief.mean_ticks, _OPENING_TICKS, rel_tol=1e-9)

    def test_moments_stay_finite(self) -> None:
        """Whatever it hears, the mean is a number, and standard deviation and volatility are not negative."""
        belief = self.chosen().make(float(_OPENING_TICKS))
        for mean, sd in self.moments(belief, 1):
            assert math.isfinite(mean)
            assert 0 <= sd < math.inf
            assert 0 <= belief.variance_rate < math.inf

    def test_same_evidence_same_belief(self) -> None:
        """Two of a kind agree, and one pickled half-way goes on as if nothing had happened."""
        first, second = (self.chosen().make(float(_OPENING_TICKS)) for _ in range(2))
        assert list(self.moments(first, 1)) == list(self.moments(second, 1))
        restored = pickle.loads(pickle.dumps(first))
        assert list(self.moments(restored, 2)) == list(self.moments(second, 2))


class ToxicityContract(PartContract):
    """What every estimator of toxicity must do."""

    base = ToxicityEstimator

    def alphas(self, estimator: ToxicityEstimator, seed: int, start_ns: int = 0) -> list[float]:
        """What it makes of flow that is one-sided for a while."""
        random, found, now_ns = Stream(seed, "contract"), [], start_ns
        for step in range(_STEPS):
            now_ns += random.integer(1, 5) * NS_PER_S
            side = Side.BUY if step > _STEPS / 2 or random.uniform() < 0.5 else Side.SELL
            estimator.on_mid(now_ns, _OPENING_TICKS + step)
            estimator.on_trade(now_ns, side, random.integer(1, 20))
            estimator.on_fill(now_ns, side, _OPENING_TICKS + step)
            found.append(estimator.alpha(now_ns))
        return found

    def fresh(self, flow: Flow) -> ToxicityEstimator:
        """An estimator of such a flow that has seen nothing."""
        chosen = self.chosen()
        estimator: ToxicityEstimator = chosen.cls.of_flow(chosen.params, flow)
        return estimator

    def test_alpha_is_a_share(self) -> None:
        """Before any flow and after, and the prior and that of calm too."""
        chosen = self.chosen()
        for flow in Flow:
            assert 0 <= chosen.cls.prior_alpha(chosen.params, flow) < 1
            assert 0 <= chosen.cls.calm_alpha(chosen.params, flow) < 1
            estimator = self.fresh(flow)
            assert 0 <= estimator.alpha(0) <= 1
            assert all(0 <= alpha <= 1 for alpha in self.alphas(estimator, 1))

    def test_same_flow_same_alpha(self) -> None:
        """Two of a kind agree, asking changes nothing, and a pickled one goes on as if nothing had happened."""
        for flow in Flow:
            first, second = self.fresh(flow), self.fresh(flow)
            assert self.alphas(first, 1) == self.alphas(second, 1)
            now_ns = 10 * _STEPS * NS_PER_S
            assert first.alpha(now_ns) == first.alpha(now_ns)
            restored = pickle.loads(pickle.dumps(first))
            assert self.alphas(restored, 2, now_ns) == self.alphas(second, 2, now_ns)


class PolicyContract(PartContract):
    """What the contracts of the three policies have in common: contexts and situations."""

    def context(self, position_lots: int = 0, headroom: Headroom | None = None, seed: int = 1) -> RecordingContext:
        """A market of two instruments."""
        instruments = (make_instrument(0, "bond"), make_instrument(1, "note", 2))
        ctx = RecordingContext(seed=seed, instruments=instruments, initial_ticks=_OPENING_TICKS)
        ctx.set_top(_OPENING_TICKS - 2, _OPENING_TICKS + 2)
        ctx.positions[0], ctx.headroom = position_lots, headroom
        return ctx

    def started(self, ctx: RecordingContext) -> Any:
        """A fresh policy in a market that opens."""
        policy = self.chosen().make()
        policy.on_start(ctx)
        return policy

    def situation(self, alpha: float, inventory: InventoryPolicy, qty_lots: int = 3) -> Situation:
        """Something to price."""
        belief = GaussianBelief(GaussianBelief.Params(), float(_OPENING_TICKS))
        return Situation(0, 3, qty_lots, belief, alpha, inventory)


class LitPolicyContract(PolicyContract):
    """What every lit policy must do."""

    base = LitPolicy

    def test_prices_leave_no_trace(self) -> None:
        """Asking for prices sends nothing, logs nothing and changes no decision; the bid is below the ask."""
        for alpha in (0.0, 0.2, 0.9):
            ctx = self.context()
            policy, inventory = self.started(ctx), Unlimited()
            inventory.on_start(ctx)
            before = pickle.dumps(policy)
            quotes = policy.prices(ctx, self.situation(alpha, inventory))
            assert quotes == policy.prices(ctx, self.situation(alpha, inventory))
            assert pickle.dumps(policy) == before
            assert ctx.actions == []
            assert ctx.logged == []
            assert quotes.bid_ticks < quotes.ask_ticks

    def test_quotes_or_stays_away(self) -> None:
        """Calm or afraid, with room or without: quotes that can be sent, or none; the dealer sends them."""
        for alpha in (0.0, 0.2, 0.9):
            for headroom in (None, Headroom((1000, 1000), 0.06, False, ()), Headroom((0, 0), 0.01, True, ("slr",))):
                ctx = self.context(headroom=headroom)
                policy, inventory = self.started(ctx), Unlimited()
                inventory.on_start(ctx)
                policy = pickle.loads(pickle.dumps(policy))
                quotes = policy.quotes(ctx, self.situation(alpha, inventory))
                assert quotes is None or isinstance(quotes, Quotes)
                assert quotes is None or min(quotes.bid_lots, quotes.ask_lots) >= 0
                assert not ctx.actions


class RfqPolicyContract(PolicyContract):
    """What every RFQ policy must do."""

    base = RfqPolicy

    def test_answers_the_sides_asked_for(self) -> None:
        """A price on a side that was asked for, or a reason; the dealer sends the answer."""
        for side in (Side.BUY, Side.SELL, 0):
            for alpha in (0.0, 0.2, 0.9):
                ctx = self.context()
                policy, inventory = self.started(ctx), Unlimited()
                inventory.on_start(ctx)
                request = RfqOpened(0, 0, 7, 9, 1, int(side), 3, (0, 1), 10 * NS_PER_S)
                policy.on_request(ctx, request)
                policy = pickle.loads(pickle.dumps(policy))
                answer = policy.answer(ctx, request, self.situation(alpha, inventory), NoLitQuotes())
                assert not ctx.actions
                if isinstance(answer, DeclineReason):
                    continue
                assert answer.bid_lots or answer.ask_lots, "an answer without a price is a refusal: say why"
                assert not (answer.bid_lots and side == Side.BUY), "the asker buys, and wants no bid"
                assert not (answer.ask_lots and side == Side.SELL), "the asker sells, and wants no ask"


class InventoryPolicyContract(PolicyContract):
    """What every inventory policy must do."""

    base = InventoryPolicy

    def test_capacity_is_never_negative(self) -> None:
        """Whatever it holds, and whatever its headroom."""
        for headroom in (None, Headroom((1000, 1000), 0.06, False, ()), Headroom((0, 0), 0.01, True, ("slr",))):
            for position in (-10_000, -5, 0, 5, 10_000):
                ctx = self.context(headroom=headroom)
                policy = pickle.loads(pickle.dumps(self.started(ctx)))
                ctx.positions[0] = position
                assert min(policy.capacity(ctx, 0)) >= 0
                assert math.isfinite(policy.utilisation(ctx, 0, Side.BUY, 5))
                assert policy.holding_variance_ticks2(1e-9) >= 0
                assert math.isfinite(policy.risk_ticks(Side.BUY, 5, position, 1e-9))

    def test_inventory_counts_from_the_opening(self) -> None:
        """What it holds when the market opens is what it wants to hold."""
        ctx = self.context(position_lots=40)
        policy = self.started(ctx)
        assert policy.inventory_lots(ctx, 0) == 0
        ctx.positions[0] = 47
        assert policy.inventory_lots(ctx, 0) == 7
