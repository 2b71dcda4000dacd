// A table that scrolls by itself where it is too wide, also by keyboard.

import { h } from "preact";

/**
 * @param {object} props @param {string} props.label
 * @param {Record<string, (row: any) => Children>} props.columns what is in
 *   the cells, by the column's name; the first one names the row
 * @param {any[]} props.rows @param {(row: any) => string | number} [props.keyOf]
 */
export function Table({ label, columns, rows, keyOf = ({ id, _id }) => id ?? _id }) {
  const names = Object.keys(columns);
  return h(
    "div",
    { class: "table-holder", tabIndex: 0, role: "group", "aria-label": label },
    h(
      "table",
      null,
      h("thead", null, h("tr", null, names.map(head))),
      h(
        "tbody",
        null,
        rows.map((row) =>
          h(
            "tr",
            { key: keyOf(row) },
            names.map((name, index) =>
              h(
                index ? "td" : "th",
                { key: name, scope: index ? undefined : "row" },
                columns[name]?.(row),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {string} name */
const head = (name) => h("th", { key: name, scope: "col" }, name);
