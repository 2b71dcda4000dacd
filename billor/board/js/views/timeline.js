// What happened to a load, as people read it: who, what, when.

import { h } from "preact";
import { isolate } from "../ui/text.js";
import { fullTime, shortTime, zoneName } from "../ui/times.js";

/** @import {Load, TimelineEntry} from "../types.js" */

const FIELD_NAMES = {
  origin: "origin",
  destination: "destination",
  cargoType: "cargo type",
  reference: "reference",
  pickupAt: "pickup",
  deliverBy: "delivery",
  status: "status",
};

/** @type {Record<string, (entry: Pick<TimelineEntry, "payload">) => string>} */
const SENTENCES = {
  LOAD_CREATED: () => "created the load",
  LOAD_UPDATED: ({ payload }) => changes(payload.before ?? {}, payload.load),
  LOAD_CANCELLED: () => "cancelled the load",
  ASSIGNED: ({ payload }) =>
    `assigned the load to ${payload.driver ? isolate(payload.driver.name) : "a driver"}`,
  LOAD_COMPLETED: ({ payload }) => `completed the load${of(payload.driver)}`,
  ASSIGNMENT_CANCELLED: ({ payload }) => `cancelled the assignment${of(payload.driver)}`,
  ASSIGNMENT_REOPENED: ({ payload }) => `reopened the assignment${of(payload.driver)}`,
};

/** @param {{name: string} | undefined} driver */
const of = (driver) => (driver ? ` of ${isolate(driver.name)}` : "");

/**
 * @param {Record<string, unknown>} before
 * @param {Load | undefined} load
 */
function changes(before, load) {
  if (before.status === "CANCELLED") return "reopened the load";
  const names = Object.keys(before).filter((name) => name in FIELD_NAMES);
  const texts = names.map((name) => {
    const label = FIELD_NAMES[/** @type {keyof typeof FIELD_NAMES} */ (name)];
    const [from, to] = [before[name], load?.[/** @type {keyof Load} */ (name)]].map((value) =>
      readable(name, value),
    );
    return `${label} from ${from} to ${to}`;
  });
  return texts.length ? `changed ${texts.join(", ")}` : "changed the load";
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function readable(name, value) {
  if (value === null || value === undefined || value === "") return "none";
  return name.endsWith("At") || name.endsWith("By")
    ? shortTime(String(value))
    : isolate(String(value));
}

/**
 * @param {TimelineEntry} entry
 * @returns {string} what somebody did, such as "cancelled the load"
 */
export const sentenceOf = (entry) => SENTENCES[entry.type]?.(entry) ?? entry.type;

/** @param {{entries: TimelineEntry[]}} props */
export function Timeline({ entries }) {
  return [
    h("p", { class: "hint", key: "zone" }, `Times are in ${zoneName()}.`),
    h(
      "ol",
      { class: "timeline", key: "list" },
      entries.map((entry) =>
        h(
          "li",
          { key: entry.id, class: `event-${entry.type}` },
          h(
            "p",
            null,
            h("b", null, entry.user ? isolate(entry.user.name) : "A command"),
            ` ${sentenceOf(entry)}.`,
          ),
          h("time", { dateTime: entry.timestamp }, fullTime(entry.timestamp)),
        ),
      ),
    ),
  ];
}
