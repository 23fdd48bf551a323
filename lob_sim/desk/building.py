"""Build a dealer's desk from what the scenario says of its balance sheet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from lob_sim.agents.strategy import Strategy
from lob_sim.balance.constraints import (
    CapitalVarConstraint,
    CollateralBufferConstraint,
    Constraint,
    FundingConstraint,
    InventoryConstraint,
    LiquidityCoverageConstraint,
    RiskWeightedConstraint,
    SlrConstraint,
    ThresholdLeverageConstraint,
    VarConstraint,
)
from lob_sim.balance.derivatives import DerivativePosition, Derivatives, InitialMargin
from lob_sim.balance.fund import FlowRule, Fund
from lob_sim.balance.liquidation import BookWatching, Immediate, LiquidationStrategy, Participation, Twap
from lob_sim.balance.liquidation_sequence import LIQUIDATION_SEQUENCES, LiquidationSequence
from lob_sim.balance.marking import HierarchyMarking, MarkingPolicy
from lob_sim.balance.resolution import ResolutionPolicy
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetContext
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.convert import did_you_mean
from lob_sim.desk.borrower import Borrower, LenderTerms
from lob_sim.desk.desk import Desk
from lob_sim.desk.forced_sale import ForcedSales
from lob_sim.desk.fund import FundDesk
from lob_sim.desk.margining import Margining
from lob_sim.desk.sponsored import SponsoredDesk, SponsorRule
from lob_sim.desk.swaps import Swaps
from lob_sim.errors import InputError, ScenarioError
from lob_sim.plugin_params import build_params
from lob_sim.plugins import load_class
from lob_sim.scenario import BalanceSheetSpec, SponsorSpec, SwitchSpec
from lob_sim.units import Cash, Lots, Ticks, bounded_cash

CONSTRAINTS: Mapping[str, type[Constraint]] = {
    c.name: c
    for c in (
        SlrConstraint,
        ThresholdLeverageConstraint,
        VarConstraint,
        CapitalVarConstraint,
        FundingConstraint,
        InventoryConstraint,
        RiskWeightedConstraint,
        LiquidityCoverageConstraint,
        CollateralBufferConstraint,
    )
}
LIQUIDATIONS: Mapping[str, type[LiquidationStrategy]] = {
    c.name: c for c in (Immediate, Twap, Participation, BookWatching)
}
MARKINGS: Mapping[str, type[MarkingPolicy]] = {"hierarchy": HierarchyMarking}

_SWITCHED: Mapping[str, str] = {
    "slr": "slr",
    "leverage_threshold": "slr",
    "risk_weighted": "slr",
    "var": "var",
    "capital_var": "var",
    "funding": "funding",
    "liquidity_coverage": "funding",
    "collateral_buffer": "funding",
}


class DeskBuilder:
    """Makes desks of one scenario.

    Args:
        context: Instruments and the unit of cash.
        marks_ticks: Opening marks.
        switches: Mechanisms that are on.
        folder: Where a user's own plug-ins are looked for.
        lenders: Repo lenders by ``agent_id``: their group, and what borrowers know of them.
        swaps: Swaps between agents.
    """

    def __init__(
        self,
        context: SheetContext,
        marks_ticks: tuple[Ticks, ...],
        switches: SwitchSpec,
        folder: str,
        lenders: Mapping[int, tuple[str, LenderTerms]],
        swaps: Swaps | None = None,
    ) -> None:
        self._context = context
        self._marks_ticks = marks_ticks
        self._switches = switches
        self._folder = Path(folder) if folder else None
        self._lenders = lenders
        self._swaps = swaps

    def build(
        self,
        spec: BalanceSheetSpec,
        cash: Cash,
        lots: tuple[Lots, ...],
        strategy: Strategy,
        where: str,
        agent_id: int = -1,
    ) -> Desk:
        """One agent's desk.

        Raises:
            ScenarioError: Names the field that does not hold.
        """
        try:
            derivatives = self._derivatives(spec, cash, where, agent_id)
            house = None if self._swaps is None else self._swaps.house
            parts = (
                self._sheet(spec, cash, lots, derivatives),
                self._risk_manager(spec, where, derivatives is not None),
                self._marking(spec, where),
                self._volatility(spec),
                ForcedSales(
                    self._liquidation(spec, where),
                    ResolutionPolicy(spec.resolution_horizon),
                    spec.work_interval,
                    spec.sale_patience,
                    spec.rfq_dealers,
                    spec.rfq_patience,
                ),
                strategy,
                spec.mark_interval,
                spec.mark_tolerance,
                spec.disclosure_interval,
                self._borrower(spec, where),
                None if derivatives is None else Margining(derivatives, spec.variation_interval, house),
            )
            if spec.sponsor is not None:
                return SponsoredDesk(*parts, rule=self._sponsor(spec.sponsor, spec.scale))
            if spec.redemptions is None:
                return Desk(*parts)
            flow = FlowRule(spec.redemptions.beta, spec.redemptions.swing_threshold, spec.redemptions.swing_factor)
            return FundDesk(*parts, fund=Fund(parts[0], flow), interval_ns=spec.redemptions.interval)
        except ScenarioError:
            raise
        except InputError as error:
            raise ScenarioError(error.message, error.where or where) from error

    def remake(self, desk: Desk, spec: BalanceSheetSpec, where: str, parts: Collection[str]) -> None:
        """Give a desk at work new limits, another way of marking or of selling; its balance sheet stays what it is.

        Args:
            desk: The desk.
            spec: What the scenario says now.
            where: The place, for errors.
            parts: Which: ``limits``, ``marking``, ``liquidation``.

        Raises:
            ScenarioError: Names the field that does not hold.
        """
        if "limits" in parts:
            desk.follow_limits(self._risk_manager(spec, where, desk.margining is not None))
        if "marking" in parts:
            desk.marking = self._marking(spec, where)
        if "liquidation" in parts:
            desk.sales.strategy = self._liquidation(spec, where)
        desk.ask_anew()

    def _derivatives(self, spec: BalanceSheetSpec, cash: Cash, where: str, agent_id: int) -> Derivatives | None:
        """Its swaps and futures, ``None`` without any.

        Raises:
            ScenarioError: An amount is off the grid, or cash does not cover their initial margin.
        """
        ids = {instrument.name: instrument for instrument in self._context.instruments}
        positions = []
        for i, entry in enumerate(spec.derivatives):
            place = f"{where}.derivatives[{i}]"
            instrument = ids[entry.instrument]
            try:
                lots = instrument.to_lots(Fraction(entry.amount) * Fraction(spec.scale))
            except InputError as error:
                raise ScenarioError(error.message, f"{place}.amount") from None
            margin = InitialMargin(
                entry.initial_margin, entry.per_volatility, entry.reference_volatility, entry.maximum_margin
            )
            positions.append(DerivativePosition(instrument.instrument_id, lots, margin, entry.hedge_ratio))
        swaps = [] if self._swaps is None else self._swaps.positions(agent_id)
        if not positions and not swaps:
            return None
        values = [instrument.cash_per_tick_lot for instrument in self._context.instruments]
        derivatives = Derivatives([*positions, *swaps], self._marks_ticks, values)
        if swaps and self._swaps is not None:
            derivatives.fund_cash = self._swaps.contribute(agent_id, sum(swap.posted_cash for swap in swaps))
        if derivatives.assets_cash > cash:
            money = self._context.cash_unit.money
            raise ScenarioError(
                f"expected cash of at least the initial margin, {money(derivatives.assets_cash):,.0f} with the "
                f"contribution to a default fund, got {money(cash):,.0f}",
                f"{where}.derivatives",
            )
        return derivatives

    def _sheet(
        self, spec: BalanceSheetSpec, cash: Cash, lots: tuple[Lots, ...], derivatives: Derivatives | None
    ) -> BalanceSheet:
        unit, scale = self._context.cash_unit, Fraction(spec.scale)
        return BalanceSheet(
            self._context.instruments,
            cash=cash,
            lots=lots,
            marks_ticks=self._marks_ticks,
            other_assets_cash=unit.to_cash(Fraction(spec.other_assets) * scale, "other_assets"),
            short_term_cash=unit.to_cash(Fraction(spec.short_term_funding) * scale, "short_term_funding"),
            repo_cash=[
                unit.to_cash(Fraction(spec.repo.get(i.name, 0)) * scale, "repo") for i in self._context.instruments
            ],
            haircuts=[spec.haircuts.get(i.name, 0.0) for i in self._context.instruments],
            derivatives=derivatives,
        )

    def _risk_manager(self, spec: BalanceSheetSpec, where: str, margined: bool) -> RiskManager:
        constraints: list[Constraint] = []
        for i, entry in enumerate(spec.constraints):
            if not getattr(self._switches, _SWITCHED.get(entry.kind, ""), True):
                continue
            place = f"{where}.constraints[{i}]"
            cls = self._plugin(entry.kind, CONSTRAINTS, Constraint, f"{place}.kind")
            params = build_params(cls, entry.params, f"{place}.params")
            try:
                constraints.append(cls(params, self._context))
            except InputError as error:
                raise ScenarioError(f"{error.where}: {error.message}", f"{place}.params") from error
        funded = any(type(constraint) is FundingConstraint for constraint in constraints)
        if spec.redemptions is not None or (margined and not funded):
            # What leaving investors are owed and what margin is called must be paid, whatever lenders do.
            constraints.append(FundingConstraint(FundingConstraint.Params(), self._context))
        order = self._plugin(
            spec.liquidation_sequence, LIQUIDATION_SEQUENCES, LiquidationSequence, f"{where}.liquidation_sequence"
        )
        params = build_params(order, {}, f"{where}.liquidation_sequence")
        return RiskManager(constraints, order(params, self._context))

    def _sponsor(self, spec: SponsorSpec, scale: Decimal) -> SponsorRule:
        most_cash = bounded_cash(self._context.cash(spec.most) * float(scale))
        return SponsorRule(spec.leverage, spec.target_leverage, spec.lag, most_cash)

    def _marking(self, spec: BalanceSheetSpec, where: str) -> MarkingPolicy:
        cls = self._plugin(spec.marking, MARKINGS, MarkingPolicy, f"{where}.marking")
        raw = dict(spec.marking_params)
        if cls is HierarchyMarking and not self._switches.prudent_marks:
            raw["prudent"] = False
        marking = cls(build_params(cls, raw, f"{where}.marking_params"))
        assert isinstance(marking, MarkingPolicy)
        return marking

    def _liquidation(self, spec: BalanceSheetSpec, where: str) -> LiquidationStrategy:
        cls = self._plugin(spec.liquidation, LIQUIDATIONS, LiquidationStrategy, f"{where}.liquidation")
        strategy = cls(build_params(cls, spec.liquidation_params, f"{where}.liquidation_params"))
        assert isinstance(strategy, LiquidationStrategy)
        return strategy

    def _volatility(self, spec: BalanceSheetSpec) -> EwmaCovariance:
        opening = [spec.opening_volatility.get(i.name, 0.0) for i in self._context.instruments]
        return EwmaCovariance(opening, spec.volatility_interval, spec.volatility_decay)

    def _borrower(self, spec: BalanceSheetSpec, where: str) -> Borrower | None:
        """The borrowing side; ``None`` where nobody lends at the opening, or for a fund.

        Raises:
            ScenarioError: A group that it borrows from has no lenders.
        """
        known = sorted({group for group, _ in self._lenders.values()})
        for i, name in enumerate(spec.lenders):
            if name not in known:
                there = ", ".join(known) or "none"
                raise ScenarioError(
                    f"no group of repo lenders named {name!r}{did_you_mean(name, known)}; there are: {there}",
                    f"{where}.lenders[{i}]",
                )
        terms = [
            terms
            for group, terms in self._lenders.values()
            if not spec.lenders or group in spec.lenders or terms.is_standing_facility
        ]
        if spec.redemptions is not None or all(t.is_standing_facility for t in terms):
            return None
        return Borrower(terms, spec.maturity_buckets, spec.runnable_share)

    def _plugin(self, name: str, known: Mapping[str, type], base: type, where: str) -> type[Any]:
        if name in known:
            return known[name]
        if ":" not in name:
            raise ScenarioError(
                f'expected one of {", ".join(known)} or "module:Class", got {name!r}{did_you_mean(name, known)}',
                where,
            )
        try:
            return load_class(name, base, self._folder)
        except InputError as error:
            raise ScenarioError(error.message, where) from error
