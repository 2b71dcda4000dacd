// What happened to a load, a driver or accounts: who, what, when.

import { h } from "preact";
import { useState } from "preact/hooks";
import { usePages } from "../state/got.js";
import { fullTime, TIME_ZONE } from "../ui/times.js";
import { t } from "../ui/words.js";
import { Paged } from "./lists.js";
import { Lines } from "./panel.js";
import { whatHappened, whoOf } from "./what_happened.js";

/** A check-in of a phone without a network comes later than it happened. */
const LATE_MILLISECONDS = 60_000;

/** @param {{path: string, version: unknown}} props the timeline is got again when `version` changes */
export const Timeline = ({ path, version }) =>
  h(Paged, {
    got: usePages(path, version),
    draw: (entries) => [
      h("p", { class: "hint", key: "zone" }, t("Times are in {zone}.", { zone: TIME_ZONE })),
      h("ol", { class: "timeline", key: "list" }, entries.map(entryOf)),
    ],
  });

/** @param {TimelineEntry | AuditDocument} entry */
const entryOf = (entry) =>
  h(
    "li",
    { key: "id" in entry ? entry.id : entry._id, class: `event-${entry.type}` },
    h(
      "p",
      null,
      t("{who} {what}.", { who: h("b", null, whoOf(entry)), what: whatHappened(entry) }),
    ),
    entry.payload.comment && h("blockquote", null, h(Lines, null, entry.payload.comment.text)),
    h("time", { dateTime: entry.timestamp }, whenOf(entry)),
  );

/** @param {TimelineEntry | AuditDocument} entry */
function whenOf({ type, timestamp, payload }) {
  const happened = type === "CHECKED_IN" && payload.checkIn?.happenedAt;
  const received = fullTime(timestamp);
  return happened && Date.parse(timestamp) - Date.parse(happened) > LATE_MILLISECONDS
    ? t("{time}, received {received}", { time: fullTime(happened), received })
    : received;
}

/** Got when somebody opens it. @param {{of: string, version: string}} props `of`: such as `loadId=7` */
export function AuditTrail({ of, version }) {
  const [isOpen, setOpen] = useState(false);
  return h(
    "details",
    { class: "audit", onToggle: () => setOpen(!isOpen) },
    h("summary", null, t("Audit trail")),
    isOpen && h(Timeline, { path: `/audit?${of}&limit=200`, version }),
  );
}
