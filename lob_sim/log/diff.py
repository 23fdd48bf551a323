"""Where two runs first part, and how what they were given and what came of it differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lob_sim.log.blocks import digest_block
from lob_sim.log.foreign import reads_logs
from lob_sim.log.run import Run
from lob_sim.log.source import LogRow, rows_of
from lob_sim.log.tables import exact_sum

_CONTEXT_ROWS = 5


class Change(NamedTuple):
    """Something that the two runs have differently; None where one of them does not have it."""

    what: str
    first: Any
    second: Any


class RunDiff(NamedTuple):
    """How two runs differ.

    Attributes:
        same_rows: Rows before the first difference.
        first: The first run's row there, None if it has no more.
        second: The second run's row there.
        context: The last rows that both have in common.
        inputs: Differences of scenario, seed, agents and packages.
        summaries: Differences of what came out: rows per dataset, and traded volume, trades and last prices.
    """

    same_rows: int
    first: LogRow | None
    second: LogRow | None
    context: tuple[LogRow, ...]
    inputs: tuple[Change, ...]
    summaries: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """Whether the logs are the same, row for row."""
        return self.first is None and self.second is None


@reads_logs
def diff(first: Run, second: Run) -> RunDiff:
    """Compare two runs; blocks of rows with the same digest are not looked into.

    Returns:
        Where they first part, and what differs in what they were given and in what came of it.

    Raises:
        DataError: One of them cannot be read.
    """
    same_rows, ours, theirs = _first_parting(first, second)
    context_from = max(1, same_rows + 1 - _CONTEXT_ROWS)
    context = tuple(first.messages(from_seq=context_from, to_seq=same_rows)) if same_rows else ()
    return RunDiff(
        same_rows,
        ours,
        theirs,
        context,
        tuple(_changes(_inputs(first), _inputs(second))),
        tuple(_changes(summary_of(first), summary_of(second))),
    )


def _first_parting(first: Run, second: Run) -> tuple[int, LogRow | None, LogRow | None]:
    same_rows = 0
    blocks = (run.source.blocks(list(run.counts)) for run in (first, second))
    for ours, theirs in _pairs(*blocks):
        if ours and theirs and digest_block(*ours) == digest_block(*theirs):
            same_rows += sum(batch.num_rows for batch in ours[1].values())
            continue
        for mine, other in _pairs(*(iter(rows_of(block[1]) if block else []) for block in (ours, theirs))):
            if mine != other:
                return same_rows, mine, other
            same_rows += 1
    return same_rows, None, None


def _pairs(first: Iterator[Any], second: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    while True:
        pair = (next(first, None), next(second, None))
        if pair == (None, None):
            return
        yield pair


def summary_of(run: Run) -> dict[str, Any]:
    """What came out of a run, in a few numbers by name."""
    summary: dict[str, Any] = {"status": run.status, "last_ts_ns": run.manifest.last_ts_ns}
    summary |= {f"rows.{name}": rows for name, rows in run.counts.items()}
    for entry in run.header.instruments:
        for name, table in (("lit", run.trades), ("rfq", run.rfq_trades)):
            mine = table[table["instrument_id"] == entry.instrument_id]
            summary[f"{entry.name}.{name}_trades"] = len(mine)
            summary[f"{entry.name}.{name}_volume_lots"] = exact_sum(mine["qty_lots"])
            summary[f"{entry.name}.{name}_last_ticks"] = int(mine["price_ticks"].iloc[-1]) if len(mine) else None
    return summary


def _inputs(run: Run) -> dict[str, Any]:
    header = run.header
    inputs = {f"scenario.{path}": value for path, value in _leaves(header.scenario)}
    inputs["seed_entropy"] = header.seed_entropy
    for n, branch in enumerate(header.branches):
        inputs[f"branches.{n}"] = f"at {branch.at_ns} ns: {'; '.join(branch.changes) or 'nothing'}, seed {branch.seed}"
    inputs |= {f"agents.{agent.name}": f"{agent.agent_id} {agent.group} {agent.kind}" for agent in header.agents}
    inputs |= {f"packages.{name}": version for name, version in run.manifest.packages.items()}
    return inputs


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _leaves(entry, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            # Members of a scenario's lists are known by name, so that one more of them shifts no other.
            name = entry["name"] if isinstance(entry, dict) and "name" in entry else str(i)
            yield from _leaves(entry, f"{path}.{name}")
    else:
        yield path, value


def _changes(first: dict[str, Any], second: dict[str, Any]) -> Iterator[Change]:
    for what in dict.fromkeys((*first, *second)):
        if first.get(what) != second.get(what):
            yield Change(what, first.get(what), second.get(what))
