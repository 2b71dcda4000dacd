// What happened to a load: who, what, when.

import { h } from "preact";
import { fullTime, TIME_ZONE } from "../ui/times.js";
import { whatHappened, whoOf } from "./what_happened.js";

/** @import {TimelineEntry} from "../types.js" */

/** @param {{entries: TimelineEntry[]}} props */
export function Timeline({ entries }) {
  return [
    h("p", { class: "hint", key: "zone" }, `Times are in ${TIME_ZONE}.`),
    h(
      "ol",
      { class: "timeline", key: "list" },
      entries.map((entry) =>
        h(
          "li",
          { key: entry.id, class: `event-${entry.type}` },
          h("p", null, h("b", null, whoOf(entry)), " ", whatHappened(entry), "."),
          h("time", { dateTime: entry.timestamp }, fullTime(entry.timestamp)),
        ),
      ),
    ),
  ];
}
