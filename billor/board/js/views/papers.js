// Papers of drivers that have expired, or will soon.

import { h } from "preact";
import { icon } from "../ui/icons.js";
import { daysUntil, fullDate, inDays } from "../ui/times.js";
import { t } from "../ui/words.js";

const WARNED_DAYS = 30;

/** @typedef {Record<"when" | "date", string>} Parts */

const SOON = {
  licenseExpiresOn: (/** @type {Parts} */ parts) => t("License expires {when}", parts),
  medicalExpiresOn: (/** @type {Parts} */ parts) => t("Medical card expires {when}", parts),
};
const EXPIRED = {
  licenseExpiresOn: (/** @type {Parts} */ parts) => t("License expired on {date}", parts),
  medicalExpiresOn: (/** @type {Parts} */ parts) => t("Medical card expired on {date}", parts),
};
const PAPERS = /** @type {Array<keyof typeof SOON>} */ (Object.keys(SOON));

/** @param {{driver: Driver, isSmall?: boolean}} props `isSmall`: a mark with a title */
export function Papers({ driver, isSmall }) {
  const now = new Date().toISOString();
  return PAPERS.map((paper) => {
    const date = driver[paper];
    const days = date ? daysUntil(date, now) : Infinity;
    if (!date || days > WARNED_DAYS) return null;
    const sentences = days < 0 ? EXPIRED : SOON;
    const text = sentences[paper]({ when: inDays(days), date: fullDate(date) });
    return h(
      "span",
      { key: paper, class: `urgency ${days < 0 ? "late" : "soon"}`, title: text },
      icon(days < 0 ? "warning" : "clock"),
      h("span", { class: isSmall && "unseen" }, text),
    );
  });
}
