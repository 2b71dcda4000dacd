// Buttons with a text, or with an icon and a label.

import { h } from "preact";
import { icon } from "./icons.js";

/**
 * @param {Children} text @param {() => unknown} onClick
 * @param {string} [look] such as `primary`
 * @param {object} [more] properties
 */
export const button = (text, onClick, look = "", more = {}) =>
  h(
    "button",
    { type: "button", class: `button ${look}`, onClick: () => void onClick(), ...more },
    text,
  );

/** @param {string} text @param {object} more properties */
export const submit = (text, more) =>
  h("button", { type: "submit", class: "button primary", ...more }, text);

/**
 * @param {Parameters<typeof icon>[0]} name @param {string} label @param {() => unknown} onClick
 * @param {object} [more] properties
 */
export const iconButton = (name, label, onClick, more = {}) =>
  h(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": label,
      onClick: () => void onClick(),
      ...more,
    },
    icon(name),
  );
