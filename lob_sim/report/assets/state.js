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

  /* The time of day at time 0, where the log knows it; in the milliseconds that every time here is in. */
  const first = () => report.data.first_ms || 0;

  /* Where the run has days, a time is that of a day: "day 3 2:15"; a recorded day's is that of its clock. */
  report.clock = function (ms) {
    const length = report.data.day_ms || 0;
    if (!length) { return clockText(Math.max(0, ms) + first()); }
    return "day " + (Math.floor(Math.max(0, ms) / length) + 1) + " " + clockText(Math.max(0, ms) % length);
  };

  function clockText(ms) {
    const tenths = Math.round(Math.max(0, ms) / 100);
    const hours = Math.floor(tenths / 36000);
    const minutes = Math.floor(tenths / 600) % 60;
    const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0").replace(/\.0$/, "");
    return hours ? hours + ":" + String(minutes).padStart(2, "0") + ":" + seconds : minutes + ":" + seconds;
  }

  /* "12:30", "1:02:03.5" or seconds, "day 3 12:30" where there are days; NaN for anything else. Two numbers are minutes
     and seconds, but hours and minutes where times are of day. */
  report.parseClock = function (text) {
    const length = report.data.day_ms || 0;
    const day = length ? /^\s*day\s+([1-9][0-9]*)\s+(.*)$/.exec(text) : null;
    if (day) { return (Number(day[1]) - 1) * length + parseOfDay(day[2]); }
    return parseOfDay(first() && /^\s*\d+:\d+\s*$/.test(text) ? text + ":00" : text) - first();
  };

  function parseOfDay(text) {
    const parts = text.trim().split(":").map(Number);
    if (!text.trim() || parts.length > 3 || parts.some((part) => !Number.isFinite(part) || part < 0)) { return NaN; }
    return 1000 * parts.reduce((sum, part) => 60 * sum + part, 0);
  }

  /* Plotly's time axes are dates, and it takes small numbers for years: time 0 of a run is drawn as its time of day, or as a midnight. */
  const midnight = Date.UTC(2000, 0, 1);
  report.toAxis = (ms) => ms + first() + midnight;

  /* Plotly gives the ends of a time axis back as text without a zone, or as numbers. */
  report.toMs = function (value) {
    return (typeof value === "number" ? value : Date.parse(String(value).replace(" ", "T") + "Z")) - midnight - first();
  };
})(window.lobReport);
