// The keys of the board. They are letters, so they do nothing while somebody types.

import { useEffect } from "preact/hooks";
import { openDialog } from "./dialogs.js";

/** As the dialog names them. @type {Record<string, () => void>} */
const ACTIONS = {
  "/": () => focus('.search input[type="search"]'),
  c: () => openDialog({ name: "load" }),
  j: () => move("ArrowDown"),
  k: () => move("ArrowUp"),
  x: () => click({ ctrlKey: true }),
  X: () => click({ shiftKey: true }),
  "?": () => openDialog({ name: "keys" }),
};

export function useKeys() {
  useEffect(() => {
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

/** @param {KeyboardEvent} event */
function onKeyDown(event) {
  const { key, target, ctrlKey, metaKey, altKey, isComposing, defaultPrevented } = event;
  const isTyping = target instanceof Element && target.closest("input, select, textarea");
  const isElsewhere = document.querySelector("dialog[open], [popover]:popover-open");
  if (isTyping || isElsewhere || ctrlKey || metaKey || altKey || isComposing || defaultPrevented) {
    return;
  }
  const run = ACTIONS[key];
  if (!run) return;
  event.preventDefault();
  run();
}

/** @param {string} selector */
function focus(selector) {
  const found = document.querySelector(selector);
  if (found instanceof HTMLElement) found.focus();
}

/** @param {MouseEventInit} modifiers */
const click = (modifiers) =>
  document.activeElement
    ?.closest(".waiting [data-main]")
    ?.dispatchEvent(new MouseEvent("click", { ...modifiers, bubbles: true }));

/** Lists know the arrows. @param {string} key */
function move(key) {
  const list = document.activeElement?.closest(".rows");
  if (list)
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  else focus(".board-holder:not([hidden]) .rows [data-main]");
}
