"""What is kept of the full runs, at several sizes and at the scenario's own shock, and what is said by it.

``docs/spirals.json`` holds the worst prices of every run, with the fingerprint of the program that gave them, and that
of the one that last confirmed them: shares, midpoints and the seed that is drawn come from it, here and in ``make
demo``. Tests compare README with it.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from experiments.history_matching import load_kept
from experiments.spiral import cells, figures
from experiments.spiral.attribution import attribute
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, NEITHER
from experiments.spiral.complements import Mapped, draw_map
from experiments.spiral.measure import threshold_metrics
from experiments.spiral.one_shock import does_what_is_wanted, in_words
from experiments.spiral.stored import read_stored
from experiments.spiral.threshold import (
    FEW,
    MANY,
    ORDER,
    SHOWN,
    SPIRAL_RMS,
    Spirals,
    draw_curves,
    midpoints,
    missing_of_rule,
    shifts_by_definition,
    spared_instrument,
    threshold_rows,
    told_shift,
)
from experiments.validation.fingerprint import fingerprint
from lob_sim.errors import DataError
from lob_sim.files import write_file
from lob_sim.log import Run
from lob_sim.running import run
from lob_sim.sweep import Estimate

ROOT = Path(__file__).resolve().parents[2]
RECORD, SHAPLEY, MAP, HISTORY = "docs/spirals.json", "docs/shapley.json", "docs/map.json", "docs/history.json"
README, MODEL = "README.md", "docs/model.md"
PUBLISH = "python -m experiments.information_spiral publish"
DRAWN = (NEITHER, CONSTRAINTS_ALONE, BOTH)
_WIDTH = 120
_BEGIN = "<!-- written by `experiments.information_spiral {}` -->"
_END = "<!-- until here -->"
_COMMANDS = {README: "publish", MODEL: "publish-shapley"}
"""What writes a part of a document."""


class Record(msgspec.Struct, frozen=True):
    """What is kept.

    Attributes:
        sizes: The threshold's runs, at several sizes.
        own: Many seeds at the scenario's own shock; the seed that is drawn is one of them.
    """

    sizes: Spirals
    own: Spirals

    @property
    def is_of_this_program(self) -> bool:
        """Whether all of it is what the present program gives, as far as has been asked of it."""
        return {part.confirmed_by or part.program for part in (self.sizes, self.own)} == {fingerprint(cells.__name__)}


def load_record(root: Path = ROOT) -> Record:
    """What is kept.

    Raises:
        InputError: Nothing is.
        DataError: It is something else.
    """
    return read_stored(root / RECORD, Record, PUBLISH)


def likeness(found: Spirals, cell: str) -> str:
    """In words, in how many seeds of a cell a spiral starts at the scenario's own shock."""
    started = found.at_own_size(cell) > found.bound_pct
    return f"{int(started.sum())} of {started.size} seeds spiral"


def heading(found: Spirals) -> str:
    """What stands over the picture of one seed."""
    return (
        f"Corporate bonds lose {found.at_pct:g}%. Seed {found.median_seed()}: with everything on, the median of "
        f"{len(found.calm_rms_pct)} by its worst Treasury price"
    )


def median_runs(found: Spirals) -> dict[str, Run]:
    """The seed that is the median with everything on: the same crisis in three cells."""
    four = cells.factorial(cells.flagship())
    return {cell: run(four[cell], found.median_seed()) for cell in DRAWN}


def draw_median_seed(path: Path, found: Spirals, runs: Mapping[str, Run]) -> None:
    """Draw what :func:`median_runs` gave."""
    figures.crises(path, {title(found, cell): one for cell, one in runs.items()}, heading(found))


def confirmed(found: Spirals, runs: Mapping[str, Run]) -> Spirals:
    """The record as the present program confirms it: where that gives the worst prices that are kept, digit for digit.

    The runs asked are those of one seed, in which nearly all that changes a crisis would show: the record says which
    program made it, and which has confirmed it so.

    Args:
        found: What is kept.
        runs: From :func:`median_runs`.

    Raises:
        DataError: The size of the scenario's own shock is not among those kept, or a price is another one.
    """
    spared, place = spared_instrument(cells.flagship()), found.median_seed() - found.first_seed
    if found.at_pct not in found.sizes:
        raise DataError(f"has no runs at the scenario's own shock, {found.at_pct:g}%: {PUBLISH} makes them", RECORD)
    size = found.sizes.index(found.at_pct)
    for cell, one in runs.items():
        kept, now = found.worst_pct[cell][size][place], threshold_metrics(one)[f"worst_pct.{spared}"]
        if round(now, 6) != round(kept, 6):
            told = f"{cell}, seed {found.median_seed()}: {now:.6f}% below value is {kept:.6f}% in the record"
            raise DataError(f"is of another program ({told}): {PUBLISH} makes it anew", RECORD)
    now_program = fingerprint(cells.__name__)
    return msgspec.structs.replace(found, confirmed_by="" if found.program == now_program else now_program)


