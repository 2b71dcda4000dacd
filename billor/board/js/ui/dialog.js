// Dialogs: the browser's own, which hold the focus and close with Escape.

import { h } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { icon } from "./icons.js";

/**
 * @param {object} props
 * @param {string} props.title
 * @param {() => void} [props.onClose] without it the dialog cannot be closed
 * @param {string} [props.class]
 * @param {import("preact").ComponentChildren} [props.children]
 */
export function Dialog({ title, onClose, children, class: name = "" }) {
  /** @type {import("preact").RefObject<HTMLDialogElement | null>} */
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    focusFirst(dialog.current);
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return h(
    "dialog",
    {
      ref: dialog,
      class: name,
      "aria-labelledby": id,
      onCancel: (/** @type {Event} */ event) => {
        event.preventDefault();
        onClose?.();
      },
    },
    h(
      "header",
      { class: "dialog-head" },
      h("h2", { id }, title),
      onClose &&
        h(
          "button",
          { type: "button", class: "icon-button", "aria-label": "Close", onClick: onClose },
          icon("close"),
        ),
    ),
    children,
  );
}

/**
 * Focus the field to begin with. The attribute `autofocus` would do so only if nothing had the focus.
 *
 * @param {HTMLElement | null} holder
 */
export function focusFirst(holder) {
  const field = holder?.querySelector("[data-autofocus]");
  if (field instanceof HTMLElement) field.focus();
}

/**
 * A question before something that cannot be undone.
 *
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.yes what the button says
 * @param {() => void} props.onYes
 * @param {() => void} props.onClose
 * @param {import("preact").ComponentChildren} [props.children]
 */
export function Question({ title, yes, onYes, onClose, children }) {
  return h(
    Dialog,
    { title, onClose, class: "question" },
    h("div", { class: "dialog-body" }, children),
    h(
      "div",
      { class: "dialog-foot" },
      h("button", { type: "button", class: "button", onClick: onClose }, "Back"),
      h(
        "button",
        {
          type: "button",
          class: "button primary",
          "data-autofocus": true,
          onClick: () => {
            onClose();
            onYes();
          },
        },
        yes,
      ),
    ),
  );
}
