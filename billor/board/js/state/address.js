// What is shown, as the address says: `/board?q=steel#/loads/12`. It can be bookmarked and sent.

import { Store } from "./store.js";

/** @type {Filters} */
export const NO_FILTERS = {
  q: "",
  show: "",
  origin: "",
  destination: "",
  since: "",
  until: "",
  only: "",
  sort: "",
};
/** What may be chosen. @type {Record<string, string[]>} */
const CHOICES = {
  show: ["waiting", "road", "drivers", "busy", "finished"],
  only: ["late", "soon", "unassigned", "withoutPod"],
  sort: ["pickup", "delivery", "waiting"],
};

const DAYS = ["since", "until"];
/** Of those that the API takes. */
export const FIRST_DAY = "2000-01-01";
export const LAST_DAY = "2100-12-31";

/** @type {Store<Filters & {route: Route}>} */
export const address = new Store({ ...readFilters(), route: readRoute() });

function readFilters() {
  const found = [...new URLSearchParams(location.search)].filter(
    ([name, value]) =>
      name in NO_FILTERS &&
      (CHOICES[name]?.includes(value) ?? (!DAYS.includes(name) || isDay(value))),
  );
  return { ...NO_FILTERS, ...Object.fromEntries(found) };
}

/** @param {string} text */
const isDay = (text) => Date.parse(text) && new Date(text).toISOString().startsWith(text);

/** @returns {Route} */
function readRoute() {
  const one = /^#\/(load|driver)s\/([1-9][0-9]{0,17})$/.exec(location.hash);
  if (one) return { name: /** @type {Route["name"]} */ (one[1]), id: Number(one[2]) };
  const page = /^#\/(drivers|people|stats)$/.exec(location.hash)?.[1];
  return { name: /** @type {Route["name"]} */ (page ?? "board"), id: 0 };
}

/** The filters that were changed last. */
let changed = "";

/** Whether the browser's Back ends, at first, the choice of a driver. */
export const isChoosing = () => Boolean(history.state?.choosing);

/**
 * Change filters, and the address with them. The browser's Back takes it back; all letters of a word
 * at once.
 * @param {Partial<Filters>} changes
 */
export function setFilters(changes) {
  address.set(changes);
  const names = Object.keys(changes).join();
  const isChoice = Object.keys(changes).some((name) => name in CHOICES);
  const isNextLetter = names === changed && !isChoice;
  changed = names;
  const query = new URLSearchParams();
  for (const name of /** @type {Array<keyof Filters>} */ (Object.keys(NO_FILTERS))) {
    if (address.value[name]) query.set(name, address.value[name]);
  }
  const search = query.size ? `?${query}` : "";
  const how = isNextLetter || isChoosing() ? "replaceState" : "pushState";
  history[how](null, "", location.pathname + search + location.hash);
}

/** @param {Filters} filters */
export const hasFilters = (filters) =>
  Object.entries({ ...filters, sort: "" }).some(
    ([name, value]) => name in NO_FILTERS && value !== "",
  );

addEventListener("popstate", () => {
  changed = "";
  address.set({ ...readFilters(), route: readRoute() });
});
addEventListener("hashchange", () => address.set({ route: readRoute() }));
