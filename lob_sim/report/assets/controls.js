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

  function startAgents() {
    const place = document.getElementById("agents");
    if (!place) { return; }
    for (const agent of report.data.agents) {
      const toggle = document.createElement("label");
      toggle.className = "toggle";
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.dataset.agent = agent.name;
      box.addEventListener("change", () => report.toggleAgent(agent.name));
      toggle.append(box, swatch(agent), document.createTextNode(agent.name));
      place.append(toggle);
    }
    report.showAgents = function () {
      place.querySelectorAll("input").forEach((box) => { box.checked = !report.state.hidden.has(box.dataset.agent); });
    };
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
      message.textContent = good ? "" : "Give times as min:s, the second after the first.";
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
  function drawAll() {
    const charts = report.charts();
    function next(k) {
      if (k >= charts.length) { document.documentElement.dataset.drawn = "yes"; return; }
      report.draw(charts[k]).then(() => window.setTimeout(() => next(k + 1), 0));
    }
    next(0);
  }

  report.startTheme();
  startChoices();
  startAgents();
  startTime();
  let width = document.documentElement.clientWidth;
  window.addEventListener("resize", () => {
    const now = document.documentElement.clientWidth;
    if ((now < 640) !== (width < 640)) { report.redraw(); }
    width = now;
  });
  drawAll();
})(window.lobReport);
