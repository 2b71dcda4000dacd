// A table that scrolls by itself where it is too wide, also by keyboard.

import { h } from "preact";

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string[]} props.columns their names
 * @param {import("preact").ComponentChildren} [props.children] the rows
 */
export function Table({ label, columns, children }) {
  return h(
    "div",
    { class: "table-holder", tabIndex: 0, role: "group", "aria-label": label },
    h(
      "table",
      null,
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map((name) => h("th", { key: name, scope: "col" }, name)),
        ),
      ),
      h("tbody", null, children),
    ),
  );
}
