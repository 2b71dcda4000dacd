// A form for a comment on a load, by a dispatcher or by the load's driver.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { request } from "../api/client.js";
import { submit } from "../ui/button.js";
import { Field, Refusal, useSending } from "../ui/form.js";

/**
 * @param {object} props @param {string} props.path of the load's comments
 * @param {string} props.label @param {string} [props.type] of the field
 * @param {string} props.action what the button says
 * @param {() => unknown} props.onSent
 * @param {Children} [props.children] more fields
 */
export function CommentForm({ path, label, type, action, onSent, children }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const { isBusy, errors, problem, onSubmit } = useSending(async ({ text, visible }, key) => {
    const body = { text, ...(visible && { visibleToDriver: true }) };
    await request("POST", path, { key, body });
    form.current?.reset();
    await onSent();
  });
  const field = { name: "text", label, error: errors.text, required: true, autocomplete: "off" };
  return h(
    "form",
    { class: "form comment-form", ref: form, onSubmit, noValidate: true },
    h(Refusal, { problem, fields: ["text"] }),
    h(Field, { ...field, ...(type && { type }) }),
    h("div", null, children, submit(action, { "aria-disabled": isBusy })),
  );
}
