// What happened to a load: who, what, when.

import { h } from "preact";
import { fullTime, TIME_ZONE } from "../ui/times.js";
import { t } from "../ui/words.js";
import { whatHappened, whoOf } from "./what_happened.js";

/** @param {{entries: TimelineEntry[]}} props */
export function Timeline({ entries }) {
  return [
    h("p", { class: "hint", key: "zone" }, t("Times are in {zone}.", { zone: TIME_ZONE })),
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
            t("{who} {what}.", {
              who: h("b", null, whoOf(entry)),
              what: whatHappened(entry),
            }),
          ),
          h("time", { dateTime: entry.timestamp }, fullTime(entry.timestamp)),
        ),
      ),
    ),
  ];
}