def title(found: Spirals, cell: str) -> str:
    """What stands over a cell's column."""
    return f"{SHOWN[cell]}: {likeness(found, cell)}"


def publish_map(found: Mapped, history: Path, root: Path = ROOT) -> list[Path]:
    """Write the map, its figure, and what a history matching has kept, from its file; returns what was written."""
    written = [root / MAP, root / "docs/figures/map.png", root / HISTORY]
    kept = history.read_bytes()
    write_file(written[0], msgspec.json.encode(found) + b"\n")
    draw_map(written[1], found)
    write_file(written[2], kept)
    return written


def load_map(root: Path = ROOT) -> Mapped:
    """The map that is kept, with what its calibrations break without fear as the history matching now says it.

    Raises:
        InputError: There is none.
        DataError: It is something else.
    """
    found = read_stored(root / MAP, Mapped, f"{PUBLISH}-map")
    breaks = load_kept(root / HISTORY).without_fear
    asked = [msgspec.structs.replace(c, breaks_without_fear=breaks.get(c.number)) for c in found.calibrations]
    return msgspec.structs.replace(found, calibrations=asked)


# --- documents -----------------------------------------------------------------------------------------------------


def readme_block(kept: Record) -> str:
    """What README says of the threshold: a table, and what it shows in words; then of the scenario's own shock."""
    found = kept.sizes
    n, middles = len(found.calm_rms_pct), midpoints(found)
    low, high = found.sizes[0], found.sizes[-1]
    lines = [["on", *(f"{size:g}%" for size in found.sizes), "half of the seeds at"]]
    for cell in ORDER:
        shares = found.started(cell).mean(axis=1)
        lines.append([SHOWN[cell], *(f"{share:.0%}" for share in shares), _middle(middles[cell], low, high)])
    return (
        f"Share of {n} seeds in which Treasuries, to which nothing happened, trade more than {found.bound_pct:.2f}% "
        f"below value\n({SPIRAL_RMS:g} times their calm error), by the fall of corporate bonds' value:\n\n"
        f"{_markdown(lines)}\n\n{_in_words(found)}\n\n{_of_own_shock(kept.own)}\n"
    )


def _middle(found: Estimate, low: float, high: float) -> str:
    if not low < found.value < high:
        return "none of these sizes"
    return f"{found.value:.2f}% [{found.low:.2f}, {found.high:.2f}]"


def _in_words(found: Spirals) -> str:
    fear, _, together, unlimited, _ = threshold_rows(found)
    assert fear.low is not None
    assert fear.high is not None
    told = "" if fear.low > 0 else ", which these seeds do not tell from nothing"
    first = (
        f"Where limits are on, fear lowers the threshold by {fear.measured:.2f} points "
        f"[{fear.low:.2f}, {fear.high:.2f}] (95% interval){told}; "
        f"the interaction of the two, as an area between curves, is {together.measured:.2f} "
        f"[{together.low:.2f}, {together.high:.2f}]. {_by_other_definitions(found)}"
    )
    alone = (
        "Without limits no seed spirals at any of these sizes, in fear or not."
        if unlimited.measured == 1
        else f"Without limits {1 - unlimited.measured:.0%} of the seeds spiral at one of these sizes."
    )
    shares = {cell: found.started(cell).mean(axis=1) for cell in ORDER}
    does = [f"{size:g}%" for size, missing in zip(found.sizes, missing_of_rule(shares), strict=True) if missing <= 0]
    size = (
        f"At {', '.join(does)} at least {MANY:.0%} spiral with both and at most {FEW:.0%} with either alone."
        if does
        else f"At no size do {MANY:.0%} spiral with both and at most {FEW:.0%} with either alone."
    )
    return textwrap.fill(f"{first} {alone} {size}", _WIDTH, break_on_hyphens=False, break_long_words=False)


