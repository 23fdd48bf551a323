"use strict";
/* Light and dark: the system's choice until the reader makes one. Colours of figures are names that stand for the page's. */
window.lobReport = window.lobReport || {};
(function (report) {
  const root = document.documentElement;
  const key = "lob-sim-theme";

  function stored() {
    try { return window.localStorage.getItem(key); } catch (error) { return null; }
  }

  function isDark() {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  }

  report.colour = function (name) {
    const variable = /^[0-9]$/.test(name) ? "--c" + name : "--" + name;
    return getComputedStyle(root).getPropertyValue(variable).trim() || "#888";
  };

  /* A copy of a figure in which every colour "@name" is one of the page's. Only values of colour keys are looked at. */
  report.paint = function paint(value, inColour) {
    if (typeof value === "string") {
      return inColour && value[0] === "@" ? report.colour(value.slice(1)) : value;
    }
    if (Array.isArray(value)) {
      return inColour || (value.length && typeof value[0] === "object") ? value.map((item) => paint(item, inColour)) : value;
    }
    if (value && typeof value === "object") {
      const copy = {};
      for (const [name, item] of Object.entries(value)) { copy[name] = paint(item, inColour || /colou?r$|colorscale$/.test(name)); }
      return copy;
    }
    return value;
  };

  report.setTheme = function (name) {
    root.dataset.theme = name;
    try { window.localStorage.setItem(key, name); } catch (error) { /* A page from disk may not keep anything. */ }
    document.querySelectorAll("[data-theme-button]").forEach((button) => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    });
    if (report.redraw) { report.redraw(); }
  };

  report.startTheme = function () {
    const before = stored();
    if (before === "dark" || before === "light") { root.dataset.theme = before; }
    document.querySelectorAll("[data-theme-button]").forEach((button) => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.addEventListener("click", () => report.setTheme(isDark() ? "light" : "dark"));
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => report.redraw && report.redraw());
  };
})(window.lobReport);
