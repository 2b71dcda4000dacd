// Saves what is shown as a file: the rows of the lists, whatever filters and search made them.

import { LONG_MILLISECONDS, pages, request } from "../api/client.js";
import { fromLocalField } from "../ui/times.js";
import { pending } from "./actions.js";
import { address, FIRST_DAY, LAST_DAY } from "./address.js";
import { fleet } from "./fleet.js";
import { goingThere, knownPlaces, makeLists } from "./lists.js";
import { fold } from "./search.js";
import { NARROW, shownPlaces } from "./shown.js";

const DAY_MILLISECONDS = 86_400_000;
const BYTE_ORDER_MARK = "\ufeff"; // by which Excel knows UTF-8
/** A record of CSV. A load's begins with its id. */
const RECORD = /(?:"(?:[^"]|"")*"|[^"\r\n])+(?:\r\n|$)/g;
/** What a spreadsheet would read as a formula. */
const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/**
 * The filters as those of `GET /loads`, for finished loads. A place that loads have is compared as a
 * whole there; a part of one is searched like other words.
 * @param {Filters} filters
 */
export function finishedQuery(filters) {
  const { q, origin, destination, since, until, only } = filters;
  const query = new URLSearchParams("status=COMPLETED&status=CANCELLED");
  const places = { origin, destination };
  const words = [q];
  for (const name of /** @type {Array<keyof typeof places>} */ (["origin", "destination"])) {
    if (knownPlaces(fleet.value, name).has(fold(places[name]))) query.set(name, places[name]);
    else words.push(places[name]);
  }
  const text = words.join(" ").trim();
  if (text) query.set("q", text);
  if (only === "withoutPod") query.set("withoutPod", "true");
  setDays(query, ["updatedFrom", "updatedTo"], since, until);
  return query;
}

/**
 * @param {URLSearchParams} query @param {[string, string]} names
 * @param {string} since @param {string} until
 */
function setDays(query, [begin, end], since, until) {
  const from = since && beginOf(since);
  const to = until && beginOf(new Date(Date.parse(until) + DAY_MILLISECONDS).toISOString());
  if (from) query.set(begin, from);
  if (to) query.set(end, to);
}

/** @param {string} [since] the first day on which they ended @param {string} [until] the last one */
export async function exportAssignments(since = "", until = "") {
  const query = new URLSearchParams("status=COMPLETED&status=CANCELLED&spreadsheet=true");
  setDays(query, ["closedFrom", "closedTo"], since, until);
  const path = `/assignments.csv?${query}`;
  const { data } = await request("GET", path, { timeout: LONG_MILLISECONDS });
  save(data, "assignments.csv");
}

/**
 * @param {string} day one that is being typed may be of the year 20
 * @returns {string | null} when it begins, if not before or after all that the API takes
 */
function beginOf(day) {
  const date = [FIRST_DAY, day.slice(0, 10), LAST_DAY].sort()[1];
  return fromLocalField(`${date}T00:00`) ?? fromLocalField(`${date}T01:00`); // clocks may skip it
}

export async function exportView() {
  const filters = address.value;
  const isNarrow = matchMedia(NARROW).matches;
  const places = shownPlaces(filters, isNarrow, false);
  const now = new Date().toISOString();
  const lists = makeLists(fleet.value, pending.value.byLoad, filters, now);
  const busy = lists.busy.map(({ driver }) => driver);
  const drivers = { drivers: lists.drivers, busy }[places.join()];
  if (drivers) return save(driversFile(drivers), "drivers.csv");
  const open = [
    ...(places.includes("waiting") ? lists.waiting : []),
    ...(places.includes("road") ? lists.road : []),
  ];
  const ids = new Set(open.map(({ load }) => load.id));
  const records = await recordsOf("status=OPEN&status=ASSIGNED");
  if (places.includes("finished")) {
    const query = finishedQuery(filters);
    for await (const page of pages(`/loads?${query}&limit=200`)) {
      for (const { id } of page.filter(goingThere(filters))) ids.add(id);
    }
    records.push(...(await recordsOf(`${query}`)));
  }
  const shown = records.filter((record, index) => !index || ids.has(Number.parseInt(record, 10)));
  save(shown.join(""), "loads.csv");
}

/** @param {string} query @returns {Promise<string[]>} the header, and the loads */
async function recordsOf(query) {
  const path = `/loads.csv?${query}&spreadsheet=true`;
  const { data } = await request("GET", path, { timeout: LONG_MILLISECONDS });
  return data.match(RECORD) ?? [];
}

/** @param {Driver[]} drivers */
const driversFile = (drivers) =>
  [
    ["id", "name", "licenseNumber"],
    ...drivers.map((each) => [each.id, each.name, each.licenseNumber]),
  ]
    .map((row) => `${row.map(cell).join()}\r\n`)
    .join("");

/** @param {string | number} value */
const cell = (value) => `"${String(value).replace(FORMULA, "'$&").replaceAll('"', '""')}"`;

/** @param {string} text @param {string} name */
export const save = (text, name) =>
  saveFile(new Blob([BYTE_ORDER_MARK, text], { type: "text/csv" }), name);

/** @param {Blob} file @param {string} name */
export function saveFile(file, name) {
  const href = URL.createObjectURL(file);
  const link = Object.assign(document.createElement("a"), { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
