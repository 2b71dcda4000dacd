// Figures of today and of the last thirty days.

import { h } from "preact";
import { get } from "../api/client.js";
import { useGot } from "../state/got.js";
import { useNow } from "../ui/clock.js";
import { Table } from "../ui/table.js";
import { dayName, duration, fullTime, TIME_ZONE } from "../ui/times.js";
import { Bars, Line } from "./charts.js";

/** @import {Day, Stats} from "../types.js" */

const PERIOD_SECONDS = 60;

export function StatsPage() {
  const now = useNow(PERIOD_SECONDS);
  const { data: stats, problem } = useGot(
    () => get(`/stats?timeZone=${encodeURIComponent(TIME_ZONE)}`),
    [now],
  );
  return h(
    "article",
    { class: "page stats-page" },
    h("h1", null, "Statistics"),
    problem && h("p", { class: "refusal", role: "alert" }, problem),
    stats ? h(Figures, { stats }) : !problem && h("p", null, "Loading …"),
  );
}

/** @param {{stats: Stats}} props */
function Figures({ stats }) {
  const { loads, drivers, today, days } = stats;
  return [
    h(
      "p",
      { class: "hint", key: "at" },
      `${fullTime(stats.at)}. Days are those of ${stats.timeZone}.`,
    ),
    h(
      "div",
      { class: "tiles", key: "tiles" },
      h(Tile, { name: "Waiting", value: loads.OPEN }),
      h(Tile, { name: "On the road", value: loads.ASSIGNED }),
      h(Tile, { name: "Free drivers", value: drivers.available }),
      h(Tile, { name: "Busy drivers", value: drivers.busy }),
      h(Tile, { name: "Assigned today", value: today.assigned }),
      h(Tile, { name: "Completed today", value: today.completed }),
      h(Tile, { name: "Median time to assign", value: durationOf(stats.medianSecondsToAssign) }),
      h(Tile, {
        name: "Median time to complete",
        value: durationOf(stats.medianSecondsToComplete),
      }),
    ),
    h(
      "section",
      { key: "loads" },
      h("h2", null, "Loads per day"),
      h(Bars, { days, series: SERIES }),
      h(DayTable, { days, columns: COLUMNS }),
    ),
    h(
      "section",
      { key: "times" },
      h("h2", null, "Median time from created to assigned"),
      h(Line, { days, of: (day) => day.medianSecondsToAssign, format: duration }),
      h(DayTable, {
        days,
        columns: { "Median time": (day) => durationOf(day.medianSecondsToAssign) },
      }),
    ),
  ];
}

const SERIES = [
  { name: "Created", of: (/** @type {Day} */ day) => day.created, look: "created" },
  { name: "Completed", of: (/** @type {Day} */ day) => day.completed, look: "completed" },
  { name: "Cancelled", of: (/** @type {Day} */ day) => day.cancelled, look: "cancelled" },
];

/** @typedef {Record<string, (day: Day) => string>} Columns */

/** @type {Columns} */
const COLUMNS = Object.fromEntries(
  SERIES.map(({ name, of }) => [name, (day) => of(day).toLocaleString()]),
);

/** @param {number | null} seconds */
const durationOf = (seconds) => (seconds === null ? "–" : duration(seconds));

/** @param {{name: string, value: number | string}} props */
function Tile({ name, value }) {
  return h("div", { class: "tile" }, h("b", null, value.toLocaleString()), h("span", null, name));
}

/**
 * The same as a table, for those who do not see the picture, or want the figures.
 *
 * @param {{days: Day[], columns: Columns}} props
 */
function DayTable({ days, columns }) {
  return h(
    "details",
    null,
    h("summary", null, "As a table"),
    h(Table, {
      label: "Figures by day",
      columns: { Day: ({ date }) => dayName(date), ...columns },
      rows: days.toReversed(),
      keyOf: ({ date }) => date,
    }),
  );
}
