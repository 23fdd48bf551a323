"""Environments for learning, of Gymnasium's interface: ``lob_sim/Dealer-v0`` and ``lob_sim/Execution-v0``.

::

    import gymnasium
    import lob_sim.rl

    env = gymnasium.make("lob_sim/Dealer-v0")

What they show, take and pay is a contract with a version: see the page on learning. Needs the extra ``rl``.
"""

from __future__ import annotations

from lob_sim.extras import need_extra

need_extra("rl", "gymnasium")

import gymnasium  # noqa: E402

from lob_sim.rl.dealing import DealerEnv  # noqa: E402
from lob_sim.rl.environment import CONTRACT, Field, MarketEnv  # noqa: E402
from lob_sim.rl.evaluation import Evaluation, Policy, Shipped, episode_return, evaluate  # noqa: E402
from lob_sim.rl.executing import ExecutionEnv  # noqa: E402
from lob_sim.rl.reward import Costs  # noqa: E402
from lob_sim.rl.seeds import SPLITS, Split, market_seed, split_of  # noqa: E402

__all__ = [
    "CONTRACT",
    "SPLITS",
    "Costs",
    "DealerEnv",
    "Evaluation",
    "ExecutionEnv",
    "Field",
    "MarketEnv",
    "Policy",
    "Shipped",
    "Split",
    "episode_return",
    "evaluate",
    "market_seed",
    "split_of",
]

gymnasium.register(f"lob_sim/Dealer-v{CONTRACT}", "lob_sim.rl.dealing:DealerEnv")
gymnasium.register(f"lob_sim/Execution-v{CONTRACT}", "lob_sim.rl.executing:ExecutionEnv")
