// A button with a text.

import { h } from "preact";

/**
 * @param {string} text
 * @param {() => unknown} onClick
 * @param {string} [look] such as `primary`
 * @param {{disabled?: boolean, key?: string}} [more]
 */
export const button = (text, onClick, look = "", more = {}) =>
  h(
    "button",
    { type: "button", class: `button ${look}`, onClick: () => void onClick(), ...more },
    text,
  );
