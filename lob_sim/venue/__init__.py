"""The venues of one instrument: its lit book with auctions and price bands, and requests for quote.

Rules of the lit book where venues differ, decided here (price-time priority, trades at the maker's price, and
the rest of the usual rules apart):

*Entry.* The first flaw of a command is its reject reason, in this order: its own fields (side, quantity,
price, trigger, others), a closed session, the order that it names (unknown, another's) or the id that it
repeats, a post-only order that crosses the best opposite price, hidden or not, whoever owns it. A market
order's price is 0. Hidden, iceberg and post-only orders must be able to rest: GTC limit or stop-limit
(post-only: limit only), and a hidden iceberg does not exist. An id counts as used once its order has been
accepted.

*Size.* Quantities and prices reach 2^53, up to where real numbers hold every whole one. An order of 2^30 lots
or more, new or replaced, that would bring the open quantity of the book above 2^62 is refused (INVALID_QTY), so
that every sum of open quantities fits the log.

*Fill or kill.* Executes exactly if doing so fills it completely: meeting an own order under any prevention
mode but CANCEL_MAKER, or a price outside the band, kills it with no other effect.

*Self-trade prevention.* The incoming order's mode rules. DECREMENT works like a reduce on the resting order:
it keeps its place and an iceberg's reserve goes first. Auctions ignore prevention: the call is anonymous.

*Icebergs.* An incoming iceberg trades with all of its quantity. A reduce takes from the reserve first. When it
is entered or replaced an iceberg shows at least a thousandth of its open quantity (INVALID_QTY otherwise): every
slice trades by itself and then queues anew, and a minimum bounds what one command can set off.

*Stops.* A trade triggers every stop that its price has reached. Triggered stops fire one by one after the
command, or the firing, that triggered them is complete, always the earliest arrival first. They fire in
continuous trading only; what triggers before (a print of an auction, or an arrival already through the last
trade) fires when it resumes. A replaced stop that does not keep its place counts as arriving anew.

*Auctions and halts.* Both collect orders. Market and IOC orders take part too, undisplayed and, for market
orders, ahead of every limit price; what is left of them after the uncrossing is cancelled. FOK is refused
(session closed). Moving on to continuous trading, to a closed session, or from one call to the next
uncrosses; between AUCTION and HALTED orders are carried over. The schedule ends a halt at its time and not
before (:mod:`lob_sim.simulation.sessions`). In the uncrossing the best orders of both sides trade pairwise,
slice by slice. The uncrossing price becomes the reference; a reference in the command breaks ties before and
stands if nothing trades.

*Bands.* Where the next trade of an incoming order would print outside the band, the book halts instead; what
is left of the order is collected for the re-opening. The band does not restrict an uncrossing.
"""
