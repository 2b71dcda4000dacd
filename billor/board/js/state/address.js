// What is shown, as the address says: `/board?q=steel#/loads/12`. It can be bookmarked and sent.

import { Store } from "./store.js";

/** @typedef {"" | "waiting" | "road" | "drivers" | "finished"} Place */
/**
 * @typedef {object} Filters
 * @property {string} q
 * @property {Place} show
 * @property {string} origin
 * @property {string} destination
 * @property {string} since the first day of finished loads, such as 2031-05-04
 * @property {string} until the last day
 */
/** @typedef {"board" | "load" | "drivers" | "driver" | "people" | "stats"} RouteName */
/** `id` is that of the load or driver, else 0. @typedef {{name: RouteName, id: number}} Route */

/** @type {Filters} */
export const NO_FILTERS = { q: "", show: "", origin: "", destination: "", since: "", until: "" };
const PLACES = ["", "waiting", "road", "drivers", "finished"];

/** @type {Store<Filters & {route: Route}>} */
export const address = new Store({ ...readFilters(), route: readRoute() });

function readFilters() {
  const query = new URLSearchParams(location.search);
  const found = { ...NO_FILTERS };
  for (const name of /** @type {const} */ (["q", "origin", "destination"])) {
    found[name] = query.get(name) ?? "";
  }
  for (const name of /** @type {const} */ (["since", "until"])) {
    const day = query.get(name) ?? "";
    if (Date.parse(day)) found[name] = day;
  }
  const show = query.get("show") ?? "";
  if (PLACES.includes(show)) found.show = /** @type {Place} */ (show);
  return found;
}

/** @returns {Route} */
function readRoute() {
  const one = /^#\/(load|driver)s\/([1-9][0-9]{0,17})$/.exec(location.hash);
  if (one) return { name: /** @type {RouteName} */ (one[1]), id: Number(one[2]) };
  const page = /^#\/(drivers|people|stats)$/.exec(location.hash)?.[1];
  return { name: /** @type {RouteName} */ (page ?? "board"), id: 0 };
}

/** The filters that were changed last. */
let changed = "";

/** Whether the browser's Back ends, at first, the choice of a driver. */
export const isChoosing = () => Boolean(history.state?.choosing);

/**
 * Change filters, and the address with them. The browser's Back takes it back; all letters of a word
 * at once.
 *
 * @param {Partial<Filters>} changes
 */
export function setFilters(changes) {
  address.set(changes);
  const names = Object.keys(changes).join();
  const isNextLetter = names === changed && names !== "show";
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
export const hasFilters = ({ q, origin, destination, show, since, until }) =>
  Boolean(q || origin || destination || show || since || until);

addEventListener("popstate", () => {
  changed = "";
  address.set({ ...readFilters(), route: readRoute() });
});
addEventListener("hashchange", () => address.set({ route: readRoute() }));
