// Figures of today and of the last thirty days, and the file of assignments.

import { h } from "preact";
import { get } from "../api/client.js";
import { exportAssignments } from "../state/exporting.js";
import { useGot } from "../state/got.js";
import { submit } from "../ui/button.js";
import { useNow } from "../ui/clock.js";
import { Field, Refusal, useSending } from "../ui/form.js";
import { Table } from "../ui/table.js";
import { dayName, duration, fullTime, TIME_ZONE } from "../ui/times.js";
import { counted, percent, t } from "../ui/words.js";
import { DriverLink } from "./page.js";

const PERIOD_SECONDS = 60;

export function StatsPage() {
  const now = useNow(PERIOD_SECONDS);
  const zone = `timeZone=${encodeURIComponent(TIME_ZONE)}`;
  const { data, problem } = useGot(
    () => Promise.all([get(`/stats?${zone}`), get(`/stats/drivers?${zone}`)]),
    [now],
  );
  return h(
    "article",
    { class: "page stats-page" },
    h("h1", null, t("Statistics")),
    problem && h("p", { class: "refusal", role: "alert" }, problem),
    data ? h(Figures, { stats: data[0] }) : !problem && h("p", null, t("Loading …")),
    data && h(ByDriver, { stats: data[1] }),
    h(Export, null),
  );
}

/** @param {{stats: Stats}} props */
function Figures({ stats }) {
  const { loads, drivers, today, days, onTime } = stats;
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
      tile(t("Delivered on time, of {count}", { count: counted(onTime.of) }), shareOf(onTime)),
      tile(t("Median time at pickup"), durationOf(stats.medianSecondsAtPickup)),
      tile(t("Median time at delivery"), durationOf(stats.medianSecondsAtDelivery)),
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

/** @param {{stats: DriverStats}} props */
function ByDriver({ stats: { weeks, drivers } }) {
  /** @type {Array<[string, (driver: DriverStats["drivers"][0]) => Children]>} */
  const byWeek = weeks.map((monday, index) => [
    t("Week of {day}", { day: dayName(monday) }),
    ({ completed }) => counted(completed[index] ?? 0),
  ]);
  return h(
    "section",
    null,
    h("h2", null, t("Loads completed by driver")),
    h(Table, {
      label: t("Loads completed by driver"),
      columns: {
        [t("Driver")]: (driver) => h(DriverLink, { driver }),
        ...Object.fromEntries(byWeek),
        [t("On time")]: ({ onTime }) => shareOf(onTime),
      },
      rows: drivers,
    }),
  );
}

/** What pay is made from. */
function Export() {
  const { isBusy, problem, onSubmit } = useSending(({ since, until }) =>
    exportAssignments(since, until),
  );
  return h(
    "section",
    null,
    h("h2", null, t("Assignments for payroll")),
    h(Refusal, { problem, fields: [] }),
    h(
      "form",
      { class: "export", onSubmit, noValidate: true },
      h(Field, { name: "since", label: t("From day"), type: "date" }),
      h(Field, { name: "until", label: t("To day"), type: "date" }),
      submit(t("Export assignments"), { "aria-disabled": isBusy }),
    ),
  );
}

/** @param {OnTime} onTime */
const shareOf = ({ share }) => (share === null ? "–" : percent(share));

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
