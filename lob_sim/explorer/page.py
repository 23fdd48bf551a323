"""The page: what one tab shows and asks for. What is chosen is the tab's own; the runs are everybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec
from nicegui import ui

from lob_sim.errors import LobSimError, printable
from lob_sim.explorer.choice import (
    Choice,
    Knob,
    Offer,
    checked_seed_text,
    choice_of,
    offer,
    planned,
)
from lob_sim.explorer.jobs import DONE, Job, Jobs
from lob_sim.explorer.views import STYLE, clock, curves, ladder, limits_text
from lob_sim.explorer.worker import LEVELS, PAGE
from lob_sim.scenario import load_overlay, packaged_overlays

_LOOK_S = 0.3
_SHORT_UNIT = 6
"""Characters for which there is room behind a number."""


class Tab:
    """What one tab of a browser shows.

    Args:
        jobs: The runs.
        scenarios: What may be chosen.
        query: Of the tab's address, which holds its choice, so that a reload changes nothing.
    """

    def __init__(self, jobs: Jobs, scenarios: Sequence[str], query: str) -> None:
        self._jobs = jobs
        self._scenarios = scenarios
        self._choice = choice_of(query, scenarios)
        asked = parse_qs(query).get("run", [""])[-1]
        self._shown = jobs.find(int(asked)) if asked.isdecimal() and len(asked) < 9 else None
        if self._shown is None:
            self._shown = next((job for job in jobs.all if job.is_going), jobs.all[-1] if jobs.all else None)
        self._offered: Offer | None = None
        self._marked: set[int] = set()
        self._seen: Any = None
        self._listed: Any = None
        self._told: Any = None
        self._charts: list[ui.echart] = []
        self._ladders: list[ui.html] = []

    def build(self) -> None:
        """Put everything on the page."""
        ui.add_css(STYLE)
        ui.colors(primary="#1769a0")
        ui.page_title("lob_sim explorer")
        with ui.element("main").classes("lob"):
            _heading("h1", "lob_sim explorer")
            with ui.element("div").classes("lob-side"):
                self._build_choice()
            with ui.element("div").classes("lob-main"):
                self._watch = ui.element("section").classes("lob-card").props('aria-label="Watch"')
                self._runs = ui.element("section").classes("lob-card").props('aria-label="Runs"')
                self._again = ui.element("section").classes("lob-card").props('aria-label="Reproduce"')
        self._offer()
        self._look()
        ui.timer(_LOOK_S, self._look)

    # --- choosing -------------------------------------------------------------------------------------------
    def _build_choice(self) -> None:
        known = {name: load_overlay(name).description for name in packaged_overlays()}
        with ui.element("section").classes("lob-card").props('aria-label="Choose"'):
            _heading("h2", "Choose")
            names = {name: printable(name) for name in self._scenarios}
            ui.select(names, label="scenario", value=self._choice.scenario, on_change=self._take_scenario).props(
                "outlined dense"
            )
            self._description = ui.label().classes("lob-note")
            ui.select(
                list(known),
                label="overlays",
                value=list(self._choice.overlays),
                multiple=True,
                on_change=self._take_overlays,
            ).props("outlined dense use-chips")
            self._overlay_notes = ui.element("div").classes("lob-note")
            self._known = known
            self._knobs = ui.element("div")
            seed = "" if self._choice.seed is None else str(self._choice.seed)
            self._seed = ui.input("seed", value=seed, on_change=self._take_seed).props("outlined dense")
            self._wrong = ui.label().classes("lob-bad").props("role=alert")
            self._start = ui.button("Run", on_click=self._ask).props("unelevated no-caps color=primary")
            self._start.classes("lob-wide")

    def _take_scenario(self, event: Any) -> None:
        if event.value in self._scenarios:
            self._choice = Choice(event.value, self._choice.overlays, (), self._choice.seed)
            self._offer()

    def _take_overlays(self, event: Any) -> None:
        chosen = tuple(name for name in event.value or () if name in self._known)
        self._choice = msgspec.structs.replace(self._choice, overlays=chosen)
        self._offer()

    def _take_seed(self, event: Any) -> None:
        text = str(event.value or "").strip()
        seed = checked_seed_text(text)
        self._wrong.text = "" if seed is not None or not text else "seed: expected a whole number, 0 or more"
        self._choice = msgspec.structs.replace(self._choice, seed=seed)
        self._keep()

    def _turn(self, knob: Knob, value: Decimal) -> None:
        values = {**dict(self._choice.values), knob.spec.path: value}
        if value == knob.own:
            del values[knob.spec.path]
        self._choice = msgspec.structs.replace(self._choice, values=tuple(values.items()))
        self._keep()

    def _offer(self) -> None:
        """Show what the scenario with its overlays offers."""
        self._overlay_notes.clear()
        with self._overlay_notes:
            for name in self._choice.overlays:
                ui.label(f"{name}: {self._known[name]}")
        self._knobs.clear()
        self._wrong.text = ""
        try:
            self._offered = offer(self._choice)
        except LobSimError as error:
            self._offered = None
            self._description.text = ""
            self._wrong.text = printable(str(error))
        else:
            self._description.text = printable(self._offered.scenario.description)
            self._seed.props(f"placeholder={self._offered.scenario.seed} stack-label")
            with self._knobs:
                for knob in self._offered.knobs:
                    self._build_knob(knob)
                if not self._offered.knobs:
                    ui.label("This scenario declares no knobs.").classes("lob-note")
        self._start.set_enabled(self._offered is not None)
        self._keep()

    def _build_knob(self, knob: Knob) -> None:
        chosen = dict(self._choice.values)
        now = knob.put(chosen[knob.spec.path]) if knob.spec.path in chosen else knob.own
        low, high, step = float(knob.low), float(knob.high), float(knob.step)
        with ui.element("div").classes("lob-knob"):
            unit, is_short = printable(knob.spec.unit), len(knob.spec.unit) <= _SHORT_UNIT
            ui.label(printable(knob.spec.label) + ("" if is_short else f" ({unit})"))
            slider = ui.slider(min=low, max=high, step=step, value=float(now))
            slider.props["aria-label"] = printable(knob.spec.label)
            number = ui.number(value=float(now), min=low, max=high, step=step, suffix=unit if is_short else None)
            number.props("outlined dense hide-bottom-space")
            number.props["aria-label"] = printable(knob.spec.label)

        def take(event: Any) -> None:
            if event.value is None:
                return
            value = knob.put(event.value)
            slider.value = float(value)
            # What is being typed is left alone until it is a value.
            if event.sender is not number:
                number.value = float(value)
            self._turn(knob, value)

        slider.on_value_change(take)
        number.on_value_change(take)

    def _keep(self) -> None:
        """Put the choice into the tab's address."""
        query = self._choice.query()
        if self._shown is not None:
            query += f"&run={self._shown.number}"
        ui.navigate.history.replace(f"/?{query}")

    def _ask(self) -> None:
        try:
            self._shown = self._jobs.ask(self._choice)
        except LobSimError as error:
            self._wrong.text = printable(str(error))
            return
        self._wrong.text = ""
        self._keep()
        self._look()
        # On a narrow screen it lies below.
        ui.run_javascript(f"getHtmlElement({self._watch.id}).scrollIntoView({{block: 'nearest'}})")

    # --- watching -------------------------------------------------------------------------------------------
    def _look(self) -> None:
        """Bring the page up to what the runs are."""
        job = self._shown
        seen = None if job is None else job.number
        if seen != self._seen or job is None:
            if self._seen != seen or not self._watch.default_slot.children:
                self._build_watch(job)
            self._seen = seen
        if job is not None and job.version != self._version:
            self._show(job)
        listed = [(j.number, j.state) for j in self._jobs.all], len(self._jobs.comparisons), seen
        if listed != self._listed:
            self._listed = listed
            self._build_runs()
        told = self._choice if job is None else job.number
        if told != self._told:
            self._told = told
            self._build_again()

    def _build_watch(self, job: Job | None) -> None:
        self._watch.clear()
        self._version = -1
        self._charts, self._ladders = [], []
        with self._watch:
            if job is None:
                _heading("h2", "Nothing has been run yet")
                ui.label("Choose a market on this page and press Run.").classes("lob-note")
                return
            with ui.element("div").classes("lob-row"):
                self._title = _heading("h2", "")
                self._cancel = _quiet("Cancel", job.cancel, "outline").classes("lob-stop")
            self._bar = ui.linear_progress(show_value=False).props('instant-feedback aria-label="progress"')
            self._state = ui.label().classes("lob-note").props("role=status")
            self._failure = ui.label().classes("lob-bad")
            self._books = ui.element("div").classes("lob-books")
            self._curves = ui.element("div").classes("lob-charts")

    def _show(self, job: Job) -> None:
        self._version = job.version
        self._title.text = f"{job.label}: {printable(job.plan.title)}, seed {job.plan.seed}"
        self._cancel.set_visibility(job.is_going)
        self._bar.value = job.share
        self._failure.text = printable(job.message)
        said = [job.state]
        frame = job.frame
        if frame is not None:
            said += [f"{clock(frame.at_ns)} of {clock(frame.horizon_ns)}", limits_text(frame)]
        self._state.text = " · ".join(filter(None, said))
        if frame is None:
            if job.state == DONE:
                self._bar.value = 1.0
                self._state.text = "kept from an earlier day: its books and curves are on its page"
            return
        if not self._charts:
            with self._books:
                self._ladders = [ui.html("") for _ in frame.books]
            with self._curves:
                self._charts = [ui.echart({}).classes("lob-chart") for _ in frame.books]
        for i, book in enumerate(frame.books):
            self._ladders[i].set_content(ladder(book, LEVELS))
            self._charts[i].options.clear()
            self._charts[i].options.update(curves(book, i, job.points, frame.horizon_ns))
            self._charts[i].update()

    # --- keeping and comparing ------------------------------------------------------------------------------
    def _build_runs(self) -> None:
        self._runs.clear()
        with self._runs:
            _heading("h2", "Runs")
            if not self._jobs.all:
                ui.label("Runs are kept here, to be looked at again and compared.").classes("lob-note")
                return
            for job in reversed(self._jobs.all):
                self._build_run(job)
            with ui.element("div").classes("lob-row"):
                self._compare = ui.button("Compare", on_click=self._compare_marked).props(
                    "unelevated dense no-caps color=primary"
                )
                for labels, page in self._jobs.comparisons:
                    ui.link(f"Comparison: {labels}", f"/runs/{quote(page.name)}", new_tab=True)
            self._count_marked()

    def _build_run(self, job: Job) -> None:
        with ui.element("div").classes("lob-run"):
            with ui.element("div").classes("lob-row"):
                if job.state == DONE:
                    box = ui.checkbox(value=job.number in self._marked, on_change=self._marks(job)).props("dense")
                    box.props["aria-label"] = f"compare run {job.number}"
                ui.input(value=job.label, on_change=self._renames(job)).props("dense maxlength=60").props[
                    "aria-label"
                ] = f"name of run {job.number}"
                ui.label(job.state)
                if job is not self._shown:
                    _quiet("Show", self._shows(job))
                if job.is_going and job is not self._shown:
                    _quiet("Cancel", job.cancel)
                if job.state == DONE and job.page.is_file():
                    ui.link("Page", f"/runs/{quote(job.folder.name)}/{PAGE}", new_tab=True)
            plan = job.plan
            what = [printable(plan.title), f"seed {plan.seed}", *map(printable, (*plan.overlays, *plan.changes))]
            ui.label(" · ".join(what)).classes("lob-note")
            if job.metrics:
                ui.label(outcome(job.metrics)).classes("lob-note")
            if job.digest:
                ui.label(f"digest {job.digest[:16]}").classes("lob-note")

    def _marks(self, job: Job) -> Callable[[Any], None]:
        def mark(event: Any) -> None:
            (self._marked.add if event.value else self._marked.discard)(job.number)
            self._count_marked()

        return mark

    def _renames(self, job: Job) -> Callable[[Any], None]:
        def rename(event: Any) -> None:
            job.label = printable(str(event.value or ""))[:60].strip() or f"Run {job.number}"
            job.version += 1

        return rename

    def _shows(self, job: Job) -> Callable[[], None]:
        def show() -> None:
            self._shown = job
            self._keep()
            self._look()

        return show

    def _count_marked(self) -> None:
        self._compare.text = f"Compare {len(self._marked)} runs" if len(self._marked) > 1 else "Compare: mark two runs"
        self._compare.set_enabled(len(self._marked) > 1)

    async def _compare_marked(self) -> None:
        chosen = [job for job in self._jobs.all if job.number in self._marked]
        self._compare.set_enabled(False)
        self._compare.text = "Comparing…"
        try:
            await self._jobs.compare(chosen)
        except LobSimError as error:
            self._wrong.text = printable(str(error))
        self._listed = None

    # --- reproducing ----------------------------------------------------------------------------------------
    def _build_again(self) -> None:
        self._again.clear()
        with self._again:
            job = self._shown
            if job is not None:
                _heading("h2", "Reproduce what is shown")
                self._build_text(job.plan.command, job.plan.toml)
                ui.link("Download the TOML", f"/runs/{quote(job.folder.name)}/scenario.toml")
            elif self._offered is not None:
                _heading("h2", "What Run will run")
                try:
                    plan = planned(self._choice, self._offered)
                except LobSimError as error:
                    ui.label(printable(str(error))).classes("lob-bad")
                else:
                    self._build_text(plan.command, plan.toml)

    def _build_text(self, command: str, toml: str) -> None:
        with ui.element("div").classes("lob-text"):
            ui.label(printable(command))
        _quiet("Copy the command", lambda: ui.clipboard.write(command))
        with ui.expansion("The scenario as TOML").classes("w-full"), ui.element("div").classes("lob-text lob-file"):
            ui.label(toml)


def outcome(metrics: Mapping[str, float | None]) -> str:
    """How a run came out, in a line."""

    def said(name: str, form: str, factor: float = 1.0) -> str:
        value = metrics.get(name)
        return "–" if value is None else format(value * factor, form)

    return (
        f"worst price {said('overshoot_pct', '.2f')}% below value · spread {said('spread_pct', '.3f')}% · dealers not "
        f"quoting both sides {said('quote_absence', '.0f', 100)}% of time · forced sales {said('forced_lots', ',.0f')} "
        f"lots · {said('failures', '.0f')} failures"
    )


def _heading(tag: str, text: str) -> Any:
    with ui.element(tag):
        return ui.label(text)


def _quiet(text: str, act: Callable[[], Any], kind: str = "flat") -> ui.button:
    """A button in the colour of links: a colour of the library's own would be the same in the dark."""
    return ui.button(text, on_click=act, color=None).props(f"{kind} dense no-caps").classes("lob-quiet")
