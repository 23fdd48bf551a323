"""How the policy lab's findings are told: names, tables, sentences, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.drawing import COLOURS, new_figure, save
from experiments.policy.results import MAIN, Effect, Finding, Measure, ranked
from experiments.policy.running import AS_IT_WAS
from lob_sim.experiment import ResultTable
from lob_sim.sweep import Estimate

_NAMES = {
    "all_to_all": "all-to-all trading",
    "batches": "auctions every second",
    "clearing": "clearing of swaps",
    "collateral_backstop": "collateral backstop",
    "halts": "trading halts at 1%",
    "ldi_buffers": "higher LDI buffers",
    "purchases": "central bank purchases",
    "slr_exemption": "leverage ratio exemption",
    "standing_repo": "standing repo facility",
    "swing_pricing": "swing pricing in funds",
    "transparency": "trades public at once",
    AS_IT_WAS: "what was done then",
}
_MISSING = {
    "clearing": "no swaps between agents",
    "collateral_backstop": "nobody borrows on repo",
    "ldi_buffers": "no funds with liabilities",
    "slr_exemption": "nobody has a leverage limit",
    "standing_repo": "nobody borrows on repo",
    "swing_pricing": "no funds with redemptions",
    "transparency": "trades are public already",
}
"""What an overlay needs and a market may lack."""
_SETTLED = {
    "batches": "how a book trades is settled when it opens",
    "collateral_backstop": "who lends is settled at the opening; it opens at the moment",
    "halts": "how a book trades is settled when it opens",
    "ldi_buffers": "what funds hold and owe is settled at the opening",
    "standing_repo": "who lends is settled at the opening; it opens at the moment",
    "swing_pricing": "what funds owe their investors is settled at the opening",
}
"""Why a branch cannot bring an overlay."""
KINDS = {"branch": "at the moment", "start": "from the start", "none": "does not apply"}
OUTCOMES = (
    Measure(MAIN, "furthest off value, safe asset (%)"),
    Measure("anywhere_pct", "furthest off value, any instrument (%)"),
    Measure("recovery_s", "until within 0.2% of value"),
    Measure("half_s", "until half of it is gone"),
    Measure("failures", "failures"),
    Measure("creditors", "losses of failed agents' creditors (m)"),
    Measure("forced", "sold under constraints (m)"),
    Measure("redeemed", "paid to funds' investors (m)"),
)
PUBLIC = (
    Measure("spent", "spent on purchases at the peak (m)"),
    Measure("gain.central bank", "gain on them at value in the end (m)"),
    Measure("lent", "lent by its facility at the peak (m)"),
)


def plain_name(overlay: str) -> str:
    """An overlay as people call it."""
    return _NAMES.get(overlay, overlay.replace("_", " "))


def missing(effect: Effect) -> str:
    """Why a policy does not apply, in a few words."""
    return _MISSING.get(effect.name, effect.why)


def told(estimate: Estimate, scale: float = 1.0, signed: bool = False) -> str:
    """A mean and its interval, in as many digits as tell something."""
    if estimate.low == estimate.high == estimate.value == 0:
        return "0"
    ends = (estimate.low / scale, estimate.high / scale)
    digits = 0 if max(map(abs, ends)) >= 100 else 1 if max(map(abs, ends)) >= 10 else 2
    # Adding zero takes the sign of a rounded zero away.
    value, low, high = (round(x, digits) + 0.0 for x in (estimate.value / scale, *ends))
    sign = "+" if signed else ""
    return f"{value:{sign}.{digits}f} [{low:.{digits}f},\u00a0{high:.{digits}f}]".replace("-", "−")


def tables(findings: Sequence[Finding]) -> list[ResultTable]:
    """Outcomes, who pays and what it costs the public, episode by episode."""
    return [
        ResultTable(f"{found.title}: {table.title}", table.columns, table.rows)
        for found in findings
        for table in details(found)
    ]


def details(found: Finding) -> list[ResultTable]:
    """The tables of one episode that have something in them."""
    return [table for table in (outcomes(found), payers(found), public(found), absent(found)) if table.rows]


def markdown(findings: Sequence[Finding]) -> str:
    """All tables as a document has them."""
    parts = []
    for found in findings:
        parts.append(f"### {found.title}\n")
        for table in details(found):
            lines = [table.columns, ["---"] * len(table.columns), *table.rows]
            parts.append(f"{table.title[0].upper()}{table.title[1:]}:\n")
            parts.append("\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n")
    return "\n".join(parts)


def outcomes(found: Finding) -> ResultTable:
    """What each policy changes, in order of rank; first the levels of doing nothing."""
    measures = [_in_unit(measure, found) for measure in OUTCOMES]
    lines: list[list[Any]] = [
        [
            "nothing",
            "",
            *(told(found.nothing[m.key], m.scale) for m in measures),
            _share(found.spirals, found),
            "" if found.threshold is None else told(found.threshold),
            "",
        ]
    ]
    for effect in found.effects:
        if effect.applies:
            lines.append(
                [
                    plain_name(effect.name),
                    _in_force(effect),
                    *(told(effect.changes[m.key], m.scale, signed=True) for m in measures),
                    _share(effect.spirals, found),
                    _shift(effect),
                    _p(effect.holm),
                ]
            )
    title = f"doing nothing, and what each policy changes; mean [95% interval], {found.seeds} seeds"
    columns = ["policy", "in force", *(m.label for m in measures), "seeds with a spiral", "threshold (%)", "p, Holm"]
    kept = [
        k for k, name in enumerate(columns) if name == "failures" or any(line[k] not in ("", "0") for line in lines)
    ]
    return ResultTable(title, [columns[k] for k in kept], [[line[k] for k in kept] for line in lines])


def _in_unit(measure: Measure, found: Finding) -> Measure:
    """A measure of time in the episode's unit."""
    unit, seconds = found.unit
    return Measure(measure.key, f"{measure.label} ({unit})", seconds) if measure.key.endswith("_s") else measure


