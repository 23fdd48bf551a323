"""Every benchmark, one table of ratios measured in this run: ``make bench`` or ``python -m tests.bench``.

The machine decides the absolute figures; a ratio compares what was measured side by side. The exit code is 1
if a requirement is not met.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from tests.bench import (
    bench_crisis,
    bench_instants,
    bench_log,
    bench_matching,
    bench_simulation,
    bench_sweep,
    bench_watch,
)

_MET = {True: "[green]yes", False: "[red]no", None: ""}


def main() -> int:
    """Run all benchmarks and print the table."""
    console = Console()
    table = Table("benchmark", "measured", "required", "met", title="Benchmarks: medians, one run")
    met = True
    for module in (bench_matching, bench_simulation, bench_crisis, bench_instants, bench_log, bench_sweep, bench_watch):
        with console.status(f"{module.__name__} ..."):
            rows = module.main()
        for row in rows:
            ok = row["ok"]
            assert ok is None or isinstance(ok, bool)
            table.add_row(str(row["benchmark"]), str(row["measured"]), str(row["required"]), _MET[ok])
            met = met and ok is not False
    console.print(table)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
