// Shows what each key does.

import { h } from "preact";
import { Dialog } from "../ui/dialog.js";
import { Table } from "../ui/table.js";

const KEYS = [
  ["/", "Search"],
  ["c", "New load"],
  ["j", "Next row"],
  ["k", "Row before"],
  ["Enter", "Choose a driver for the load, or open the row"],
  ["Escape", "Leave the choice, or close the dialog"],
  ["x", "Select a waiting load, as a click with Ctrl does"],
  ["X", "Select all loads up to this one, as a click with Shift does"],
  ["?", "Show the keys"],
];

const COLUMNS = {
  Key: (/** @type {string[]} */ [key]) => h("kbd", null, key),
  "What it does": (/** @type {string[]} */ [, text]) => text,
};

/** @param {{onClose: () => void}} props */
export const KeysDialog = ({ onClose }) =>
  h(
    Dialog,
    { title: "Keys", onClose },
    h(
      "div",
      { class: "dialog-body" },
      h(Table, { label: "Keys", columns: COLUMNS, rows: KEYS, keyOf: ([key]) => key }),
    ),
  );
