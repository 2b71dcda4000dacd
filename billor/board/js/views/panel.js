// What the panels of the board share.

import { h } from "preact";
import { address, hasFilters } from "../state/address.js";
import { pickupBy } from "../state/due.js";
import { dismissTrouble } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { iconButton } from "../ui/button.js";
import { icon, to } from "../ui/icons.js";
import { isolate, Name } from "../ui/text.js";
import { minuteTime, windowTime } from "../ui/times.js";
import { weightText } from "../ui/weight.js";
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
export const aboutLoad = ({ cargoType, reference, equipment, weightKg }) =>
  [...new Set([cargoType, reference, equipment, weightKg && weightText(weightKg)])]
    .flatMap((text) => (text ? isolate(text) : []))
    .join(" · ");

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
export const factsOf = ({ cargoType, reference, equipment, weightKg }) => [
  [t("Cargo type"), isolate(cargoType)],
  [t("Reference"), reference && isolate(reference)],
  ...filled([
    [t("Equipment"), equipment && isolate(equipment)],
    [t("Weight"), weightKg && weightText(weightKg)],
  ]),
];

/** What only the load itself has, not its lists. @param {Load} load @returns {Fact[]} */
export const contactsOf = (load) =>
  filled([
    [t("Pickup contact"), contactOf(load.pickupContact, load.pickupPhone, load.pickupPhoneShown)],
    [
      t("Delivery contact"),
      contactOf(load.deliveryContact, load.deliveryPhone, load.deliveryPhoneShown),
    ],
    [t("Notes"), load.notes && h(Lines, null, load.notes)],
  ]);

/** @param {Fact[]} facts */
export const filled = (facts) => facts.filter(([, value]) => value);

/** @param {string | null} [name] @param {string | null} [phone] @param {string | null} [shown] */
const contactOf = (name, phone, shown) =>
  (name || phone) && [name && isolate(name), " ", phone && h(Phone, { phone, shown })];

/**
 * A number to call, or to write to.
 * @param {{phone: string, shown?: string | null | undefined}} props `phone` as the API has it
 */
export const Phone = ({ phone, shown }) =>
  h(
    "span",
    { class: "phone" },
    h("a", { href: `tel:${phone}` }, isolate(shown ?? phone)),
    h(
      "a",
      {
        href: `sms:${phone.split(";")[0]}`,
        "aria-label": t("Text {phone}", { phone: shown ?? phone }),
      },
      t("Text"),
    ),
  );

/** A text with its line breaks. @param {{children?: Children}} props */
export const Lines = ({ children }) => h("bdi", { class: "lines" }, children);

/**
 * @param {Load} load @param {string} now
 * @param {Assignment} [assignment] which may be delayed
 * @returns {Fact[]}
 */
export function timesOf(load, now, assignment) {
  const { status, pickupAt, pickupTo, deliverFrom, deliverBy } = load;
  const { expectedAt = null, delayReason } = assignment ?? {};
  const isWaiting = status === "OPEN";
  const isDriven = status === "ASSIGNED";
  /** @param {string | null} from @param {string | null} to @param {string | false | null} deadline */
  const timeOf = (from, to, deadline) => {
    const time = from ?? to;
    if (!time) return null;
    const urgency = deadline && [" ", h(Urgency, { deadline, now })];
    return [from && to ? windowTime(from, to) : minuteTime(time), urgency];
  };
  const pickup = pickupTo && !pickupAt ? t("Pickup until") : t("Pickup");
  const delivery = deliverBy ? t("Delivery") : t("Deliver from");
  return [
    [pickup, timeOf(pickupAt, pickupTo, isWaiting && pickupBy(load))],
    [
      deliverFrom ? delivery : t("Deliver by"),
      timeOf(deliverFrom, deliverBy, (isWaiting || (isDriven && !expectedAt)) && deliverBy),
    ],
    ...filled([
      [t("Expected delivery"), isDriven && timeOf(null, expectedAt, expectedAt)],
      [t("Delayed"), delayReason && isolate(delayReason)],
    ]),
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
