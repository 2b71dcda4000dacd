// Saves the loads that are shown as a file.

import { LONG_MILLISECONDS, Problem, problemOf, send, unreachable } from "../api/client.js";
import { fromLocalField } from "../ui/times.js";
import { address } from "./address.js";
import { fleet } from "./fleet.js";
import { toast } from "./notices.js";
import { knownPlaces } from "./places.js";
import { fold } from "./search.js";

/** @import {Filters, Place} from "./address.js" */

const DAY_MILLISECONDS = 86_400_000;
/** @type {Record<Place, string[]>} */
const STATUSES = {
  "": ["OPEN", "ASSIGNED"],
  waiting: ["OPEN"],
  road: ["ASSIGNED"],
  drivers: ["OPEN", "ASSIGNED"],
  finished: ["COMPLETED", "CANCELLED"],
};

/**
 * The filters of the board as those of `GET /loads` and `/loads.csv`. A place that loads have is
 * compared as a whole there; a part of one is searched like other words.
 *
 * @param {Filters} filters
 * @param {Place} [place]
 */
export function loadQuery(filters, place = filters.show) {
  const { q, origin, destination } = filters;
  const query = new URLSearchParams(STATUSES[place].map((status) => ["status", status]));
  const places = { origin, destination };
  const words = [q];
  for (const name of /** @type {Array<keyof typeof places>} */ (["origin", "destination"])) {
    if (knownPlaces(fleet.value, name).has(fold(places[name]))) query.set(name, places[name]);
    else words.push(places[name]);
  }
  const text = words.join(" ").trim();
  if (text) query.set("q", text);
  if (place === "finished") addDays(query, filters);
  return query;
}

/**
 * @param {URLSearchParams} query
 * @param {Filters} filters
 */
function addDays(query, { since, until }) {
  const from = beginOf(since);
  const to = until && beginOf(new Date(Date.parse(until) + DAY_MILLISECONDS).toISOString());
  if (from) query.set("updatedFrom", from);
  if (to) query.set("updatedTo", to);
}

/**
 * @param {string} day
 * @returns {string | null} when it begins; null while its year is being typed
 */
function beginOf(day) {
  const date = day.slice(0, 10);
  if (date < "2000" || date > "2100") return null;
  return fromLocalField(`${date}T00:00`) ?? fromLocalField(`${date}T01:00`); // clocks may skip it
}

export async function exportView() {
  try {
    const query = loadQuery(address.value);
    query.set("bom", "true");
    query.set("spreadsheet", "true");
    const response = await send("GET", `/loads.csv?${query}`, { timeout: LONG_MILLISECONDS });
    if (!response.ok) throw await problemOf(response);
    save(await response.blob(), "loads.csv");
  } catch (error) {
    const problem = error instanceof Problem ? error : unreachable();
    toast(problem.message, { isGood: false });
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const href = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
