// Draws what a table says, a bar a day. Without it there is the table.
"use strict";

const DAY_S = 86400;
const HEIGHT_PX = 220;

// Every day of the range has a place, also one on which nothing happened. Days are drawn as UTC:
// the server has already put every call on its day.
function read(table, column) {
  const found = new Map();
  for (const row of table.querySelectorAll("tbody tr")) {
    found.set(Date.parse(row.dataset.day) / 1000, Number(row.dataset[column]));
  }
  const days = [], values = [];
  const last = Date.parse(table.dataset.until) / 1000;
  for (let day = Date.parse(table.dataset.since) / 1000; day <= last; day += DAY_S) {
    days.push(day);
    values.push(found.get(day) ?? 0);
  }
  return [days, values];
}

function options(place, column) {
  const accent = getComputedStyle(place).color;
  const text = getComputedStyle(document.body).color;
  const line = getComputedStyle(place).borderTopColor;
  const language = document.documentElement.lang;
  const ofDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
  const ofValue = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
  const axis = { stroke: text, grid: { stroke: line }, ticks: { stroke: line } };
  return {
    width: place.clientWidth,
    height: HEIGHT_PX,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: (_plot, from, to) => [from - DAY_S * 0.7, to + DAY_S * 0.7] },
      y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        space: 60,
        incrs: [1, 2, 7, 14, 28].map((days) => days * DAY_S),
        values: (_plot, at) => at.map((one) => ofDay.format(one * 1000)),
      },
      {
        ...axis,
        size: 80,
        incrs: column === "calls" ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7] : undefined,
        values: (_plot, at) => at.map((one) => ofValue.format(one)),
      },
    ],
    series: [{}, { stroke: accent, fill: accent, paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false } }],
  };
}

function draw(place) {
  const table = document.getElementById(place.dataset.table);
  place.replaceChildren();
  new uPlot(options(place, place.dataset.column), read(table, place.dataset.column), place);
}

function drawAll() {
  document.querySelectorAll(".chart").forEach(draw);
}

drawAll();
// The colours are of the theme, the width of the window.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
let waiting;
window.addEventListener("resize", () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(drawAll);
});
