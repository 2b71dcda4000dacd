// Finds rows by the words of a search, as the API's `q` does.

/** @import {Driver, Load} from "../types.js" */

/**
 * Fold a text: upper and lower case are the same, and so are letters with and without accents.
 *
 * @param {string} text
 * @returns {string}
 */
export const fold = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/\s+/gu, " ").trim();

/** @param {string} text */
export const words = (text) => fold(text).split(" ").filter(Boolean);

/** @type {WeakMap<object, string>} */
const texts = new WeakMap();

/**
 * Return a row's searchable text; it is folded once for each state of the row.
 *
 * @param {object} row
 * @param {Array<string | null>} fields
 */
function textOf(row, fields) {
  let text = texts.get(row);
  if (text === undefined) {
    text = fields.map((field) => fold(field ?? "")).join("\n");
    texts.set(row, text);
  }
  return text;
}

/** @param {Load} load */
export const loadText = (load) =>
  textOf(load, [load.reference, load.origin, load.destination, load.cargoType, `#${load.id}`]);

/** @param {Driver} driver */
export const driverText = (driver) => textOf(driver, [driver.name, driver.licenseNumber]);

/**
 * @param {string} text
 * @param {string[]} wanted
 * @returns {boolean} whether each word is a part of the text
 */
export const hasAll = (text, wanted) => wanted.every((word) => text.includes(word));
