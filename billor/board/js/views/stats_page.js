// Figures of today and of the last thirty days.

import { h } from "preact";
import { get } from "../api/client.js";
import { useGot } from "../state/got.js";
import { useNow } from "../ui/clock.js";
import { Table } from "../ui/table.js";
import { dayName, duration, fullTime, TIME_ZONE } from "../ui/times.js";

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
      { key: "days" },
      h("h2", null, "By day"),
      h(Table, {
        label: "Figures by day",
        columns: {
          Day: ({ date }) => dayName(date),
          Created: barOf(days, ({ created }) => created),
          Completed: barOf(days, ({ completed }) => completed),
          Cancelled: barOf(days, ({ cancelled }) => cancelled),
          "Median time to assign": barOf(days, (day) => day.medianSecondsToAssign, durationOf),
        },
        rows: days.toReversed(),
        keyOf: ({ date }) => date,
      }),
    ),
  ];
}

/**
 * @param {Day[]} days
 * @param {(day: Day) => number | null} of
 * @param {(value: number | null) => string} [format]
 * @returns {(day: Day) => import("preact").ComponentChildren} a day's figure, and its part of the most
 */
function barOf(days, of, format = (value) => Number(value).toLocaleString()) {
  const most = Math.max(...days.map((day) => of(day) ?? 0));
  return (day) => {
    const value = of(day);
    const width = `${(100 * (value ?? 0)) / most}%`;
    const bar = value ? h("i", { style: { width } }) : null;
    return h("div", { class: "bar" }, h("span", null, format(value)), h("b", null, bar));
  };
}

/** @param {number | null} seconds */
const durationOf = (seconds) => (seconds === null ? "–" : duration(seconds));

/** @param {{name: string, value: number | string}} props */
function Tile({ name, value }) {
  return h("div", { class: "tile" }, h("b", null, value.toLocaleString()), h("span", null, name));
}
