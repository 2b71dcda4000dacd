// Changes drivers and users.

import { newKey, Problem, request } from "../api/client.js";
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
 * @param {Driver | undefined} driver undefined: a new one
 * @param {object} body @param {string} [key]
 * @returns {Promise<Driver>} Raises `Problem`.
 */
export async function saveDriver(driver, body, key) {
  const data = await save("/drivers", driver, body, key);
  fleet.value.putDriver(data);
  fleet.tell();
  return data;
}

/**
 * @param {User | undefined} user undefined: a new one
 * @param {object} body @param {string} [key]
 * @returns {Promise<User>} Raises `Problem`.
 */
export const saveUser = (user, body, key) => save("/users", user, body, key);

/**
 * @param {string} path @param {{id: number} | undefined} known @param {object} body
 * @param {string} key
 */
async function save(path, known, body, key = newKey()) {
  const answer = known
    ? await request("PATCH", `${path}/${known.id}`, { key, body, shown: known })
    : await request("POST", path, { key, body });
  saved.set({ count: saved.value.count + 1 });
  return answer.data;
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
