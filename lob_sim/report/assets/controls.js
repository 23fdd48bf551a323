"use strict";
/* The toolbar: instrument, time, agents. Everything that a legend or a drag does can be done from the keyboard here. */
(function (report) {
  function choose(choice, label) {
    report.state.choices[choice] = label;
    document.querySelectorAll("select[data-choice]").forEach((select) => {
      if (select.dataset.choice === choice && Array.from(select.options).some((option) => option.value === label)) { select.value = label; }
    });
    document.querySelectorAll("input[data-choice]").forEach((input) => {
      if (input.dataset.choice === choice) { input.checked = input.value === label; }
    });
    return report.redraw(choice);
  }

  report.choose = choose;

  function startChoices() {
    document.querySelectorAll("[data-choice]").forEach((control) => {
      control.addEventListener("change", () => choose(control.dataset.choice, control.value));
    });
  }

  function swatch(agent) {
    const dashes = { dash: "6,3", dot: "2,3", dashdot: "6,3,2,3", longdash: "9,3", longdashdot: "9,3,2,3" };
    const name = agent.colour.slice(1);
    const variable = /^[0-9]$/.test(name) ? "--c" + name : "--" + name;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", "22");
    svg.setAttribute("height", "8");
    svg.setAttribute("aria-hidden", "true");
    const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const look = { x1: 0, x2: 22, y1: 4, y2: 4, "stroke-width": 3, "stroke-dasharray": dashes[agent.dash] || "" };
    for (const [key, value] of Object.entries(look)) { stroke.setAttribute(key, value); }
    stroke.style.stroke = "var(" + variable + ")";
    svg.append(stroke);
    return svg;
  }

  /* One legend for all panels: a switch for each group, and behind "each" one for each of its members. */
  function startAgents() {
    const place = document.getElementById("agents");
    if (!place) { return; }
    const each = place.querySelector(".members");
    const groups = new Map();
    for (const agent of report.data.agents) { groups.set(agent.group, (groups.get(agent.group) || []).concat(agent)); }
    const isSplit = groups.size < report.data.agents.length && groups.size > 1;
    for (const [group, members] of groups) {
      if (isSplit) { place.insertBefore(toggle(group, members[0], members.map((m) => m.name), "group", members.length), each.parentElement); }
      for (const agent of members) { (isSplit ? each : place).append(toggle(agent.name, agent, [agent.name], "agent", 1)); }
    }
    each.parentElement.hidden = !isSplit;
    report.showAgents = function () {
      place.querySelectorAll("input").forEach((box) => {
        const hidden = box.members.filter((name) => report.state.hidden.has(name)).length;
        box.checked = hidden < box.members.length;
        box.indeterminate = hidden > 0 && hidden < box.members.length;
      });
    };
  }

  function toggle(text, look, members, kind, n) {
    const made = document.createElement("label");
    made.className = "toggle";
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.dataset[kind] = text;
    box.members = members;
    box.addEventListener("change", () => report.showOnly(members, box.checked));
    made.append(box, swatch(kind === "group" ? Object.assign({}, look, { dash: "" }) : look), document.createTextNode(text + (n > 1 ? " × " + n : "")));
    return made;
  }

  function startTime() {
    const form = document.getElementById("time");
    if (!form) { return; }
    const from = form.elements.namedItem("from");
    const to = form.elements.namedItem("to");
    const message = document.getElementById("time-message");
    report.showRange = function () {
      const shown = report.state.range || report.wholeRange();
      from.value = report.clock(shown[0]);
      to.value = report.clock(shown[1]);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const range = [report.parseClock(from.value), report.parseClock(to.value)];
      const good = range[1] > range[0];
      message.textContent = good ? "" : "Give times as " + (report.data.first_ms ? "h:min:s" : "min:s") + ", the second after the first.";
      if (good) { report.setRange(range); }
    });
    document.querySelectorAll("[data-span]").forEach((button) => {
      button.addEventListener("click", () => {
        const shock = (report.data.shocks_ms || [])[0];
        const whole = report.wholeRange();
        const width = whole[1] / 4;
        report.setRange(button.dataset.span === "shock" ? [Math.max(0, shock - width / 4), Math.min(whole[1], shock + width)] : null);
      });
    });
    report.showRange();
  }

  /* Figures are drawn one after the other, so that the page can be read and used from the start. */
  async function drawAll() {
    for (const chart of report.charts()) {
      await report.draw(chart);
      await new Promise((resolve) => window.setTimeout(resolve, 0));
    }
    await report.replay;
    document.documentElement.dataset.drawn = "yes";
  }

  /* What is folded is drawn when it is opened. */
  function startFolds() {
    document.querySelectorAll("details").forEach((fold) => {
      fold.addEventListener("toggle", () => fold.open && fold.querySelectorAll(".chart[data-panel]").forEach(report.draw));
    });
  }

  /* The entry of the index for the section that is read. */
  function startIndex() {
    const links = Array.from(document.querySelectorAll(".index a"));
    const sections = links.map((link) => document.querySelector(link.hash)).filter(Boolean);
    if (!sections.length || !window.IntersectionObserver) { return; }
    const mark = () => {
      const read = sections.filter((section) => section.getBoundingClientRect().top < 160).pop();
      links.forEach((link) => link.toggleAttribute("aria-current", Boolean(read) && link.hash === "#" + read.id));
    };
    window.addEventListener("scroll", mark, { passive: true });
    mark();
  }

  async function start() {
    report.startTheme();
    // On a narrow screen what takes much room waits until it is asked for.
    if (document.documentElement.clientWidth < 640) { document.querySelectorAll("details[data-wide]").forEach((fold) => { fold.open = false; }); }
    startIndex();
    await report.load();
    startChoices();
    startAgents();
    startTime();
    startFolds();
    let width = document.documentElement.clientWidth;
    window.addEventListener("resize", () => {
      const now = document.documentElement.clientWidth;
      if ((now < 640) !== (width < 640)) { report.redraw(); }
      width = now;
    });
    await drawAll();
  }

  start();
})(window.lobReport);
