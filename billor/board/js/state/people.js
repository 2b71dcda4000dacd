// Changes loads, drivers and users as they were shown.

import { get, newKey, Problem, request } from "../api/client.js";
import { t } from "../ui/words.js";
import { pending } from "./actions.js";
import { NO_FILTERS } from "./address.js";
import { fleet } from "./fleet.js";
import { makeLists } from "./lists.js";
import { toast } from "./notices.js";
import { Store } from "./store.js";

/** How many changes were made here: lists are got again after each. */
export const saved = new Store({ count: 0 });

/**
 * @param {Shown<Driver>} shown
 * @param {object} body @param {string} [key]
 * @returns {Promise<Driver>} Raises `Problem`.
 */
export async function saveDriver(shown, body, key) {
  const data = await save("/drivers", shown, body, key);
  fleet.value.putDriver(data);
  fleet.tell();
  return data;
}

/**
 * @param {User | undefined} user undefined: a new one
 * @param {object} body @param {string} [key]
 * @returns {Promise<User>} Raises `Problem`.
 */
export const saveUser = (user, body, key) => save("/users", { current: user }, body, key);

/**
 * What is to be changed, as it was shown; undefined: a new one.
 * @template Row
 * @typedef {{current: Row | undefined}} Shown
 */

/**
 * Another change since then is told, and then taken as seen.
 * @param {string} path @param {Shown<{id: number}>} shown @param {object} body @param {string} [key]
 * @returns {Promise<any>} Raises `Problem`.
 */
export async function save(path, shown, body, key = newKey()) {
  const known = shown.current;
  const one = `${path}/${known?.id}`;
  try {
    const answer = known
      ? await request("PATCH", one, { key, body, shown: known })
      : await request("POST", path, { key, body });
    saved.set({ count: saved.value.count + 1 });
    return answer.data;
  } catch (error) {
    if (error instanceof Problem && error.code === "precondition_failed")
      shown.current = await get(one);
    throw error;
  }
}

/** @returns {Driver[]} by name */
export const freeDrivers = () =>
  makeLists(fleet.value, pending.value.byLoad, NO_FILTERS, new Date().toISOString()).drivers;

/**
 * @param {Driver[]} drivers
 * @returns {Array<[string, string]>} the options of a field, the first one for none
 */
export const driverOptions = (drivers) => [
  ["", t("Nobody yet")],
  ...drivers.map(
    ({ id, name, licenseNumber }) =>
      /** @type {[string, string]} */ ([String(id), `${name}, ${licenseNumber}`]),
  ),
];

/** Do it, and say what became of it. @param {() => Promise<unknown>} action @param {string} [text] */
export async function tell(action, text) {
  try {
    await action();
    if (text) toast(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message, { isGood: false });
  }
}
