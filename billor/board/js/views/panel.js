// What the panels of the board share.

import { h } from "preact";
import { address, hasFilters } from "../state/address.js";
import { dismissTrouble } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { iconButton } from "../ui/button.js";
import { icon, to } from "../ui/icons.js";
import { isolate, Name } from "../ui/text.js";
import { minuteTime } from "../ui/times.js";
import { counted, t } from "../ui/words.js";
import { Urgency } from "./due.js";
import { Reason } from "./notices.js";

export const UNKNOWN_COUNT = "…";
export const ROW_REM = 3.625;

/**
 * @param {object} props @param {string} props.title @param {number} props.count
 * @param {number} [props.total] without filters
 * @param {boolean} [props.isComplete] without it, the counts are not known yet
 * @param {Children} [props.children]
 */
export function PanelHead({ title, count, total, isComplete = true, children }) {
  const shown = isComplete ? counted(count) : UNKNOWN_COUNT;
  return h(
    "header",
    { class: "panel-head" },
    h("h2", null, h("b", { class: "count" }, shown), " ", title),
    isComplete &&
      total !== undefined &&
      total !== count &&
      h("span", { class: "of-total" }, t("of {total}", { total: counted(total) })),
    children,
  );
}

/** @param {{isComplete: boolean, text: string}} props */
export function Nothing({ isComplete, text }) {
  const filters = useStore(address);
  if (!isComplete) return h("p", null, t("Loading …"));
  return h("p", null, hasFilters(filters) ? t("Nothing matches the filters.") : text);
}

/** @param {{load: Load}} props */
export const RouteOf = ({ load: { origin, destination } }) =>
  h("span", { class: "route" }, h(Name, null, origin), to(), h(Name, null, destination));

/** @param {Load} load */
export const aboutLoad = ({ cargoType, reference }) =>
  [cargoType, reference ?? ""].filter(Boolean).map(isolate).join(" · ");

/** @param {{load: Load, tabIndex: number}} props */
export const LoadNumber = ({ load: { id }, tabIndex }) =>
  h(
    "a",
    {
      class: "number",
      href: `#/loads/${id}`,
      tabIndex,
      draggable: false,
      "aria-label": t("Load {id}", { id }),
    },
    id,
  );

/** @param {{load: Load}} props */
export const LoadLink = ({ load }) =>
  h("a", { href: `#/loads/${load.id}` }, `${load.id}: `, h(RouteOf, { load }));

/** A name and a value. @typedef {[string, Children]} Fact */

/** @param {Load} load @returns {Fact[]} */
export const factsOf = ({ cargoType, reference }) => [
  [t("Cargo type"), isolate(cargoType)],
  [t("Reference"), reference && isolate(reference)],
];

/** @param {Load} load @param {string} now @returns {Fact[]} */
export function timesOf({ status, pickupAt, deliverBy }, now) {
  const isWaiting = status === "OPEN";
  const isDriven = status === "ASSIGNED";
  /** @param {string} time @param {boolean} isNext */
  const timeOf = (time, isNext) => [
    minuteTime(time),
    isNext && [" ", h(Urgency, { deadline: time, now })],
  ];
  return [
    [t("Pickup"), pickupAt && timeOf(pickupAt, isWaiting)],
    [t("Deliver by"), deliverBy && timeOf(deliverBy, isWaiting || isDriven)],
  ];
}

/** @param {{label: string, facts: Fact[]}} props */
export const Facts = ({ label, facts }) =>
  h(
    "section",
    { "aria-label": label },
    h(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => [
        h("dt", { key: name }, name),
        h("dd", { key: `value of ${name}` }, value || "–"),
      ]),
    ),
  );

/**
 * Why the last action was taken back, at the load that it concerned.
 * @param {{trouble: Trouble, loadId: number, tabIndex?: number}} props
 */
export function TroubleLine({ trouble, loadId, tabIndex }) {
  return h(
    "div",
    { class: "trouble" },
    icon("warning"),
    h("p", { title: trouble.detail }, trouble.detail, h(Reason, trouble)),
    iconButton("close", t("Dismiss"), () => dismissTrouble(loadId), { tabIndex }),
  );
}
