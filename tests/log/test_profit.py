"""Profit and loss adds up exactly, and is what a ledger kept lot by lot says."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_streams import drive, header, mixed_stream

from lob_sim import load_scenario, run
from lob_sim.errors import InputError
from lob_sim.log import MemoryRecorder, Run, run_in_memory
from lob_sim.log.executions import opening_lots
from lob_sim.log.profit import fifo, reference_paths
from lob_sim.messages import Event, FairValue

FINE = 1 << 20


def random_log(seed: int, n: int, instruments: int = 1) -> Run:
    """A log of random commands; fair values are of the first instrument alone."""
    memory, head = MemoryRecorder(), header(instruments)
    drive(memory, mixed_stream(seed, n, instruments), head)
    return run_in_memory(memory, head)


class Lots:
    """One agent's lots of one instrument, each by itself, and what it has paid and received."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.sign = 0
        self.realised = self.cash = 0

    def deal(self, side: int, price: int, qty: int) -> None:
        self.cash -= side * price * qty
        for _ in range(qty):
            if self.open and self.sign == -side:
                self.realised += self.sign * (price - self.open.pop(0))
            else:
                self.sign = side
                self.open.append(price)


def ledger(logged: Run) -> dict[tuple[int, int], Lots]:
    """Every leg of every event that settles, lot by lot."""
    found: dict[tuple[int, int], Lots] = {}
    for row in logged.messages():
        if isinstance(row.message, Event):
            for leg in row.message.legs():
                key = (leg.agent_id, row.message.instrument_id)  # type: ignore[attr-defined]
                found.setdefault(key, Lots()).deal(int(leg.side), leg.price_ticks, leg.qty_lots)
    return found


def split_by_hand(logged: Run, agent_id: int, settle_ns: int) -> list[Fraction]:
    """The three parts at fair value of the first instrument, a row of the log at a time."""
    values = [
        (row.seq, row.ts_ns, round(row.message.value_ticks * FINE))
        for row in logged.messages(FairValue)
        if isinstance(row.message, FairValue)
    ]
    parts = [Fraction(0)] * 3
    first = reference_paths(logged, 0)["value"].opening
    for row in logged.messages():
        for leg in row.message.legs() if isinstance(row.message, Event) else ():
            if leg.agent_id != agent_id:
                continue
            before = ([first] + [v for seq, _, v in values if seq < row.cause_seq])[-1]
            later = ([first] + [v for _, ts, v in values if ts <= row.ts_ns + settle_ns])[-1]
            signed = int(leg.side) * leg.qty_lots
            whole = (before - leg.price_ticks * FINE, later - before, values[-1][2] - later)
            parts = [part + signed * Fraction(w, FINE) for part, w in zip(parts, whole, strict=True)]
    return parts


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(20, 400), settle_s=st.sampled_from(("0s", "1s", "5s", "10min")))
def test_profit_adds_up_exactly_on_random_logs(seed: int, n: int, settle_s: str) -> None:
    logged = random_log(seed, n)
    found = logged.pnl(exact=True, settle=settle_s)
    dealt = ledger(logged)
    assert len(found) == len(dealt)
    unit = logged.header.money_unit
    last = {name: Fraction(path.last, FINE) for name, path in reference_paths(logged, 0).items()}
    numbers = {agent.name: agent.agent_id for agent in logged.header.agents}
    for key, row in zip(found.index, found.to_dict("records"), strict=True):
        own = dealt[numbers[key[0]], 0]
        position = len(own.open) * own.sign
        assert (row["position_lots"], row["realised"]) == (position, own.realised * unit)
        for name in ("mid", "value"):
            assert row["realised"] + row[f"unrealised_{name}"] == row[f"pnl_{name}"]
            assert row[f"pnl_{name}"] == (own.cash + position * last[name]) * unit
        assert row["spread"] + row["adverse_selection"] + row["inventory"] == row["pnl_value"]
    at_mid = logged.pnl(exact=True, settle=settle_s, at="mid")
    assert (at_mid["spread"] + at_mid["adverse_selection"] + at_mid["inventory"] == at_mid["pnl_mid"]).all()
    # What one buys another sells: nobody held anything, and together they have made nothing.
    assert sum(found["pnl_mid"]) == sum(found["pnl_value"]) == 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), settle_ns=st.sampled_from((0, 10**9, 5 * 10**9)))
def test_the_parts_are_what_they_are_said_to_be(seed: int, settle_ns: int) -> None:
    logged = random_log(seed, 150)
    found = logged.pnl("agent", exact=True, settle=settle_ns)
    numbers = {agent.name: agent.agent_id for agent in logged.header.agents}
    for name, row in zip(found.index, found.to_dict("records"), strict=True):
        by_hand = [part * logged.header.money_unit for part in split_by_hand(logged, numbers[name], settle_ns)]
        assert [row["spread"], row["adverse_selection"], row["inventory"]] == by_hand


def test_a_wrong_price_or_a_lost_fill_does_not_add_up() -> None:
    """The control: were a fill another than the log says, the ledger would notice."""
    logged = random_log(5, 300)
    true = logged.pnl("agent", exact=True)["pnl_mid"]
    for change in (
        lambda t: t.assign(price_ticks=t["price_ticks"] + (t.index == 3)),
        lambda t: t.drop(index=3).reset_index(drop=True),
        lambda t: t.assign(side=t["side"].where(t.index != 3, -t["side"])),
    ):
        other = random_log(5, 300)
        other.__dict__["executions"] = change(logged.executions)
        assert sum(other.pnl("agent", exact=True)["pnl_mid"]) != sum(true) == 0


