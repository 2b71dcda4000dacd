// A form for a comment on a load, by a dispatcher or by the load's driver.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { submit } from "../ui/button.js";
import { Field, Refusal, useSending } from "../ui/form.js";

/**
 * @param {object} props
 * @param {(body: {text: string, visibleToDriver?: true}, key: string) => Promise<unknown>} props.send Raises `Problem`.
 * @param {string} props.label @param {string} [props.type] of the field
 * @param {string} props.action what the button says
 * @param {Children} [props.children] more fields
 */
export function CommentForm({ send, label, type, action, children }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const { isBusy, errors, problem, onSubmit } = useSending(async ({ text = "", visible }, key) => {
    await send({ text, ...(visible && { visibleToDriver: true }) }, key);
    form.current?.reset();
  });
  const field = {
    name: "text",
    label,
    error: errors.text,
    required: true,
    maxLength: 2000,
    autocomplete: "off",
  };
  return h(
    "form",
    { class: "form comment-form", ref: form, onSubmit, noValidate: true },
    h(Refusal, { problem, fields: ["text"] }),
    h(Field, { ...field, ...(type && { type }) }),
    h("div", null, children, submit(action, { "aria-disabled": isBusy })),
  );
}
