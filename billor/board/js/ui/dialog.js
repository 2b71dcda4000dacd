// Dialogs: the browser's own, which hold the focus. Escape closes them, as does a way to another
// page, and asks before it throws away what was typed or chosen.

import { h } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { button, iconButton } from "./button.js";
import { useListener } from "./clock.js";
import { refocus } from "./virtual_list.js";
import { t } from "./words.js";

/**
 * @param {object} props @param {string} props.title
 * @param {() => void} [props.onClose] without it the dialog cannot be closed
 * @param {string} [props.class]
 * @param {(event: Event) => void} [props.onSubmit] makes a form of it
 * @param {Children} [props.foot] the button to go on with
 * @param {Children} [props.children]
 */
export function Dialog({ title, onClose, onSubmit, foot, children, class: name = "" }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    const panel = opener?.closest(".panel, .board"); // stays where the opener may go away
    const place = panel?.querySelector(".rows") ?? opener?.closest("#content");
    dialog.current?.showModal();
    focusFirst(dialog.current);
    return () => focusAgain(opener, place);
  }, []);
  useEffect(() => {
    if (document.activeElement === document.body) dialog.current?.focus(); // a button has gone
  });
  const [isAsking, setAsking] = useState(false);
  const leave = () => (onClose && isChanged(dialog.current) ? setAsking(true) : onClose?.());
  useListener(["popstate"], leave);
  return h(
    "dialog",
    {
      ref: dialog,
      class: name,
      tabIndex: -1,
      "aria-labelledby": id,
      onKeyDown: (/** @type {KeyboardEvent} */ event) => {
        const isInMenu = document.querySelector("[popover]:popover-open");
        if (event.key !== "Escape" || isInMenu) return;
        event.preventDefault();
        event.stopPropagation();
        leave();
      },
      // Back on a phone, which can be held up once only.
      onCancel: (/** @type {Event} */ event) => {
        if (event.target !== event.currentTarget) return; // of a file chooser
        event.preventDefault();
        leave();
      },
      onClose: () => {
        dialog.current?.showModal();
        leave();
      },
    },
    h(
      "header",
      { class: "dialog-head" },
      h("h2", { id }, title),
      onClose && iconButton("close", t("Close"), leave),
    ),
    h(
      onSubmit ? "form" : "div",
      { class: "form", onSubmit, noValidate: onSubmit && true },
      h("div", { class: "dialog-body" }, children),
      foot &&
        h(
          "div",
          { class: "dialog-foot" },
          button(t("Back"), () => onClose?.()),
          foot,
        ),
    ),
    isAsking &&
      h(
        Question,
        {
          title: t("Discard what you typed?"),
          yes: t("Discard"),
          onYes: () => onClose?.(),
          onClose: () => setAsking(false),
        },
        t("It has not been saved."),
      ),
  );
}

/**
 * @param {HTMLDialogElement | null} dialog
 * @returns {boolean} whether something in its fields would be lost
 */
const isChanged = (dialog) =>
  [
    ...(dialog?.querySelectorAll(
      "input:not([type=file], [type=checkbox]), textarea, option:checked",
    ) ?? []),
  ].some((each) =>
    each instanceof HTMLInputElement || each instanceof HTMLTextAreaElement
      ? each.value !== each.defaultValue || each.validity.badInput
      : each instanceof HTMLOptionElement && !each.defaultSelected,
  );

/** @param {Element | null} opener @param {Element | null | undefined} place */
function focusAgain(opener, place) {
  if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
  if (place && document.activeElement === document.body) refocus(place);
}

/** Focus what is to be filled in or pressed first. @param {HTMLElement | null} holder */
export function focusFirst(holder) {
  const find = (/** @type {string} */ selector) => holder?.querySelector(selector);
  const first = find("[data-autofocus=true]") ?? find(FIELDS) ?? find(".primary:enabled");
  if (first instanceof HTMLElement) first.focus();
}

/** Focus what the page is about. */
export const focusContent = () =>
  document.getElementById("content")?.focus({ preventScroll: true });

const FIELDS = "input:not([readonly]), select";

/**
 * A question before something that cannot be undone.
 * @param {object} props @param {string} props.title
 * @param {string} props.yes what the button says
 * @param {() => unknown} props.onYes @param {() => void} props.onClose
 * @param {Children} [props.children]
 */
export function Question({ title, yes, onYes, onClose, children }) {
  const agree = () => {
    onClose();
    return onYes();
  };
  return h(
    Dialog,
    {
      title,
      onClose,
      class: "question",
      foot: button(yes, agree, "primary"),
    },
    h("p", null, children),
  );
}
