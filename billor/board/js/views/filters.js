// Which places are shown, with their counters, and from where to where loads go.

import { h } from "preact";
import { useId, useState } from "preact/hooks";
import { address, hasFilters, NO_FILTERS, setFilters } from "../state/address.js";
import { stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { knownPlaces } from "../state/places.js";
import { useStore } from "../state/store.js";
import { button, iconButton } from "../ui/button.js";
import { UNKNOWN_COUNT } from "./panel.js";

/** @import {Place} from "../state/address.js" */
/** @import {Lists} from "../state/lists.js" */

const MAX_SUGGESTIONS = 100;

/** With a shorter name for phones. @type {Array<[Place, string, string]>} */
const PLACES = [
  ["", "All", "All"],
  ["waiting", "Waiting", "Waiting"],
  ["road", "On the road", "Road"],
  ["drivers", "Free drivers", "Drivers"],
  ["finished", "Finished", "Finished"],
];

/** @param {{total: Lists["total"], isNarrow: boolean, here: Place | undefined}} props */
export function Filters({ total, isNarrow, here }) {
  const filters = useStore(address);
  const [isOpen, setOpen] = useState(false);
  const isUsed = filters.origin !== "" || filters.destination !== "";
  return h(
    "div",
    { class: "filters" },
    h(Places, { total, isNarrow, here }),
    isNarrow &&
      iconButton("filter", "Filter by place", () => setOpen(!isOpen), {
        "aria-expanded": isOpen || isUsed,
      }),
    (!isNarrow || isOpen || isUsed) && [
      h(PlaceFilter, { key: "from", name: "origin", label: "From", value: filters.origin }),
      h(PlaceFilter, { key: "to", name: "destination", label: "To", value: filters.destination }),
    ],
    (isNarrow ? isUsed : hasFilters(filters)) &&
      button("Clear filters", () => setFilters(NO_FILTERS), "quiet"),
  );
}

/** @param {{total: Lists["total"], isNarrow: boolean, here: Place | undefined}} props */
function Places({ total, isNarrow, here }) {
  const counts = { "": undefined, finished: undefined, ...total };
  return h(
    "div",
    { class: "places", role: "group", "aria-label": "Show" },
    PLACES.filter(([place]) => !isNarrow || place !== "").map(([place, name, short]) =>
      h(
        "button",
        {
          key: place,
          type: "button",
          "aria-pressed": place === here,
          onClick: () => {
            setFilters({ show: place });
            stopChoosing();
          },
        },
        h("span", null, isNarrow ? short : name),
        counts[place] !== undefined &&
          h("b", null, fleet.value.isComplete ? counts[place].toLocaleString() : UNKNOWN_COUNT),
      ),
    ),
  );
}

/** @param {{name: "origin" | "destination", label: string, value: string}} props */
function PlaceFilter({ name, label, value }) {
  const id = useId();
  const places = [...knownPlaces(fleet.value, name).values()].sort().slice(0, MAX_SUGGESTIONS);
  return h(
    "label",
    { class: "place-filter" },
    h("span", null, label),
    h("input", {
      type: "text",
      list: id,
      value,
      placeholder: "Anywhere",
      maxLength: 200,
      onInput: (/** @type {Event} */ event) =>
        setFilters({ [name]: /** @type {HTMLInputElement} */ (event.currentTarget).value }),
    }),
    h(
      "datalist",
      { id },
      places.map((place) => h("option", { key: place, value: place })),
    ),
  );
}
