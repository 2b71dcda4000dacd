// Which places are shown, with their counters, and from where to where loads go.

import { h } from "preact";
import { useId, useState } from "preact/hooks";
import { address, hasFilters, NO_FILTERS, setFilters } from "../state/address.js";
import { stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { knownPlaces } from "../state/lists.js";
import { useStore } from "../state/store.js";
import { iconButton } from "../ui/button.js";
import { focusContent } from "../ui/dialog.js";
import { onText, optionOf } from "../ui/form.js";
import { icon } from "../ui/icons.js";
import { counted, t } from "../ui/words.js";
import { UNKNOWN_COUNT } from "./panel.js";

const MAX_SUGGESTIONS = 100;

/** Some with a shorter name for phones. @type {Array<[Place, string, string?]>} */
const PLACES = [
  ["", t("All")],
  ["waiting", t("Waiting")],
  ["road", t("On the road"), t("Road")],
  ["drivers", t("Free")],
  ["busy", t("Busy")],
  ["finished", t("Finished")],
];

/** @type {Array<[keyof Lists["chips"], string, Parameters<typeof icon>[0]?]>} */
const CHIPS = [
  ["late", t("Late"), "warning"],
  ["soon", t("Due soon"), "clock"],
  ["unassigned", t("Unassigned")],
];

/** @type {Array<[Sort, string]>} */
const SORTS = [
  ["", t("Deadline")],
  ["pickup", t("Pickup")],
  ["delivery", t("Delivery")],
  ["waiting", t("Waiting time")],
];

/** @param {{lists: Lists, isNarrow: boolean, here: Place | undefined}} props */
export function Filters({ lists, isNarrow, here }) {
  const filters = useStore(address);
  const [isOpen, setOpen] = useState(false);
  const clear = () => {
    setFilters({ ...NO_FILTERS, sort: filters.sort });
    focusContent();
  };
  const isUsed = filters.origin !== "" || filters.destination !== "";
  return h(
    "div",
    { class: "filters" },
    h(Places, { total: lists.total, isNarrow, here }),
    isNarrow &&
      iconButton("filter", t("Filter and sort"), () => setOpen(!isOpen), {
        "aria-expanded": isOpen || isUsed,
      }),
    h(Chips, { chips: lists.chips, isNarrow, here }),
    (!isNarrow || isOpen || isUsed) && [
      h(PlaceFilter, { key: "from", name: "origin", label: t("From") }),
      h(PlaceFilter, { key: "to", name: "destination", label: t("To") }),
      h(SortBy, { key: "sort", sort: filters.sort }),
    ],
    (!isNarrow || isUsed) &&
      iconButton("close", t("Clear filters"), clear, {
        title: t("Clear filters"),
        disabled: !hasFilters(filters),
      }),
  );
}

/** @param {{total: Lists["total"], isNarrow: boolean, here: Place | undefined}} props */
function Places({ total, isNarrow, here }) {
  const { only } = useStore(address);
  const counts = { "": undefined, finished: undefined, ...total };
  return h(
    "div",
    { class: "places", role: "group", "aria-label": t("Show") },
    PLACES.filter(([place]) => !isNarrow || place !== "").map(([place, name, short = name]) => {
      const onClick = () => {
        setFilters({ show: place, ...(only === "withoutPod" && { only: "" }) });
        stopChoosing();
      };
      return toggle(isNarrow ? short : name, counts[place], place === here, onClick);
    }),
  );
}

/**
 * Each shows such loads with one click; on a phone, where they are.
 * @param {{chips: Lists["chips"], isNarrow: boolean, here: Place | undefined}} props
 */
function Chips({ chips, isNarrow, here }) {
  const { only } = useStore(address);
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": t("Show only") },
    CHIPS.map(([name, text, sign]) => {
      const { waiting, road } = chips[name];
      const count = waiting + road;
      const isOnRoad = road > 0 && (here === "road" || waiting === 0);
      const show = isNarrow ? (isOnRoad ? "road" : "waiting") : "";
      const onClick = () => setFilters(only === name ? { only: "" } : { only: name, show });
      const look = fleet.value.isComplete && count ? `chip ${name}` : "chip";
      return toggle(text, count, only === name, onClick, look, sign && icon(sign));
    }),
  );
}

/**
 * @param {string} text @param {number | undefined} count @param {boolean} isPressed
 * @param {() => void} onClick @param {string} [look] @param {Children} [sign]
 */
export const toggle = (text, count, isPressed, onClick, look, sign) =>
  h(
    "button",
    { key: text, type: "button", class: look, "aria-pressed": isPressed, onClick },
    sign,
    h("span", null, text),
    count !== undefined && h("b", null, fleet.value.isComplete ? counted(count) : UNKNOWN_COUNT),
  );

/** @param {{sort: Sort}} props */
function SortBy({ sort }) {
  const onInput = onText((value) => setFilters({ sort: /** @type {Sort} */ (value) }));
  const id = useId();
  return h(
    "div",
    { class: "place-filter" },
    h("label", { for: id }, t("Sort by")),
    h("select", { id, onInput }, SORTS.map(optionOf(sort))),
  );
}

/** @param {{name: "origin" | "destination", label: string}} props */
function PlaceFilter({ name, label }) {
  const id = useId();
  const places = [...knownPlaces(fleet.value, name).values()].sort().slice(0, MAX_SUGGESTIONS);
  return h(
    FilterField,
    { name, label, list: id, placeholder: t("Anywhere"), maxLength: 200 },
    h(
      "datalist",
      { id },
      places.map((place) => h("option", { key: place, value: place })),
    ),
  );
}

/** @param {{name: keyof Filters, label: string, [more: string]: any}} props */
export function FilterField({ name, label, children, ...more }) {
  const filters = useStore(address);
  return h(
    "label",
    { class: "place-filter" },
    h("span", null, label),
    h("input", {
      type: "text",
      value: filters[name],
      onInput: onText((value) => setFilters({ [name]: value })),
      ...more,
    }),
    children,
  );
}
