"""What an agent has seen of prices, kept as the evidence that a mark needs."""

from __future__ import annotations

from collections import deque
from statistics import pstdev

from lob_sim.agents.context import Context, TopOfBook
from lob_sim.agents.strategy import Strategy
from lob_sim.balance.marking import Mark, MarketView, MarkingPolicy
from lob_sim.messages import RfqQuoted
from lob_sim.units import NS_PER_S, Ns, Ticks

_NEVER: Ns = 1 << 62
_QUOTES_KEPT = 20
_QUOTE_MEMORY_NS: Ns = 300 * NS_PER_S


class MarketEvidence:
    """Last lit mid, lit trade and RFQ print of each instrument, and the RFQ quotes of the last five minutes.

    Args:
        n_instruments: Number of instruments.
    """

    def __init__(self, n_instruments: int) -> None:
        # The middle and the width of the last two-sided quote, and when it stood last.
        self._mids: list[tuple[float, Ticks]] = [(0.0, 0)] * n_instruments
        self._mid_ns: list[Ns] = [-_NEVER] * n_instruments
        self._trades: list[tuple[Ticks, Ns]] = [(0, -_NEVER)] * n_instruments
        self._prints: list[tuple[Ticks, Ns]] = [(0, -_NEVER)] * n_instruments
        self._quotes: list[deque[tuple[Ns, float]]] = [deque(maxlen=_QUOTES_KEPT) for _ in range(n_instruments)]
        # Marks are made more often than quotes are given: None until it is asked for again.
        self._quote_sds: list[float | None] = [None] * n_instruments
        # The book that decided a mark by itself, and by which policy: while it stands the mark does.
        self._lit: list[tuple[TopOfBook, MarkingPolicy, Mark] | None] = [None] * n_instruments

    def on_trade(self, instrument_id: int, price_ticks: Ticks, ts_ns: Ns) -> None:
        """A lit trade printed."""
        self._trades[instrument_id] = (price_ticks, ts_ns)

    def on_rfq_print(self, instrument_id: int, price_ticks: Ticks, dealt_ns: Ns) -> None:
        """An RFQ trade became known: one's own, or a public print; the latest dealt counts."""
        if dealt_ns >= self._prints[instrument_id][1]:
            self._prints[instrument_id] = (price_ticks, dealt_ns)

    def on_rfq_quote(self, quote: RfqQuoted) -> None:
        """A dealer's answer to an own request."""
        for price in (quote.bid_ticks, quote.ask_ticks):
            if price:
                self._quotes[quote.instrument_id].append((quote.ts_event_ns, float(price)))
                self._quote_sds[quote.instrument_id] = None

    def mark(self, ctx: Context, instrument_id: int, policy: MarkingPolicy, strategy: Strategy) -> Mark:
        """The mark as of now, by the agent's policy and with what its strategy believes.

        Returns:
            The same object while the book stands that decided it.
        """
        now_ns = ctx.now_ns
        top, known = ctx.top(instrument_id), self._lit[instrument_id]
        if known is not None and known[0] is top and known[1] is policy:
            self._mid_ns[instrument_id] = now_ns
            return known[2]
        bid_ticks, ask_ticks = top.bid_ticks, top.ask_ticks
        if bid_ticks > 0 and ask_ticks > 0:
            mid_ticks, spread_ticks = (bid_ticks + ask_ticks) / 2, ask_ticks - bid_ticks
            self._mids[instrument_id], self._mid_ns[instrument_id] = (mid_ticks, spread_ticks), now_ns
            mark = policy.lit_mark(mid_ticks, spread_ticks)
            if mark is not None:
                self._lit[instrument_id] = (top, policy, mark)
                return mark
        return policy.mark(self._view(now_ns, instrument_id, *strategy.valuation(ctx, instrument_id)))

    def _view(self, now_ns: Ns, instrument_id: int, belief_ticks: float, belief_sd_ticks: float) -> MarketView:
        (mid, spread), mid_ns = self._mids[instrument_id], self._mid_ns[instrument_id]
        trade, trade_ns = self._trades[instrument_id]
        rfq_print, print_ns = self._prints[instrument_id]
        return MarketView(
            mid_ticks=mid,
            mid_age_ns=now_ns - mid_ns,
            trade_ticks=trade,
            trade_age_ns=now_ns - trade_ns,
            print_ticks=rfq_print,
            print_age_ns=now_ns - print_ns,
            belief_ticks=belief_ticks,
            belief_sd_ticks=belief_sd_ticks,
            quote_sd_ticks=self._quote_sd_ticks(instrument_id, now_ns),
            spread_ticks=spread,
        )

    def _quote_sd_ticks(self, instrument_id: int, now_ns: Ns) -> float:
        """Standard deviation of the quotes remembered, 0 of fewer than two."""
        quotes = self._quotes[instrument_id]
        while quotes and now_ns - quotes[0][0] > _QUOTE_MEMORY_NS:
            quotes.popleft()
            self._quote_sds[instrument_id] = None
        known = self._quote_sds[instrument_id]
        if known is None:
            known = pstdev([price for _, price in quotes]) if len(quotes) > 1 else 0.0
            self._quote_sds[instrument_id] = known
        return known
