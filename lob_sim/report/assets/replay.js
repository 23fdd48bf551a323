"use strict";
// The replay viewer. Text reaches the page through textContent alone, so that no name can be markup.
window.lobReport.replay = (async (root) => {
  const data = await window.lobReport.unpack(root.querySelector(".replay-data"));
  const one = (name) => root.querySelector(".replay-" + name);

  const KINDS = [
    { name: "shock", colour: "--accent" },
    { name: "failure", colour: "--bad" },
    { name: "breach", colour: "--bad" },
    { name: "forced sale", colour: "--ask" },
    { name: "retreat", colour: "--muted" },
  ];
  const PHASES = ["closed", "auction", "", "halted"];
  const STANCES = ["none", "bid only", "offer only", "bid and offer"];
  const SOURCES = ["", "lit mid", "lit trade", "RFQ print", "own belief"];
  const DECLINES = ["", "no interest", "no capacity", "toxic client", "suspects distress"];
  const ENDS = ["", "dealt", "walked away", "expired", "all declined"];
  const TOTALS = ["Cash", "Other assets", "Short-term", "Due now", "Repo", "Sold short", "Adjustment", "Tier 1"];
  const TIER1 = 7;
  const PATTERNS = 5;
  const LEVELS = 10;
  const LAST_FRAME = data.times.length - 1;
  const END_NS = data.times[LAST_FRAME];
  const EVENTS_SHOWN = 30;

  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const state = { frame: 0, clockNs: 0, timer: 0, lastTick: 0 };

  // --- small helpers ------------------------------------------------------------------------------------
  function element(tag, text, className, children) {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    for (const child of children || []) made.append(child);
    return made;
  }

  // The last place in an increasing list whose value is not above the one given; -1 if all are.
  function lastAtOrBefore(list, value) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] <= value) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  function now(series) {
    return series[1][lastAtOrBefore(series[0], state.frame)];
  }

  /* Where the run has days, a time is that of a day; a recorded day's is that of its clock. */
  function timeText(ns) {
    const length = data.day_ns || 0;
    return length ? "day " + (Math.floor(ns / length) + 1) + " " + clockText(ns % length) : clockText(ns + data.first_ns);
  }

  function clockText(ns) {
    const us = Math.floor(ns / 1000);
    const pad = (n, width) => String(n).padStart(width, "0");
    const seconds = Math.floor(us / 1e6), minutes = Math.floor(seconds / 60);
    return Math.floor(minutes / 60) + ":" + pad(minutes % 60, 2) + ":" + pad(seconds % 60, 2) + "." + pad(us % 1e6, 6);
  }

  function grouped(value, decimals) {
    const [whole, fraction] = Math.abs(value).toFixed(decimals).split(".");
    const shown = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? "." + fraction : "");
    return value < 0 && /[1-9]/.test(shown) ? "−" + shown : shown;
  }

  const money = (amount) => grouped(amount / data.money.divisor, data.money.decimals);
  const cash = (units) => money(units * data.money.perCash);
  const price = (ticks, instrument) => (ticks * instrument.tick).toFixed(instrument.decimals);
  const nameOf = (agent) => data.names[agent] ?? "agent " + agent;

  // The part of a name that is not common to all dealers.
  const prefix = data.dealers.map(nameOf).reduce((common, name) => {
    let n = 0;
    while (n < common.length && common[n] === name[n]) n += 1;
    return common.slice(0, n);
  }, data.dealers.length > 1 ? nameOf(data.dealers[0]) : "");
  const shortName = (agent) => nameOf(agent).slice(prefix.length) || nameOf(agent);

  // As in the other panels a group has a colour; its members have a pattern, and the name stands beside it.
  function dress(made, dealer) {
    const [colour, pattern] = data.looks[dealer];
    made.style.backgroundColor = `var(--c${colour})`;
    made.classList.add("replay-pattern-" + (pattern % PATTERNS));
    return made;
  }

  const swatch = (dealer) => dress(element("span", null, "replay-swatch"), dealer);

  function table(headings, rows, className) {
    const head = element("tr", null, null, headings.map((text) => {
      const cell = element("th", text, className);
      cell.scope = "col";
      return cell;
    }));
    return element("table", null, null, [element("thead", null, null, [head]), element("tbody", null, null, rows)]);
  }

  function rowHead(text, ...before) {
    const cell = element("th", null, null, [...before, document.createTextNode(text)]);
    cell.scope = "row";
    return cell;
  }

  // --- order books --------------------------------------------------------------------------------------
  function bar(level, most) {
    const made = element("div", null, "replay-bar");
    let others = level[1];
    for (let k = 2; k < level.length; k += 2) {
      others -= level[k + 1];
      const agent = data.dealers[level[k]];
      made.append(dress(part(shortName(agent), nameOf(agent), level[k + 1]), level[k]));
    }
    if (others > 0) made.append(part("others", "not dealers", others));
    made.style.width = (100 * level[1] / most) + "%";
    return made;
  }

  function part(label, name, lots) {
    const made = element("span", null, null, [element("b", label)]);
    made.style.flexGrow = lots;
    made.title = name + ": " + lots + (lots === 1 ? " lot" : " lots");
    return made;
  }

  function ladderRow(level, instrument, side, most) {
    if (!level) return element("tr", null, side, [element("th"), element("td", null, "replay-lots"), element("td")]);
    const row = element("tr", null, side, [
      rowHead(price(level[0], instrument)),
      element("td", level[1], "replay-lots"),
      element("td", null, null, [bar(level, most)]),
    ]);
    row.dataset.ticks = level[0];
    row.dataset.lots = level[1];
    return row;
  }

  function gapRow(bids, asks, instrument) {
    const both = bids.length && asks.length;
    const ticks = both ? asks[0][0] - bids[0][0] : 0;
    const text = both ? "spread " + ticks + (ticks === 1 ? " tick" : " ticks") : "no two-sided quote";
    const cell = element("td", text);
    cell.colSpan = 3;
    return element("tr", null, "replay-gap", [cell]);
  }

  function ladder(k) {
    const instrument = data.instruments[k], [phase, bids, asks] = now(data.ladders[k]), fair = now(data.fair[k]);
    const most = Math.max(1, ...bids.map((level) => level[1]), ...asks.map((level) => level[1]));
    const rows = [];
    for (let n = LEVELS - 1; n >= 0; n -= 1) rows.push(ladderRow(asks[n], instrument, "replay-ask", most));
    rows.push(gapRow(bids, asks, instrument));
    for (let n = 0; n < LEVELS; n += 1) rows.push(ladderRow(bids[n], instrument, "replay-bid", most));
    const value = fair === null ? "" : "fair value " + (fair * instrument.tick).toFixed(instrument.decimals + 1);
    const caption = element("caption", instrument.name + (PHASES[phase] ? " (" + PHASES[phase] + ")" : ""), null,
      [element("small", value + (value ? ", " : "") + "price, displayed lots, whose")]);
    const made = element("div", null, "replay-ladder", [element("table", null, null, [caption, element("tbody", null, null, rows)])]);
    made.dataset.instrument = instrument.name;
    return made;
  }

  // --- who quotes -----------------------------------------------------------------------------------------
  function stance(series) {
    const code = now(series), quoted = code & 3, cause = data.causes[code >> 2];
    const cell = element("td", STANCES[quoted], "is-text" + (quoted === 3 ? "" : quoted ? " replay-muted" : " replay-bad"));
    if (quoted !== 3) cell.append(element("small", cause || "no cause on the log"));
    return cell;
  }

  function quotingTable() {
    const rows = data.dealers.map((agent, k) =>
      element("tr", null, null, [rowHead(nameOf(agent), swatch(k)), ...data.quoting[k].map(stance)]));
    return table(["Dealer", ...data.instruments.map((instrument) => instrument.name)], rows, "is-text");
  }

  // --- requests for quote -----------------------------------------------------------------------------------
  const sideText = (side) => (side > 0 ? "buys" : side < 0 ? "sells" : "two-way");

  function answer(dealer, rfq, ns) {
    const instrument = data.instruments[rfq[3]];
    const quote = rfq[7].filter((q) => q[1] === dealer && q[0] <= ns).pop();
    const refusal = rfq[8].find((d) => d[1] === dealer && d[0] <= ns);
    if (quote) {
      const sides = [quote[2] ? "bid " + price(quote[2], instrument) : "", quote[3] ? "offer " + price(quote[3], instrument) : ""];
      return shortName(dealer) + ": " + sides.filter(Boolean).join(", ");
    }
    return shortName(dealer) + (refusal ? ": declined (" + DECLINES[refusal[2]] + ")" : ": no answer yet");
  }

  function outcome(rfq, ns) {
    if (rfq[1] === null || rfq[1] > ns) return "in flight";
    const dealt = rfq[10] === null ? "" : " with " + nameOf(rfq[10]) + " at " + price(rfq[11], data.instruments[rfq[3]]);
    return ENDS[rfq[9]] + dealt;
  }

  function requestRow(rfq, ns) {
    const answers = element("td", null, "is-text", rfq[6].map((dealer) => element("div", answer(dealer, rfq, ns))));
    const text = outcome(rfq, ns);
    const row = element("tr", null, null, [
      rowHead(timeText(rfq[0])),
      element("td", nameOf(rfq[2]), "is-text"),
      element("td", sideText(rfq[4]) + " " + rfq[5] + " " + data.instruments[rfq[3]].name, "is-text"),
      answers,
      element("td", text, "is-text" + (text === "in flight" ? "" : " replay-muted")),
    ]);
    return row;
  }

  function requests() {
    if (!data.hasRfqs) return element("p", "There are none in this run.");
    const ns = data.times[state.frame];
    const shown = data.rfqs.filter((rfq) => rfq[0] <= ns && (rfq[1] === null || ns < rfq[1] + data.lately));
    if (!shown.length) return element("p", "None in flight or ended lately.", "replay-muted");
    const rows = shown.reverse().map((rfq) => requestRow(rfq, ns));
    return table(["Opened", "Who asks", "For what", "Dealers asked", "Outcome"], rows, "is-text");
  }

  // --- balance sheets ---------------------------------------------------------------------------------------
  function holding(row, k) {
    const n = data.instruments.length, lots = row[8 + k], mark = row[8 + n + k];
    const cell = element("td", cash(lots * mark * data.money.tickValues[k]));
    cell.append(element("small", lots + " at " + price(mark, data.instruments[k]) + ", " + SOURCES[row[8 + 2 * n + k]]));
    return cell;
  }

  function headroom(limits, name) {
    const limit = limits.find((entry) => entry[0] === name);
    if (!limit) return element("td", "–", "replay-muted");
    const value = now(limit[1]);
    return value === null ? element("td", "unlimited") : element("td", money(value), value < 0 ? "replay-bad" : "");
  }

  function toSell(row) {
    const n = data.instruments.length;
    const parts = data.instruments.map((instrument, k) => [row[8 + 3 * n + k], instrument.name]).filter((entry) => entry[0] > 0);
    return element("td", parts.map((entry) => entry[0] + " " + entry[1]).join(", ") || "–", parts.length ? "replay-bad" : "replay-muted");
  }

  // Lines that are 0 on every sheet all the time are left out.
  const occurs = (k) => data.sheets.some((sheet) => sheet.rows[1].some((row) => row[k] !== 0));
  const liabilities = [4, 2, 3, 5, 6].filter(occurs);
  const limits = [...new Set(data.sheets.flatMap((sheet) => sheet.limits.map((entry) => entry[0])))];

  function sheetRow(sheet) {
    const row = now(sheet.rows);
    const assets = row.slice(2, TIER1 + 1).reduce((sum, amount) => sum + amount, 0);
    const dealer = data.dealers.indexOf(sheet.agent);
    const total = (k) => element("td", cash(row[k]), k === TIER1 && row[k] <= 0 ? "replay-bad" : "");
    return element("tr", null, null, [
      rowHead(nameOf(sheet.agent), ...(dealer >= 0 ? [swatch(dealer)] : [])),
      total(TIER1), element("td", assets ? (100 * row[TIER1] / assets).toFixed(2) + "%" : "–"),
      ...limits.map((name) => headroom(sheet.limits, name)), toSell(row),
      total(0), ...data.instruments.map((_, k) => holding(row, k)), total(1), ...liabilities.map(total),
    ]);
  }

  function sheetsTable() {
    const headings = ["", TOTALS[TIER1], "of assets", ...limits.map((name) => "headroom, " + name), "lots to be sold",
      TOTALS[0], ...data.instruments.map((instrument) => instrument.name), TOTALS[1], ...liabilities.map((k) => TOTALS[k])];
    return table(headings, data.sheets.map(sheetRow));
  }

  // --- events -----------------------------------------------------------------------------------------------
  const chosenMoments = () => {
    const kind = one("kind").value;
    return kind === "" ? data.moments : data.moments.filter((moment) => moment[1] === Number(kind));
  };

  function momentItem(moment) {
    const [frame, kind, agent, k, text] = moment;
    const who = [agent >= 0 ? nameOf(agent) : "", k >= 0 ? data.instruments[k].name : ""].filter(Boolean).join(", ");
    const item = element("li", null, frame === state.frame ? "is-now" : "", [element("time", timeText(data.times[frame]))]);
    item.append(KINDS[kind].name + (who ? " – " + who : "") + ": " + text);
    return item;
  }

  function happened() {
    const past = lastAtOrBefore(data.moments.map((moment) => moment[0]), state.frame) + 1;
    const items = data.moments.slice(Math.max(0, past - EVENTS_SHOWN), past).reverse().map(momentItem);
    one("events").replaceChildren(...(items.length ? items : [element("li", "Nothing yet.", "replay-muted")]));
  }

  function drawMarks() {
    const namespace = "http://www.w3.org/2000/svg";
    for (const [frame, kind] of [...data.moments].reverse()) {
      const line = document.createElementNS(namespace, "line");
      const x = END_NS ? 1000 * data.times[frame] / END_NS : 0;
      for (const [name, value] of Object.entries({ x1: x, x2: x, y1: 3 * kind, y2: 20 })) line.setAttribute(name, value);
      line.style.stroke = `var(${KINDS[kind].colour})`;
      one("marks").append(line);
    }
  }

  // --- time ---------------------------------------------------------------------------------------------------
  function show() {
    const ns = data.times[state.frame], text = timeText(ns);
    one("time").textContent = text;
    one("time").dataset.ns = ns;
    one("slider").value = ns;
    one("slider").setAttribute("aria-valuetext", text);
    one("ladders").replaceChildren(...data.instruments.map((_, k) => ladder(k)));
    if (data.dealers.length) one("dealers").lastElementChild.replaceChildren(quotingTable());
    one("requests").lastElementChild.replaceChildren(requests());
    if (data.sheets.length) one("sheets").lastElementChild.replaceChildren(sheetsTable());
    happened();
  }

  function goTo(frame) {
    state.frame = Math.min(LAST_FRAME, Math.max(0, frame));
    state.clockNs = data.times[state.frame];
    show();
  }

  function step(frames) {
    pause();
    goTo(state.frame + frames);
  }

  function stepToEvent(direction) {
    pause();
    const frames = chosenMoments().map((moment) => moment[0]);
    const found = direction > 0 ? frames.find((f) => f > state.frame) : frames.filter((f) => f < state.frame).pop();
    if (found !== undefined) goTo(found);
  }

  function tick() {
    const at = performance.now();
    state.clockNs += (at - state.lastTick) * 1e6 * Number(one("speed").value);
    state.lastTick = at;
    const frame = lastAtOrBefore(data.times, state.clockNs);
    if (frame !== state.frame) {
      state.frame = frame;
      show();
    }
    if (frame === LAST_FRAME) pause();
  }

  function play() {
    if (state.frame === LAST_FRAME) goTo(0);
    state.lastTick = performance.now();
    // Who wants little motion sees one picture a second.
    state.timer = window.setInterval(tick, calm.matches ? 1000 : 100);
    showPlaying();
  }

  function pause() {
    window.clearInterval(state.timer);
    state.timer = 0;
    showPlaying();
  }

  function showPlaying() {
    one("play").textContent = state.timer ? "Pause" : "Play";
    one("play").setAttribute("aria-pressed", String(state.timer !== 0));
  }

  // Before the first quotes there is nothing to see.
  function openingFrame() {
    const quoted = data.ladders.map((series) => series[0][series[1].findIndex(([, bids, asks]) => bids.length && asks.length)]);
    return quoted.every((frame) => frame !== undefined) ? Math.max(...quoted) : 0;
  }

  const toggle = () => (state.timer ? pause() : play());

  const KEYS = {
    " ": toggle, ArrowLeft: () => step(-1), ArrowRight: () => step(1), p: () => stepToEvent(-1), n: () => stepToEvent(1),
    Home: () => step(-LAST_FRAME), End: () => step(LAST_FRAME),
  };

  function onKey(event) {
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const typesItself = event.target.matches("select") || (event.key === " " && event.target.matches("button"));
    if (!action || typesItself || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }

  function listen() {
    root.addEventListener("keydown", onKey);
    one("play").addEventListener("click", toggle);
    one("back").addEventListener("click", () => step(-1));
    one("forward").addEventListener("click", () => step(1));
    one("previous").addEventListener("click", () => stepToEvent(-1));
    one("next").addEventListener("click", () => stepToEvent(1));
    one("slider").addEventListener("input", (event) => {
      pause();
      goTo(lastAtOrBefore(data.times, Number(event.target.value)));
    });
  }

  function start() {
    one("slider").max = END_NS;
    one("kind").append(new Option("all", ""), ...KINDS.map((kind, k) => new Option(kind.name, k)));
    one("dealers").hidden = !data.dealers.length;
    one("sheets").hidden = !data.sheets.length;
    one("sheets").querySelector(".replay-note").textContent =
      "In " + data.money.unit +
      "; holdings at their marks, with lots, mark and what the mark rests on. Negative headroom is a breach.";
    drawMarks();
    listen();
    goTo(openingFrame());
  }

  start();
})(document.currentScript.closest(".replay"));
