// A dialog with a form, which closes when its fields have been taken.

import { h } from "preact";
import { submit } from "./button.js";
import { Dialog } from "./dialog.js";
import { Field, Refusal, useSending } from "./form.js";

/**
 * @param {object} props @param {string} props.title
 * @param {string} props.action what the button says
 * @param {FieldProps[]} props.fields
 * @param {(fields: Record<string, string>, key: string) => Promise<void>} props.send Raises
 *   `Problem`.
 * @param {() => void} props.onClose @param {string} [props.class]
 * @param {(problem: import("../api/client.js").Problem) => Children} [props.about] more about a refusal
 * @param {Children} [props.children]
 */
export function FormDialog({ title, action, fields, send, onClose, class: name, about, children }) {
  const { isBusy, errors, problem, onSubmit } = useSending(async (values, key) => {
    await send(values, key);
    onClose();
  });
  return h(
    Dialog,
    { title, onClose, class: name, onSubmit, foot: submit(action, { "aria-disabled": isBusy }) },
    h(Refusal, { problem, fields: fields.map((field) => field.name) }, problem && about?.(problem)),
    h(
      "div",
      { class: "fields" },
      fields.map((field) => h(Field, { key: field.name, error: errors[field.name], ...field })),
    ),
    children,
  );
}
