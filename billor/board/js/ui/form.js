// Forms: what the API refuses is shown at its field, and what was typed stays.

import { h } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client.js";

/**
 * @typedef {object} FieldProps
 * @property {string} name
 * @property {string} label
 * @property {string} [type]
 * @property {string} [value]
 * @property {string} [hint]
 * @property {string} [error]
 * @property {boolean} [required]
 * @property {string} [autocomplete]
 * @property {boolean} [data-autofocus]
 * @property {boolean} [readOnly]
 */

/** @param {FieldProps} props */
export function Field({ name, label, type = "text", value, hint, error, required, ...more }) {
  const id = useId();
  return h(
    "div",
    { class: error ? "field has-error" : "field" },
    h("label", { for: id }, label, !required && h("span", { class: "optional" }, " optional")),
    h("input", {
      id,
      name,
      type,
      required,
      defaultValue: value ?? "",
      "aria-invalid": error ? "true" : undefined,
      "aria-describedby": error || hint ? `${id}-more` : undefined,
      ...more,
    }),
    (error || hint) && h("p", { id: `${id}-more`, class: error ? "error" : "hint" }, error ?? hint),
  );
}

/**
 * @typedef {object} Sending
 * @property {boolean} isBusy
 * @property {Record<string, string>} errors by field
 * @property {Problem | null} problem
 * @property {(event: Event) => Promise<void>} onSubmit
 */

/**
 * Send a form's fields, once per press; again with the same key if they are the same.
 *
 * @param {(fields: Record<string, string>, key: string) => Promise<void>} send Raises `Problem`.
 * @returns {Sending}
 */
export function useSending(send) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const last = useRef({ text: "", key: newKey() });

  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    const fields = fieldsOf(/** @type {HTMLFormElement} */ (event.currentTarget));
    const text = JSON.stringify(fields);
    if (text !== last.current.text) last.current = { text, key: newKey() };
    setBusy(true);
    setProblem(null);
    try {
      await send(fields, last.current.key);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, errors: problem?.errors ?? {}, problem, onSubmit };
}

/**
 * @param {HTMLFormElement} form
 * @returns {Record<string, string>} without those that are empty
 */
const fieldsOf = (form) =>
  Object.fromEntries(
    [...new FormData(form)]
      .map(([name, value]) => [name, String(value)])
      .filter(([, value]) => value !== ""),
  );

/**
 * What was refused and belongs to no field.
 *
 * @param {{problem: Problem | null, fields: string[], children?: import("preact").ComponentChildren}} props
 */
export function Refusal({ problem, fields, children }) {
  if (!problem) return null;
  const rest = Object.entries(problem.errors).filter(([field]) => !fields.includes(field));
  const isTold = Object.keys(problem.errors).length > rest.length;
  return h(
    "div",
    { class: "refusal", role: "alert" },
    isTold ? "Some fields are not valid: see below." : problem.message,
    rest.map(([field, message]) => h("p", { key: field }, `${field}: ${message}`)),
    children,
  );
}
