// The board's languages. What is said is written in English here; dictionaries have the rest.

import { sharedName } from "../api/address.js";

/** By their tags, as those who speak them call them. */
export const LANGUAGES = { en: "English", es: "Español", "pt-BR": "Português" };
/** @typedef {keyof typeof LANGUAGES} Language */

/** @param {number | undefined} userId */
const keyOf = (userId) => `${sharedName("language")}.${userId}`;

/** @param {string} locale such as es-MX */
const languageFor = (locale) =>
  /** @type {Language[]} */ (Object.keys(LANGUAGES)).find(
    (language) => language.split("-")[0] === locale.split("-")[0],
  );

/**
 * @param {number | undefined} userId
 * @returns {Language} the one that the user has chosen in this browser, or else the browser's
 */
export function languageOf(userId) {
  const chosen = localStorage.getItem(keyOf(userId));
  return [chosen ?? "", ...navigator.languages].map(languageFor).find(Boolean) ?? "en";
}

/** @param {number} userId @param {Language} language */
export function chooseLanguage(userId, language) {
  localStorage.setItem(keyOf(userId), language);
  location.reload();
}

export const LANGUAGE = languageOf(
  JSON.parse(localStorage.getItem(sharedName("tokens")) ?? "{}").userId,
);
/** Of dates and numbers. */
export const LOCALE =
  navigator.languages.find((locale) => languageFor(locale) === LANGUAGE) ?? LANGUAGE;

/** By what is said in English, which is better than nothing. @type {Record<string, string>} */
const WORDS =
  LANGUAGE === "en"
    ? {}
    : await fetch(new URL(`${LANGUAGE}.json`, import.meta.url))
        .then((answer) => answer.json())
        .catch(() => ({}));

/**
 * Say something in the user's language. A sentence is said as a whole, since languages differ in the
 * order of its parts: `t("Load {id} waits.", { id })`.
 * @template {Children} [Part=string]
 * @param {string} sentence
 * @param {Record<string, Part>} [parts] by their names in the sentence; without them they can be
 *   said later
 * @returns {Part extends string | number ? string : Children}
 */
export function t(sentence, parts) {
  const words = WORDS[sentence] ?? sentence;
  if (!parts) return /** @type {any} */ (words);
  const pieces = words.split(/\{(\w+)\}/).map((piece, index) => (index % 2 ? parts[piece] : piece));
  const said = pieces.some((piece) => typeof piece === "object") ? pieces : pieces.join("");
  return /** @type {any} */ (said);
}

/** @param {number} share from 0 to 1 */
export const percent = (share) =>
  share.toLocaleString(LOCALE, { style: "percent", maximumFractionDigits: 0 });

/** @param {number} count */
export const counted = (count) => count.toLocaleString(LOCALE);
