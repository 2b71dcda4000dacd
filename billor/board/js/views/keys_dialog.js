// Shows what each key does.

import { h } from "preact";
import { Dialog } from "../ui/dialog.js";
import { Table } from "../ui/table.js";
import { t } from "../ui/words.js";

const KEYS = [
  ["/", t("Search")],
  ["c", t("New load")],
  ["j", t("Next row")],
  ["k", t("Row before")],
  ["Enter", t("Choose a driver for the load, or open the row")],
  ["Escape", t("Leave the choice, or close the dialog")],
  ["x", t("Select a waiting load, as a click with Ctrl does")],
  ["X", t("Select all loads up to this one, as a click with Shift does")],
  ["?", t("Show the keys")],
];

const COLUMNS = {
  [t("Key")]: (/** @type {string[]} */ [key]) => h("kbd", null, key),
  [t("What it does")]: (/** @type {string[]} */ [, text]) => text,
};

/** @param {{onClose: () => void}} props */
export const KeysDialog = ({ onClose }) =>
  h(
    Dialog,
    { title: t("Keys"), onClose },
    h(Table, { label: t("Keys"), columns: COLUMNS, rows: KEYS, keyOf: ([key]) => key }),
  );
