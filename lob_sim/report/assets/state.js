"use strict";
/* What the reader has chosen: one span of time, one instrument, one set of agents, the same in every panel. */
(function (report) {
  report.state = { range: null, revision: 0, hidden: new Set(), choices: {} };
  report.load = async function () {
    report.data = await report.unpack(document.getElementById("report-data"));
    report.state.choices.instrument = report.data.instrument || "";
  };

  report.wholeRange = function () {
    return [0, Math.max(1, report.data.horizon_ms)];
  };

  /* Where the run has days, a time is that of a day: "day 3 2:15". */
  report.clock = function (ms) {
    const length = report.data.day_ms || 0;
    if (!length) { return clockText(ms); }
    return "day " + (Math.floor(Math.max(0, ms) / length) + 1) + " " + clockText(Math.max(0, ms) % length);
  };

  function clockText(ms) {
    const tenths = Math.round(Math.max(0, ms) / 100);
    const hours = Math.floor(tenths / 36000);
    const minutes = Math.floor(tenths / 600) % 60;
    const seconds = ((tenths % 600) / 10).toFixed(1).replace(/\.0$/, "").padStart(2, "0");
    return hours ? hours + ":" + String(minutes).padStart(2, "0") + ":" + seconds : minutes + ":" + seconds;
  }

  /* "12:30", "1:02:03.5" or seconds, "day 3 12:30" where there are days; NaN for anything else. */
  report.parseClock = function (text) {
    const length = report.data.day_ms || 0;
    const day = length ? /^\s*day\s+([1-9][0-9]*)\s+(.*)$/.exec(text) : null;
    if (day) { return (Number(day[1]) - 1) * length + parseOfDay(day[2]); }
    return parseOfDay(text);
  };

  function parseOfDay(text) {
    const parts = text.trim().split(":").map(Number);
    if (!text.trim() || parts.length > 3 || parts.some((part) => !Number.isFinite(part) || part < 0)) { return NaN; }
    return 1000 * parts.reduce((sum, part) => 60 * sum + part, 0);
  }

  /* Plotly's time axes are dates, and it takes small numbers for years: time 0 of a run is drawn as a midnight. */
  const midnight = Date.UTC(2000, 0, 1);
  report.toAxis = (ms) => ms + midnight;

  /* Plotly gives the ends of a time axis back as text without a zone, or as numbers. */
  report.toMs = function (value) {
    return (typeof value === "number" ? value : Date.parse(String(value).replace(" ", "T") + "Z")) - midnight;
  };
})(window.lobReport);
