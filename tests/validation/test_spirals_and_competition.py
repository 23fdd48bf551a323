"""RFQ competition, loss and margin spirals, procyclical leverage: wrong variants.

What each gets wrong is right in the quick runs, where the same claims hold.
"""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import assert_turned, failing

from experiments.validation import (
    loss_and_margin_spiral,
    procyclical_leverage,
    rfq_competition,
)
from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import Inquiries
from lob_sim.balance.constraints import SlrConstraint
from lob_sim.balance.funding import HaircutSchedule
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.messages import RfqQuoted

# --- RFQ competition -----------------------------------------------------------------------------------------

FEW: dict[str, Any] = {"runs": 6, "requests": 60}


@pytest.mark.parametrize(("dealers", "shading"), [(1, 1.5), (1, 0.5), (2, 1.0), (3, 9.0), (12, 0.0)])
def test_competition_of_any_number_of_dealers(dealers: int, shading: float) -> None:
    assert failing(rfq_competition.run(dealers=dealers, shading=shading, **FEW).rows) == set()


def test_dealers_who_believe_in_one_rival_less(monkeypatch: pytest.MonkeyPatch) -> None:
    right = rfq_competition.ShadedAnswers.markup_ticks
    monkeypatch.setattr(
        rfq_competition.ShadedAnswers, "markup_ticks", lambda self, cost, n: right(self, cost, max(1, n - 1))
    )
    rows = rfq_competition.run(dealers=3, **FEW).rows
    assert_turned(rows, "best quote, n=3: 2/(n+1)", "revenue equivalence", "profit of the winner")
    assert not any("cost of the winner" in claim for claim in failing(rows))


def test_a_client_who_deals_with_the_first_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Inquiries.on_quote

    def wrong(self: Inquiries, ctx: Context, quote: RfqQuoted) -> None:
        inquiry = self.open.get(quote.client_rfq_id)
        right(self, ctx, quote)
        if inquiry is not None and inquiry.best is not None and not inquiry.decided:
            self.on_patience_over(ctx, quote.client_rfq_id)

    monkeypatch.setattr(Inquiries, "on_quote", wrong)
    rows = rfq_competition.run(dealers=4, **FEW).rows
    assert_turned(rows, "won by the lowest cost", "cost of the winner", "best quote, n=4: 2/(n+1)")


# --- loss and margin spirals ---------------------------------------------------------------------------------


def test_a_formula_with_the_sign_of_the_loss_spiral_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, 4)["both spirals"]
    loss = 5e6
    rounds = loss_and_margin_spiral.in_rounds(case, loss)
    book = float(loss_and_margin_spiral.in_the_book([case], [loss])[0])
    assert failing(loss_and_margin_spiral.judge("both", case, loss, rounds, book)) == set()
    monkeypatch.setattr(
        loss_and_margin_spiral.Case,
        "denominator",
        property(lambda self: self.slope * self.margin + self.margin_slope * self.position + self.exposed),
    )
    rows = loss_and_margin_spiral.judge("both", case, loss, rounds, book)
    assert_turned(rows, "dp/dη, both, in rounds", "dp/dη, both, order book")


def test_lenders_who_do_not_look_at_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, 4)["both spirals"]
    blind = lambda case: HaircutSchedule(base=case.haircut)  # noqa: E731  # a lender with one haircut for all times
    monkeypatch.setattr(loss_and_margin_spiral, "schedule", blind)
    rounds = loss_and_margin_spiral.in_rounds(case, 5e6)
    book = float(loss_and_margin_spiral.in_the_book([case], [5e6])[0])
    rows = loss_and_margin_spiral.judge("both", case, 5e6, rounds, book)
    assert len(failing(rows)) == len(rows) == 4


def test_a_hedge_that_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, 4)["margin spiral"]
    base = loss_and_margin_spiral.FundingConstraint.headroom
    monkeypatch.setattr(loss_and_margin_spiral.HedgedFunding, "headroom", base)
    rounds = loss_and_margin_spiral.in_rounds(case, 15e6)
    assert rounds > 2 * loss_and_margin_spiral.fall_along_the_ladder(case, 15e6)


@pytest.mark.parametrize("slope", [1, 2])
def test_past_the_threshold_of_stability(slope: int) -> None:
    cases = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, slope)
    case = cases["both spirals"]
    assert case.denominator < 0
    # A thousandth of the loss has next to the same answer: a jump.
    small, large = (loss_and_margin_spiral.in_rounds(case, loss) for loss in (1e3, 1e6))
    assert small == pytest.approx(large, rel=0.01)
    assert small > 1_000
    rows = loss_and_margin_spiral.judge("both", case, 1e6, large, float("nan"))
    assert failing(rows) == set()


def test_lenders_roll_the_loans_of_a_speculator_with_a_hundredth_of_own_funds() -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.01, 0.0, 4)["no spiral"]
    loss = 100 * case.denominator
    rounds = loss_and_margin_spiral.in_rounds(case, loss)
    book = float(loss_and_margin_spiral.in_the_book([case], [loss])[0])
    assert failing(loss_and_margin_spiral.judge("thin", case, loss, rounds, book)) == set()


# --- procyclical leverage ------------------------------------------------------------------------------------


def test_the_textbook_numbers() -> None:
    rows = {row.claim: row.measured for row in procyclical_leverage.textbook_rows(100.0, 10.0, 0.01)}
    assert rows["leverage after the rise"] == pytest.approx(9.18, abs=0.005)
    assert rows["bought to be at the target again"] == pytest.approx(9.0, abs=1e-6)
    assert rows["leverage after losing as much"] == pytest.approx(10.9, abs=1e-6)
    assert rows["sold to be at the target again"] == pytest.approx(9.0, abs=1e-6)


@pytest.mark.parametrize(("assets", "equity", "rise"), [(100, 2, 0.001), (3e9, 1e9, 0.2), (7, 0.5, 0.05)])
def test_the_example_at_other_numbers(assets: float, equity: float, rise: float) -> None:
    assert failing(procyclical_leverage.textbook_rows(assets, equity, rise)) == set()
    assert failing(procyclical_leverage.var_rows(assets, equity, rise, 0.7)) == set()


def test_a_bank_that_keeps_its_proceeds_as_cash(monkeypatch: pytest.MonkeyPatch) -> None:
    right = BalanceSheet.sell
    monkeypatch.setattr(
        BalanceSheet, "sell", lambda self, i, lots, price, proceeds: right(self, i, lots, price, Proceeds.KEEP_AS_CASH)
    )
    rows = procyclical_leverage.textbook_rows(100.0, 10.0, 0.01)
    assert_turned(rows, "assets in the end", "leverage in the end")


def test_a_purchase_limit_that_counts_the_gain_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # It lets a bank buy for its gain, and not for its gain times leverage.
    right = SlrConstraint.purchase_lots
    monkeypatch.setattr(SlrConstraint, "purchase_lots", lambda self, view: [n // 9 for n in right(self, view)])
    rows = procyclical_leverage.textbook_rows(100.0, 10.0, 0.01)
    assert_turned(rows, "bought to be at the target", "leverage then", "sold to be at the target")
    assert_turned(procyclical_leverage.book_rows(10.0, 0.002), "order book: bought (lots)")
