"use strict";
/* Drawing the panels, and keeping their time axes and agents together. */
(function (report) {
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
  let applying = false;

  const isNarrow = (chart) => chart.clientWidth < 420;

  function tickFormat() {
    return (report.data.first_ms || 0) + report.data.horizon_ms >= 3600000 ? "%-H:%M:%S" : "%-M:%S";
  }

  /* A span of several days is marked by their openings; within a day times are those since the start of the run. */
  function timeTicks(range, narrow) {
    const length = report.data.day_ms || 0;
    if (!length || range[1] - range[0] < 2 * length) { return { tickmode: "auto", tickvals: null, ticktext: null }; }
    const every = Math.ceil((range[1] - range[0]) / length / (narrow ? 4 : 10));
    const opened = [];
    for (let day = 0; day * length < range[1]; day += every) {
      if (day * length >= range[0]) { opened.push(day); }
    }
    return { tickmode: "array", tickvals: opened.map((day) => report.toAxis(day * length)), ticktext: opened.map((day) => "day " + (day + 1)) };
  }

  function axisStyle(narrow) {
    return {
      gridcolor: "@line", zerolinecolor: "@muted", linecolor: "@line", tickcolor: "@line", automargin: true,
      tickfont: { size: narrow ? 10 : 11 },
    };
  }

  function lowestAxis(layout) {
    const names = Object.keys(layout).filter((name) => /^yaxis\d*$/.test(name));
    const lowest = names.reduce((a, b) => (((layout[a].domain || [0])[0] <= (layout[b].domain || [0])[0]) ? a : b), names[0] || "yaxis");
    return lowest.replace("axis", "");
  }

  function shockShapes() {
    const shocks = (report.data.shocks_ms || []).map((at) => ({
      type: "line", xref: "x", yref: "paper", x0: report.toAxis(at), x1: report.toAxis(at), y0: 0, y1: 1, line: { color: "@muted", width: 1, dash: "dot" },
    }));
    return shocks.concat(nightShapes());
  }

  function nightShapes() {
    const length = report.data.day_ms || 0;
    const nights = [];
    for (let open = 0; length && open + report.data.session_ms < report.data.horizon_ms; open += length) {
      nights.push({
        type: "rect", xref: "x", yref: "paper", layer: "below", x0: report.toAxis(open + report.data.session_ms),
        x1: report.toAxis(Math.min(open + length, report.data.horizon_ms)), y0: 0, y1: 1, fillcolor: "@muted", opacity: 0.15, line: { width: 0 },
      });
    }
    return nights;
  }

  const agentOf = (trace) => (trace.meta ? trace.meta.agent : undefined);

  /* Traces without the agents that the reader has hidden; a heat map loses their rows. Agents have one legend, at the top. */
  function visible(trace) {
    const hidden = report.state.hidden;
    if (agentOf(trace) !== undefined) {
      return Object.assign({}, trace, { showlegend: false, visible: hidden.has(agentOf(trace)) ? "legendonly" : true });
    }
    if (trace.meta && trace.meta.rows && hidden.size) {
      const kept = trace.meta.rows.map((name, row) => row).filter((row) => !hidden.has(trace.meta.rows[row]));
      const cut = (rows) => kept.map((row) => rows[row]);
      return Object.assign({}, trace, { y: cut(trace.y), z: cut(trace.z), customdata: cut(trace.customdata) });
    }
    return trace;
  }

  /* Rows that a legend below a figure takes, by the length of its names. */
  function legendRows(traces, width, narrow) {
    const names = traces.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name.length);
    if (!names.length || (names.length === 1 && traces.length === 1)) { return 0; }
    const entry = (narrow ? 46 : 48) + (narrow ? 5.6 : 6.2) * Math.max(...names);
    return Math.ceil(names.length / Math.max(1, Math.floor((width - 20) / entry)));
  }

  function layoutOf(figure, traces, chart, height, narrow, isTime) {
    const room = 19 * legendRows(traces, chart.clientWidth || 600, narrow);
    const layout = Object.assign({}, figure.layout);
    for (const name of Object.keys(layout)) {
      if (/^yaxis\d*$/.test(name)) {
        const title = Object.assign({}, layout[name].title, { font: { size: narrow ? 10 : 12 }, standoff: 4 });
        layout[name] = Object.assign(axisStyle(narrow), layout[name], { title });
      }
    }
    if (isTime) {
      const shown = report.state.range || report.wholeRange();
      layout.xaxis = Object.assign(axisStyle(narrow), {
        type: "date", tickformat: tickFormat(), hoverformat: tickFormat() + ".%L",
        nticks: narrow ? 4 : 9, tickangle: 0,
        range: shown.map(report.toAxis), anchor: lowestAxis(layout), zeroline: false,
      }, timeTicks(shown, narrow), layout.xaxis || {});
      layout.shapes = shockShapes().concat(layout.shapes || []);
    } else {
      const x = layout.xaxis || {};
      layout.xaxis = Object.assign(axisStyle(narrow), x, { title: Object.assign({}, x.title, { font: { size: narrow ? 10 : 12 }, standoff: 4 }) });
    }
    return Object.assign(layout, {
      height: (narrow ? 0.8 * height : height) + room, autosize: true, uirevision: "zoom-" + report.state.revision, hovermode: "closest", dragmode: narrow ? false : "zoom",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: narrow ? 46 : 60, r: 10, t: 26, b: (isTime ? 26 : 44) + room },
      font: { family: "system-ui, sans-serif", size: narrow ? 11 : 12, color: "@fg" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@fg" },
      hoverlabel: { bgcolor: "@panel", bordercolor: "@line", font: { color: "@fg", size: 12 } },
      legend: {
        orientation: "h", yref: "container", y: 0, yanchor: "bottom", xref: "container", x: 0, xanchor: "left",
        font: { size: narrow ? 10 : 11 }, entrywidthmode: "pixels", itemclick: "toggle", itemdoubleclick: false,
      },
      showlegend: room > 0,
    });
  }

  /* The variant of a panel that the reader's choices ask for; none where what is chosen has nothing to show in it. */
  function chosen(panel) {
    const wanted = report.state.choices[panel.choice];
    if (!panel.choice || wanted === undefined) { return panel.first; }
    if (wanted in panel.variants) { return wanted; }
    return panel.choice === "instrument" ? undefined : panel.first;
  }

  const isFolded = (chart) => Boolean(chart.closest("details:not([open])"));

  report.draw = function (chart) {
    const panel = report.data.panels[chart.dataset.panel];
    const label = chosen(panel);
    chart.closest(".panel").hidden = label === undefined;
    chart.hidden = label === undefined;
    if (chart.hidden || isFolded(chart)) { return Promise.resolve(); }
    const figure = panel.variants[label][Number(chart.dataset.cell)];
    const narrow = isNarrow(chart);
    const isTime = chart.dataset.time !== "no";
    const shown = figure.data.map(visible);
    const layout = report.paint(layoutOf(figure, shown, chart, panel.height, narrow, isTime), false);
    const onAxis = (trace) => (isTime ? Object.assign({}, trace, { x: trace.x.map(report.toAxis) }) : trace);
    const traces = shown.map((trace) => report.paint(onAxis(trace), false));
    return window.Plotly.react(chart, traces, layout, config).then(() => listen(chart));
  };

  function listen(chart) {
    if (chart.dataset.listening) { return; }
    chart.dataset.listening = "yes";
    chart.on("plotly_relayout", (change) => {
      if (applying || chart.dataset.time === "no") { return; }
      if (change["xaxis.autorange"] || change["xaxis.showspikes"] !== undefined) { report.setRange(null); return; }
      const range = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (range[0] !== undefined && range[1] !== undefined) { report.setRange(range.map(report.toMs)); }
    });
  }

  report.charts = function () {
    return Array.from(document.querySelectorAll(".chart[data-panel]"));
  };

  /* Show the same span of time in every panel; null is the whole run. */
  report.setRange = function (range) {
    report.state.range = range && range[1] > range[0] ? range : null;
    if (!report.state.range) {
      // A reader who wants all of the run back wants all of the prices back, too.
      report.state.revision += 1;
      if (report.showRange) { report.showRange(); }
      return report.redraw();
    }
    const shown = report.state.range;
    applying = true;
    const drawn = report.charts().filter((chart) => chart.dataset.listening && chart.dataset.time !== "no" && !chart.hidden && !isFolded(chart));
    const done = drawn.map((chart) => {
      const ticks = timeTicks(shown, isNarrow(chart));
      return window.Plotly.relayout(chart, {
        "xaxis.range": shown.map(report.toAxis), "xaxis.tickmode": ticks.tickmode, "xaxis.tickvals": ticks.tickvals, "xaxis.ticktext": ticks.ticktext,
      });
    });
    if (report.showRange) { report.showRange(); }
    return Promise.all(done).finally(() => { applying = false; });
  };

  /* Show or hide agents, in every panel. */
  report.showOnly = function (names, isShown) {
    names.forEach((name) => (isShown ? report.state.hidden.delete(name) : report.state.hidden.add(name)));
    if (report.showAgents) { report.showAgents(); }
    return report.redraw();
  };

  report.redraw = function (choice) {
    if (!report.data) { return Promise.resolve(); }
    const charts = report.charts().filter((chart) => !choice || report.data.panels[chart.dataset.panel].choice === choice);
    applying = true;
    return Promise.all(charts.map(report.draw)).finally(() => { applying = false; });
  };
})(window.lobReport);
