// Figures of today and of the last thirty days.

import { h } from "preact";
import { get } from "../api/client.js";
import { useGot } from "../state/got.js";
import { useNow } from "../ui/clock.js";
import { Table } from "../ui/table.js";
import { dayName, duration, fullTime, TIME_ZONE } from "../ui/times.js";
import { counted, t } from "../ui/words.js";

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
    h("h1", null, t("Statistics")),
    problem && h("p", { class: "refusal", role: "alert" }, problem),
    stats ? h(Figures, { stats }) : !problem && h("p", null, t("Loading …")),
  );
}

/** @param {{stats: Stats}} props */
function Figures({ stats }) {
  const { loads, drivers, today, days } = stats;
  return [
    h(
      "p",
      { class: "hint", key: "at" },
      t("{time}. Days are those of {zone}.", { time: fullTime(stats.at), zone: stats.timeZone }),
    ),
    h(
      "div",
      { class: "tiles", key: "tiles" },
      tile(t("Waiting"), counted(loads.OPEN)),
      tile(t("On the road"), counted(loads.ASSIGNED)),
      tile(t("Free drivers"), counted(drivers.available)),
      tile(t("Busy drivers"), counted(drivers.busy)),
      tile(t("Assigned today"), counted(today.assigned)),
      tile(t("Completed today"), counted(today.completed)),
      tile(t("Median time to assign"), durationOf(stats.medianSecondsToAssign)),
      tile(t("Median time to complete"), durationOf(stats.medianSecondsToComplete)),
    ),
    h(
      "section",
      { key: "days" },
      h("h2", null, t("By day")),
      h(Table, {
        label: t("Figures by day"),
        columns: {
          [t("Day")]: ({ date }) => dayName(date),
          [t("Loads created")]: barOf(days, ({ created }) => created),
          [t("Loads completed")]: barOf(days, ({ completed }) => completed),
          [t("Loads cancelled")]: barOf(days, ({ cancelled }) => cancelled),
          [t("Median time to assign")]: barOf(days, (day) => day.medianSecondsToAssign, durationOf),
        },
        rows: days.toReversed(),
        keyOf: ({ date }) => date,
      }),
    ),
  ];
}

/**
 * @param {Day[]} days @param {(day: Day) => number | null} of
 * @param {(value: number | null) => string} [format]
 * @returns {(day: Day) => Children} a day's figure, and its part of the most
 */
function barOf(days, of, format = (value) => counted(Number(value))) {
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

/** @param {string} name @param {string} value */
const tile = (name, value) =>
  h("div", { class: "tile" }, h("b", null, value), h("span", null, name));
