"""What is worth knowing, and what a dealer makes of what it sees: fair value, belief, toxicity, spread,
retreat.

Everything here is pure: no clock, no venue, no I/O. Time enters as arguments, in integer nanoseconds;
randomness enters through named streams in :mod:`lob_sim.information.fair_value` alone.

=================  ================================================================================
module             what it answers
=================  ================================================================================
``fair_value``     what is the instrument worth now, and what news is there of it
``belief``         what does a dealer believe that it is worth (Gaussian filter; the market's price)
``density_belief`` the same, as a discretised density
``volatility``     how fast does a dealer think that value moves, learnt from its own belief
``toxicity``       what share of the flow knows more than the dealer does
``spread``         which half-spread earns nothing against that flow, and what each part of it is for
``retreat``        does lit quoting still pay; when to leave, when to come back
``rfq``            what to quote a client of a known class; whether to deal with a suspected distressed dealer
=================  ================================================================================
"""
