// Finds rows by the beginnings of words, as the API's `q` does: see its `fold_text`,
// `search_vector` and `search_query` in the database. A test compares both.

/** @type {Record<string, string>} */
const PLAIN = {
  ...{ ß: "ss", æ: "ae", œ: "oe", ł: "l", ø: "o", đ: "d", ð: "d", ħ: "h", ı: "i" },
  ...{ ŧ: "t", ƶ: "z", ς: "σ" },
};
const MARKS = /[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f]/g;
const APOSTROPHES = /[`\u02b9\u02bb-\u02bf\u2018\u2019\u201b\u2032]/g;
const HYPHENS = /[\u2010-\u2015\u2212]/g;
const SIGNS =
  /[\s!"$%&()*+,./:;<=>?@[\\\]^_{|}~\u00ab\u00b7\u00bb\u201c-\u201e\u2022\u3001\u3002-]+/;
const NUMBER = /^#\d+$/;
const MAX_LETTERS = 60;

/**
 * Fold a text: upper and lower case are the same, letters with and without accents, and kinds of
 * apostrophes and hyphens.
 * @param {string} text @returns {string}
 */
export const fold = (text) =>
  text
    .replaceAll("\u00b4", "'")
    .normalize("NFKD")
    .replace(MARKS, "")
    .toLowerCase()
    .replace(/[ßæœłøđðħıŧƶς]/g, (letter) => PLAIN[letter])
    .replace(APOSTROPHES, "'")
    .replace(HYPHENS, "-")
    .replace(/\s+/g, " ")
    .trim();

/**
 * Return the words of a search. One that begins with `#` is a number.
 * @param {string} text @returns {string[]}
 */
export const words = (text) =>
  fold(text)
    .replaceAll("'", "")
    .replace(/# */g, " #")
    .split(SIGNS)
    .map((word) => (NUMBER.test(word) ? word : word.replace(/^#+/, "")).slice(0, MAX_LETTERS))
    .filter(Boolean);

/** @type {WeakMap<object, string>} */
const texts = new WeakMap();

/**
 * Return a row's words, with spaces around each; they are made once for each state of the row.
 * @param {object} row @param {Array<string | null>} fields @param {string} [number]
 */
function textOf(row, fields, number = "") {
  let text = texts.get(row);
  if (text === undefined) {
    const plain = fields.map((field) => (field ?? "").replaceAll("#", " ")).join(" ");
    text = ` ${words(plain).join(" ")} ${number} `;
    texts.set(row, text);
  }
  return text;
}

/** @param {Load} load */
export const loadText = (load) =>
  textOf(load, [load.reference, load.origin, load.destination, load.cargoType], `#${load.id}`);

/** @param {Driver} driver */
export const driverText = (driver) => textOf(driver, [driver.name, driver.licenseNumber]);

/**
 * @param {string} text @param {string[]} wanted
 * @returns {boolean} whether each word begins one of the text, or is the row's number
 */
export const hasAll = (text, wanted) =>
  wanted.every((word) =>
    NUMBER.test(word)
      ? text.includes(` ${word} `) || (wanted.length > 1 && text.includes(` ${word.slice(1)} `))
      : text.includes(` ${word}`) || text.includes(` #${word} `),
  );
