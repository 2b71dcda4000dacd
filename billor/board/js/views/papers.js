// Papers of drivers that have expired, or will soon.

import { h } from "preact";
import { daysUntil, fullDate, inDays } from "../ui/times.js";
import { t } from "../ui/words.js";
import { Mark } from "./due.js";

const WARNED_DAYS = 30;

/** And what is said when they have expired, or will. */
const PAPERS = /** @type {const} */ ([
  ["licenseExpiresOn", t("License expired on {date}"), t("License expires {when}")],
  ["medicalExpiresOn", t("Medical card expired on {date}"), t("Medical card expires {when}")],
]);

/** @param {{driver: Driver, isSmall?: boolean}} props `isSmall`: a mark with a title */
export function Papers({ driver, isSmall }) {
  const now = new Date().toISOString();
  return PAPERS.map(([paper, expired, expires]) => {
    const date = driver[paper];
    const days = date ? daysUntil(date, now) : Infinity;
    if (!date || days > WARNED_DAYS) return null;
    const isOver = days < 0;
    const text = t(isOver ? expired : expires, { when: inDays(days), date: fullDate(date) });
    return h(
      Mark,
      { key: paper, look: isOver ? "late" : "soon", title: text },
      h("span", { class: isSmall && "unseen" }, text),
    );
  });
}
