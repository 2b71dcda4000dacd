// A dialog with a form, which closes when its fields have been taken.

import { h } from "preact";
import { Dialog } from "./dialog.js";
import { Refusal, useSending } from "./form.js";

/** @import {Problem} from "../api/client.js" */

/**
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.action what the button says
 * @param {string[]} props.fields names of those that show their own errors
 * @param {(fields: Record<string, string>, key: string) => Promise<void>} props.send Raises
 *   `Problem`.
 * @param {() => void} props.onClose
 * @param {string} [props.class]
 * @param {(problem: Problem) => import("preact").ComponentChild} [props.about] more about a refusal
 * @param {(errors: Record<string, string>) => import("preact").ComponentChildren} props.children
 */
export function FormDialog({ title, action, fields, send, onClose, class: name, about, children }) {
  const { isBusy, errors, problem, onSubmit } = useSending(async (values, key) => {
    await send(values, key);
    onClose();
  });
  return h(
    Dialog,
    { title, onClose, class: name },
    h(
      "form",
      { class: "form", onSubmit, noValidate: true },
      h(
        "div",
        { class: "dialog-body" },
        h(Refusal, { problem, fields }, problem && about?.(problem)),
        children(errors),
      ),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button", onClick: onClose }, "Back"),
        h("button", { type: "submit", class: "button primary", "aria-disabled": isBusy }, action),
      ),
    ),
  );
}