def test_parts_move_as_settling_takes_longer_and_the_whole_does_not() -> None:
    logged = random_log(7, 400)
    early, late = (logged.pnl("agent", exact=True, settle=settle) for settle in ("0s", "1min"))
    assert (early["pnl_value"] == late["pnl_value"]).all()
    assert (early["spread"] == late["spread"]).all()
    assert (early["adverse_selection"] != late["adverse_selection"]).any()


def test_first_in_first_out_by_hand() -> None:
    # Long 2 at 10, buys 1 at 12, sells 4 at 15: two that cost 10, one that cost 12, and one short at 15.
    book = fifo(2, 10, [1, -4], [12, 15])
    assert (book.position, book.realised, book.cost) == (-1, 2 * 5 + 3, -15)


# --- of a scenario ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crisis() -> Run:
    """Balance sheets, endowments, requests for quote, forced sales."""
    return run(load_scenario("experiments/whole_system.toml", ["horizon=4min", "shocks.0.at=60s"]), seed=3)


def test_groups_and_instruments_add_up_to_agents(crisis: Run) -> None:
    whole = crisis.pnl(exact=True)
    for by in ("agent", "group", "instrument", "role", ("group", "instrument")):
        found = crisis.pnl(by, exact=True)
        for column in ("fills", "pnl_mid", "pnl_value", "spread", "adverse_selection", "inventory", "turnover"):
            assert sum(found[column]) == sum(whole[column]), (by, column)
    one = crisis.header.agents[0]
    assert set(crisis.pnl(agent=one.name).index.get_level_values("agent")) <= {one.name}


def test_together_they_have_made_what_their_endowments_have(crisis: Run) -> None:
    made = {name: crisis.pnl("instrument", exact=True)[f"pnl_{name}"] for name in ("mid", "value")}
    held: dict[int, int] = {}
    for (_, instrument_id), lots in opening_lots(crisis.header).items():
        held[instrument_id] = held.get(instrument_id, 0) + lots
    for instrument in crisis.header.instruments:
        for name, path in reference_paths(crisis, instrument.instrument_id).items():
            moved = Fraction(path.last - path.opening, FINE) * instrument.tick_value
            assert made[name][instrument.name] == held.get(instrument.instrument_id, 0) * moved


def test_positions_are_those_of_the_balance_sheets(crisis: Run) -> None:
    """Two ways to the same number: from executions, and from what desks log."""
    keys = ["agent_id", "instrument_id"]
    ours = crisis.positions.groupby(keys)["lots"].last()
    theirs = crisis.table("position").groupby(keys)["lots"].last()
    assert len(theirs) > 10
    assert (theirs.to_numpy() == ours.reindex(theirs.index, fill_value=0).to_numpy()).all()
    without = crisis.positions.query("seq > 0").groupby(keys)["lots"].last()
    assert (theirs.to_numpy() != without.reindex(theirs.index, fill_value=0).to_numpy()).any() or len(without) < len(
        theirs
    )


def test_fills_are_in_units_that_people_use(crisis: Run) -> None:
    fills, raw = crisis.fills, crisis.executions
    assert len(fills) == len(raw)
    of = {i.name: i for i in crisis.header.instruments}
    row = fills.iloc[10]
    instrument = of[row["instrument"]]
    assert row["price"] == pytest.approx(instrument.price(raw["price_ticks"].iloc[10]))
    assert row["amount"] == instrument.amount(row["lots"])
    signed = row["money"] * (-1 if row["side"] == "buy" else 1)
    assert signed == pytest.approx(row["price"] / float(instrument.price_per) * row["amount"])
    last = fills.groupby(["agent", "instrument"])["position_lots"].last()
    pnl = crisis.pnl()
    assert (pnl["position_lots"].reindex(last.index) == last).all()
    assert fills["time"].iloc[0].startswith("0:00:")


def test_what_is_asked_wrongly_is_said(crisis: Run) -> None:
    with pytest.raises(InputError, match=r"by: expected one or more of .*did you mean 'group'"):
        crisis.pnl("groop")
    with pytest.raises(InputError, match="at: expected mid or value"):
        crisis.pnl(at="fair")
    with pytest.raises(InputError, match="agent: no agent or group"):
        crisis.pnl(agent="nobody")
    with pytest.raises(InputError, match="settle"):
        crisis.pnl(settle=-1)


def test_what_is_not_known_is_missing() -> None:
    two = random_log(3, 300, 2)
    found = two.pnl("instrument")
    assert found.attrs["at"] == "mid"
    assert found["pnl_value"].isna().tolist() == [False, True]
    with pytest.raises(InputError, match="no fair values"):
        two.pnl(at="value")
    assert two.pnl("agent", exact=True)["pnl_value"].map(lambda value: value is None).any()


def test_an_empty_log_has_no_profit() -> None:
    none = run_in_memory(MemoryRecorder(), header())
    assert len(none.pnl()) == len(none.fills) == len(none.positions) == 0
    assert isinstance(none.pnl(), pd.DataFrame)
