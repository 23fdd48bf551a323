"""A dealer of parts: what it believes, whom it fears, how it quotes on the lit book and on request, what it may hold.

A strategy that makes markets is a :class:`~lob_sim.agents.dealer.dealer.Dealer` with five parts. Each is one class with
one method that it must have; a scenario replaces one by naming another in the dealer's parameters.

====================  ====================================================  ===================================
part                  what it answers                                       subclass of
====================  ====================================================  ===================================
``belief``            what is the instrument worth                          ``Belief``, in ``information``
``toxicity``          what share of the flow knows more than I do           ``ToxicityEstimator``, in the same
``lit_policy``        what do I show in the lit book                        ``LitPolicy``
``rfq_policy``        what do I answer a client                             ``RfqPolicy``
``inventory_policy``  what may I still buy and sell, what does it cost me   ``InventoryPolicy``
====================  ====================================================  ===================================

Parts hold their own state and pickle with it; they keep no reference to the simulator, and draw random numbers from
``ctx.random`` alone.
"""

from lob_sim.agents.dealer.dealer import Dealer
from lob_sim.agents.dealer.inventory_policy import InventoryPolicy, PositionLimit, Unlimited
from lob_sim.agents.dealer.kinds import (
    BeliefPart,
    InventoryPolicyPart,
    LitPolicyPart,
    RfqPolicyPart,
    ToxicityPart,
)
from lob_sim.agents.dealer.lit_policy import FormulaQuotes, LitPolicy, NoLitQuotes
from lob_sim.agents.dealer.quotes import Quotes, Situation, quotes_outwards, quotes_with_parts
from lob_sim.agents.dealer.rfq_policy import LikeLit, RfqPolicy
from lob_sim.parts import part

__all__ = [
    "BeliefPart",
    "Dealer",
    "FormulaQuotes",
    "InventoryPolicy",
    "InventoryPolicyPart",
    "LikeLit",
    "LitPolicy",
    "LitPolicyPart",
    "NoLitQuotes",
    "PositionLimit",
    "Quotes",
    "RfqPolicy",
    "RfqPolicyPart",
    "Situation",
    "ToxicityPart",
    "Unlimited",
    "part",
    "quotes_outwards",
    "quotes_with_parts",
]