def _of_own_shock(found: Spirals) -> str:
    verdict = "is so" if does_what_is_wanted(found) else "is not so"
    told = (
        f"At the scenario's own shock, {found.at_pct:g}%, in {len(found.calm_rms_pct)} other seeds (a spiral is "
        f"{found.bound_pct:.2f}% by their calm error): {in_words(found)}. That {MANY:.0%} spiral with both and at most "
        f"{FEW:.0%} with either alone {verdict} there."
    )
    return textwrap.fill(told, _WIDTH, break_on_hyphens=False, break_long_words=False)


def _by_other_definitions(found: Spirals) -> str:
    told = [
        f"{told_shift(row)} by {found.bound_pct * errors / SPIRAL_RMS:.1f}%"
        for errors, row in shifts_by_definition(found).items()
        if errors != SPIRAL_RMS
    ]
    return f"By other words for a spiral the shift is {', '.join(told)}."


def with_block(text: str, block: str, document: str = README) -> str:
    """A document's text with what stands between its two marks replaced.

    Raises:
        DataError: The marks are not there.
    """
    mark = _BEGIN.format(_COMMANDS[document])
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise DataError(f"has no place for the table: expected {mark} and {_END}", document)
    return f"{before}{begin}\n\n{block}\n{end}{after}"


def _write_block(root: Path, document: str, block: str) -> Path:
    path = root / document
    write_file(path, with_block(path.read_text(encoding="utf-8"), block, document).encode())
    return path


def publish(kept: Record, root: Path = ROOT, runs: Mapping[str, Run] | None = None) -> list[Path]:
    """Write the record, both figures and README's part; returns what was written.

    Args:
        kept: The record.
        root: Folder of the project.
        runs: From :func:`median_runs` of the scenario's own shock, which are made if not given.

    Raises:
        DataError: Prices were not measured, or README has no place for the table.
    """
    if not math.isfinite(kept.sizes.bound_pct + kept.own.bound_pct):
        raise DataError("has no calm error: prices were not measured", RECORD)
    written = [root / RECORD, root / "docs/figures/threshold.png", root / "docs/figures/spiral.png"]
    block = readme_block(kept)
    with_block((root / README).read_text(encoding="utf-8"), block)
    write_file(written[0], msgspec.json.encode(kept) + b"\n")
    draw_curves(written[1], kept.sizes)
    draw_median_seed(written[2], kept.own, median_runs(kept.own) if runs is None else runs)
    # Drawing takes minutes, in which somebody may have edited what stands around the block.
    return [*written, _write_block(root, README, block)]


def publish_shapley(found: Spirals, root: Path = ROOT) -> list[Path]:
    """Write every coalition's runs, their figure and the part of docs/model.md; returns what was written.

    Raises:
        DataError: The document has no place for the table.
    """
    written = [root / SHAPLEY, root / "docs/figures/shapley.png"]
    document = _write_block(root, MODEL, shapley_block(found))
    write_file(written[0], msgspec.json.encode(found) + b"\n")
    figures.bars(written[1], attribute(found)[0], "Shapley value (% of value)")
    return [*written, document]


def load_shapley(root: Path = ROOT) -> Spirals:
    """Every coalition's runs that are kept.

    Raises:
        InputError: There are none.
        DataError: They are something else.
    """
    return read_stored(root / SHAPLEY, Spirals, f"{PUBLISH}-shapley")


def shapley_block(found: Spirals) -> str:
    """What docs/model.md says: Shapley values, which of them are told from 0, and coalitions that spiral at all."""
    shares, (_, curves), _ = attribute(found)
    values = [["of", "Shapley value (% of value)"]]
    values += [[name, _interval(share)] for name, share in shares.items()]
    untold = [name for name, share in shares.items() if share.low <= 0 <= share.high]
    told = f"Not told from nothing: {', '.join(untold)}." if untold else "All of them are told from nothing."
    lines = [["on", *(f"{size:g}%" for size in found.sizes), "area (% of value)"]]
    lines += [[on, *(f"{share:.2f}" for share in at), _interval(of)] for on, of, *at in curves.rows if any(at)]
    sizes = f"{found.sizes[0]:g} to {found.sizes[-1]:g}%"
    return (
        f"{len(found.calm_rms_pct)} seeds, shocks of {sizes}, intervals of 95%:\n\n{_markdown(values)}\n\n{told} "
        "Share of seeds with a spiral, of the coalitions in which there is any:\n\n"
        f"{_markdown(lines)}\n"
    )


def _interval(found: Estimate) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rest))