def payers(found: Finding) -> ResultTable:
    """Gains by dealing of each class: of doing nothing, and what each policy changes. Every line adds up to zero."""
    who = found.gainers()
    lines: list[list[Any]] = [["nothing", *(told(found.nothing[f"gain.{name}"]) for name in who)]]
    lines += [
        [plain_name(effect.name), *(told(effect.changes[f"gain.{name}"], signed=True) for name in who)]
        for effect in found.effects
        if effect.applies
    ]
    lines.append(["value itself, whatever is done", *(told(found.nothing[f"held.{name}"]) for name in who)])
    title = "who gains by dealing, in millions; a line adds up to zero, but for the last"
    return ResultTable(title, ["policy", *who], lines)


def public(found: Finding) -> ResultTable:
    """What each policy costs the public, where it does."""
    lines = [
        [plain_name(effect.name), *(told(effect.levels[m.key], m.scale) for m in PUBLIC)]
        for effect in found.effects
        if effect.applies and any(effect.levels[m.key].value for m in PUBLIC)
    ]
    return ResultTable("what it costs the public", ["policy", *(m.label for m in PUBLIC)], lines)


def absent(found: Finding) -> ResultTable:
    """What does not apply, or cannot be decided at the moment, and why."""
    lines = [
        [plain_name(e.name), _in_force(e), _SETTLED.get(e.name, e.why) if e.applies else missing(e)]
        for e in found.effects
        if e.kind != "branch"
    ]
    return ResultTable("what does not apply, or is in force from the start", ["policy", "", "why"], lines)


def _in_force(effect: Effect) -> str:
    return effect.name if effect.name == AS_IT_WAS else KINDS[effect.kind]


def _share(value: float, found: Finding) -> str:
    return f"{value:.0%}" if found.bound_pct else ""


def _shift(effect: Effect) -> str:
    if effect.shift is None:
        return ""
    return ("more than " if effect.beyond else "") + told(effect.shift, signed=True)


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def family(findings: Sequence[Finding]) -> int:
    """How many comparisons there are."""
    return sum(effect.applies for found in findings for effect in found.effects)


def sentences(found: Finding) -> list[str]:
    """An episode in plain words."""
    where = "below" if found.side < 0 else "above"
    base = found.nothing[MAIN].value
    said = [f"If nobody does anything, the worst price of the safe asset is {base:.2f}% {where} value."]
    shown = [effect for effect in found.effects if effect.is_shown]
    for sign, word in ((-1, "help"), (1, "harm")):
        of = [effect for effect in shown if effect.changes[MAIN].value * sign > 0]
        if of:
            told_of = [f"{plain_name(e.name)} ({'−+'[sign > 0]}{abs(e.changes[MAIN].value):.2f})" for e in of]
            said.append(f"Shown to {word}: {', '.join(told_of)}.")
    if not shown:
        said.append("No policy is told from doing nothing.")
    return said


def draw(path: Path, findings: Sequence[Finding]) -> None:
    """What each policy changes of the overshoot, by episode; filled where it is shown over the family."""
    names = ranked(findings)
    figure, axes = new_figure(1, len(findings), sharey=True, squeeze=False)
    figure.set_size_inches(2.6 + 2.6 * len(findings), 0.9 + 0.27 * len(names))
    for axis, found in zip(axes[0], findings, strict=True):
        for effect in found.effects:
            place = len(names) - 1 - names.index(effect.name)
            if not effect.applies:
                axis.text(0.5, place, "does not apply", transform=axis.get_yaxis_transform(), **_FAINT)
                continue
            change = effect.changes[MAIN]
            reach = [[change.value - change.low], [change.high - change.value]]
            fill = COLOURS[0] if effect.is_shown else "white"
            axis.errorbar(
                change.value,
                place,
                xerr=reach,
                fmt="o",
                color=COLOURS[0],
                markerfacecolor=fill,
                capsize=3,
                markersize=5,
            )
        axis.axvline(0.0, color="black", linewidth=0.8)
        axis.set_title(found.name, fontsize="small")
        axis.set_xlabel("change (% of value)", fontsize="small")
        axis.tick_params(labelsize="small")
    axes[0][0].set_ylim(-0.6, len(names) - 0.4)
    axes[0][0].set_yticks(range(len(names)), [plain_name(name) for name in reversed(names)], fontsize="small")
    save(figure, path)


_FAINT: dict[str, Any] = {"fontsize": 6, "color": "#777777", "ha": "center", "va": "center"}
