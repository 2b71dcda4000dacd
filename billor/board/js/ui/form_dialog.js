// A dialog with a form, which closes when its fields have been taken.

import { h } from "preact";
import { useState } from "preact/hooks";
import { submit } from "./button.js";
import { Dialog } from "./dialog.js";
import { Field, Refusal, useSending } from "./form.js";
import { t } from "./words.js";

/**
 * @param {object} props @param {string} props.title
 * @param {string} props.action what the button says
 * @param {FieldProps[]} props.fields
 * @param {FieldProps[]} [props.more] fields that few need
 * @param {(fields: Record<string, string>, key: string) => Promise<void>} props.send Raises
 *   `Problem`.
 * @param {() => void} props.onClose @param {string} [props.class]
 * @param {(problem: import("../api/client.js").Problem) => Children} [props.about] more about a refusal
 * @param {Children} [props.children]
 */
export function FormDialog({ title, action, fields, more = [], send, onClose, ...rest }) {
  const { class: name = "narrow", about, children } = rest;
  const [isOpen, setOpen] = useState(more.some(({ value }) => value));
  const { isBusy, errors, problem, onSubmit } = useSending(async (values, key) => {
    await send(values, key);
    onClose();
  });
  const fieldOf = (/** @type {FieldProps} */ field) =>
    h(Field, { key: field.name, error: errors[field.name], ...field });
  return h(
    Dialog,
    { title, onClose, class: name, onSubmit, foot: submit(action, { "aria-disabled": isBusy }) },
    h(
      Refusal,
      { problem, fields: [...fields, ...more].map((field) => field.name) },
      problem && about?.(problem),
    ),
    h("div", { class: "fields" }, fields.map(fieldOf)),
    more.length > 0 &&
      h(
        "details",
        { open: isOpen, onToggle: () => setOpen(true) },
        h("summary", null, t("More")),
        isOpen && h("div", { class: "fields" }, more.map(fieldOf)),
      ),
    children,
  );
}
