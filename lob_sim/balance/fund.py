"""Asset managers: net asset value at marks, redemptions by the flow-performance rule, sales to meet them.

A fund is a balance sheet without leverage whose Tier 1 is its net asset value. A redemption turns capital
into a debt that is due; the cash buffer pays what it can, and the rest is a funding shortfall for which the
same risk manager sells as for any other (haircuts of 1: nobody lends to the fund).

Source: flow-performance sensitivity as in Coval and Stafford (2007), *Asset fire sales (and purchases) in
equity markets*, and Goldstein, Jiang and Ng (2017) for bond funds; swing pricing as in SEC rule 22c-1(a)(3).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.balance.plugin import checked
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.messages import Redemption
from lob_sim.units import Cash, Ns


class FlowRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How investors answer performance.

    Attributes:
        beta: Share of assets redeemed per unit of negative return: redemptions are β·max(0, -return)·NAV.
        swing_threshold: Redemptions above this share of NAV are paid at a swung price.
        swing_factor: By how much the price is swung, as a fraction; 0 turns swing pricing off.
    """

    beta: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    swing_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    swing_factor: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0

    def redeemed(self, nav_return: float, nav_cash: Cash) -> Cash:
        """What investors ask for, in cash units, before any swing; at most everything."""
        return min(nav_cash, round(self.beta * max(0.0, -nav_return) * nav_cash))

    def paid(self, redeemed_cash: Cash, nav_cash: Cash) -> Cash:
        """What they get for it: less when the price is swung, which protects those who stay."""
        if redeemed_cash > self.swing_threshold * nav_cash:
            return redeemed_cash - round(self.swing_factor * redeemed_cash)
        return redeemed_cash


class Strike(msgspec.Struct, frozen=True):
    """A net asset value, and what investors redeem because of it, before any swing."""

    nav_cash: Cash
    redeemed_cash: Cash


class Fund:
    """A fund's redemptions.

    Args:
        sheet: The fund's balance sheet; its haircuts are set to 1.
        rule: How investors answer performance.

    Attributes:
        sheet: The balance sheet.
        last_nav_cash: Net asset value when redemptions were last worked out: performance is measured from it.
    """

    def __init__(self, sheet: BalanceSheet, rule: FlowRule) -> None:
        self.sheet = sheet
        self.rule = checked(rule, "flow rule")
        self.last_nav_cash = sheet.tier1_cash
        sheet.haircuts = [1.0] * len(sheet.haircuts)

    @property
    def nav_cash(self) -> Cash:
        """Net asset value at marks, without what is owed to investors who have left."""
        return self.sheet.tier1_cash

    @property
    def nav_return(self) -> float:
        """Return since the last redemption; 0 for a fund with nothing left."""
        return self.nav_cash / self.last_nav_cash - 1 if self.last_nav_cash > 0 else 0.0

    def strike(self) -> Strike:
        """Work out the net asset value, and what investors ask for; the next one measures performance from here."""
        nav = self.nav_cash
        redeemed = self.rule.redeemed(self.nav_return, max(0, nav))
        self.last_nav_cash = nav
        return Strike(nav, redeemed)

    def pay(self, struck: Strike, ts_event_ns: Ns, agent_id: int) -> Redemption | None:
        """Owe investors what they have asked for, and pay from the buffer at once.

        Returns:
            The redemption for the log, or None when nobody leaves. What the buffer does not cover is due on the sheet.
        """
        if struck.redeemed_cash == 0:
            return None
        owed = self.rule.paid(struck.redeemed_cash, struck.nav_cash)
        self.sheet.owe(owed)
        self.last_nav_cash -= owed
        buffer = self.sheet.repay(min(owed, self.sheet.cash))
        return Redemption(ts_event_ns, agent_id, struck.nav_cash, owed, buffer, owed - buffer)

    def redeem(self, ts_event_ns: Ns, agent_id: int) -> Redemption | None:
        """Let investors answer the performance since the last time; both of the above at once."""
        return self.pay(self.strike(), ts_event_ns, agent_id)
