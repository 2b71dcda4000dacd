// The keys of the board. They are letters, so they do nothing while somebody types.

import { h } from "preact";
import { stopChoosing } from "../state/choosing.js";
import { clearSelection } from "../state/selection.js";
import { useListener } from "../ui/clock.js";
import { Dialog } from "../ui/dialog.js";
import { Table } from "../ui/table.js";
import { t } from "../ui/words.js";
import { openDialog } from "./dialogs.js";
import { LoadDialog } from "./load_dialog.js";

/** What they do; some of it by themselves. @type {Array<[string, string, (() => void)?]>} */
const KEYS = [
  ["/", t("Search"), () => focus('.search input[type="search"]')],
  ["c", t("New load"), () => openDialog(LoadDialog, {})],
  ["j", t("Next row"), () => move("ArrowDown")],
  ["k", t("Row before"), () => move("ArrowUp")],
  ["Enter", t("Choose a driver for the load, or open the row")],
  ["Escape", t("Leave the choice, or close the dialog"), leaveAll],
  ["x", t("Select a load, as a click with Ctrl does"), () => click({ ctrlKey: true })],
  [
    "X",
    t("Select all loads up to this one, as a click with Shift does"),
    () => click({ shiftKey: true }),
  ],
  ["?", t("Show the keys"), () => openDialog(KeysDialog, {})],
];

/** @type {Record<string, (key: typeof KEYS[number]) => Children>} */
const COLUMNS = {
  [t("Key")]: ([key]) => h("kbd", null, key),
  [t("What it does")]: ([, text]) => text,
};

/** @param {{onClose: () => void}} props */
export const KeysDialog = ({ onClose }) =>
  h(
    Dialog,
    { title: t("Keys"), onClose },
    h(Table, { label: t("Keys"), columns: COLUMNS, rows: KEYS, keyOf: ([key]) => key }),
  );

export const useKeys = () => useListener(["keydown"], onKeyDown);

/** @param {KeyboardEvent} event */
function onKeyDown(event) {
  const { key, target, ctrlKey, metaKey, altKey, isComposing, defaultPrevented } = event;
  const isEscape = key === "Escape";
  const isTyping =
    !isEscape && target instanceof Element && target.closest("input, select, textarea");
  const isElsewhere = document.querySelector("dialog[open], [popover]:popover-open");
  if (isTyping || isElsewhere || ctrlKey || metaKey || altKey || isComposing || defaultPrevented) {
    return;
  }
  const run = KEYS.find(([name]) => name === key)?.[2];
  if (!run) return;
  if (!isEscape) event.preventDefault(); // it also empties a field for a search
  run();
}

function leaveAll() {
  stopChoosing();
  clearSelection();
}

/** @param {string} selector */
function focus(selector) {
  const found = document.querySelector(selector);
  if (found instanceof HTMLElement) found.focus();
}

/** @param {MouseEventInit} modifiers */
const click = (modifiers) =>
  document.activeElement
    ?.closest(":is(.waiting, .road) [data-main]")
    ?.dispatchEvent(new MouseEvent("click", { ...modifiers, bubbles: true, cancelable: true }));

/** Lists know the arrows. @param {string} key */
function move(key) {
  const list = document.activeElement?.closest(".rows");
  if (list)
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  else focus(".board-holder:not([hidden]) .rows [data-main]");
}
