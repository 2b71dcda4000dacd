// Which places are shown, with their counters, and from where to where loads go.

import { h } from "preact";
import { useId } from "preact/hooks";
import { address, hasFilters, NO_FILTERS, setFilters } from "../state/address.js";
import { stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { knownPlaces } from "../state/places.js";
import { useStore } from "../state/store.js";

/** @import {Place} from "../state/address.js" */
/** @import {Lists} from "../state/lists.js" */

const MAX_SUGGESTIONS = 100;

/** @type {Array<[Place, string]>} */
const PLACES = [
  ["", "All"],
  ["waiting", "Waiting"],
  ["road", "On the road"],
  ["drivers", "Free drivers"],
  ["finished", "Finished"],
];

/** @param {{total: Lists["total"], isNarrow: boolean, here: Place | undefined}} props */
export function Filters({ total, isNarrow, here }) {
  const filters = useStore(address);
  const counts = { "": undefined, finished: undefined, ...total };
  return h(
    "div",
    { class: "filters" },
    h(
      "div",
      { class: "places", role: "group", "aria-label": "Show" },
      PLACES.filter(([place]) => !isNarrow || place !== "").map(([place, name]) =>
        h(
          "button",
          {
            key: place,
            type: "button",
            "aria-pressed": place === here,
            onClick: () => {
              stopChoosing();
              setFilters({ show: place });
            },
          },
          h("span", null, name),
          counts[place] !== undefined && h("b", null, counts[place]),
        ),
      ),
    ),
    h(PlaceFilter, { name: "origin", label: "From", value: filters.origin }),
    h(PlaceFilter, { name: "destination", label: "To", value: filters.destination }),
    hasFilters(filters) &&
      h(
        "button",
        { type: "button", class: "button quiet", onClick: () => setFilters(NO_FILTERS) },
        "Clear filters",
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
