// Forms: what the API refuses is shown at its field, and what was typed stays.

import { h } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client.js";
import { MISSING, nameOf } from "../api/words.js";
import { fromLocalField, zoneName } from "./times.js";
import { t } from "./words.js";

/** The API takes no other years. */
const YEARS = { min: "2000-01-01T00:00", max: "2100-12-31T23:59" };

/** What is said of a part of a date, by types of fields. @type {Record<string, string>} */
const BAD_INPUT = {
  "datetime-local": t("Enter a date and a time, or clear both."),
  date: t("Enter a date."),
};

/** @param {FieldProps} props */
export function Field({ label, type = "text", value = "", hint, error, options, ...rest }) {
  const { suggestions, ...more } = rest;
  const id = useId();
  const [typed, setTyped] = useState(value);
  const isTime = type === "datetime-local";
  const shared = {
    id,
    "aria-invalid": error ? "true" : undefined,
    "aria-describedby": error || hint ? `${id}-more` : undefined,
    ...more,
  };
  return h(
    "div",
    { class: error ? "field has-error" : "field" },
    h(
      "label",
      { for: id },
      isTime ? `${label} (${zoneName(fromLocalField(typed))})` : label,
      !more.required && !options && h("span", { class: "optional" }, ` ${t("optional")}`),
    ),
    options && h("select", shared, options.map(optionOf(value))),
    type === "lines" && h("textarea", { rows: 3, defaultValue: value, ...shared }),
    !options &&
      type !== "lines" &&
      h("input", {
        type,
        defaultValue: value,
        list: suggestions && `${id}-list`,
        ...(isTime && { ...YEARS, onInput: onText(setTyped) }),
        ...shared,
      }),
    suggestions &&
      h(
        "datalist",
        { id: `${id}-list` },
        suggestions.map((text) => h("option", { key: text, value: text })),
      ),
    (error || hint) && h("p", { id: `${id}-more`, class: error ? "error" : "hint" }, error ?? hint),
  );
}

/** @param {(text: string) => void} take gets what is typed or chosen */
export const onText = (take) => (/** @type {Event} */ event) =>
  take(/** @type {HTMLInputElement} */ (event.currentTarget).value);

/** @param {{label: string, value?: string, onSearch: (text: string) => void}} props */
export const SearchField = ({ label, value, onSearch }) =>
  h("input", {
    type: "search",
    "aria-label": label,
    placeholder: label,
    value,
    maxLength: 200,
    onInput: onText(onSearch),
  });

/** @param {string} chosen */
export const optionOf =
  (chosen) =>
  /** @param {[string, string]} option */
  ([value, text]) =>
    h(
      "option",
      { key: value, value, selected: value === chosen, defaultSelected: value === chosen },
      text,
    );

/**
 * Return what differs from before: what somebody else has changed meanwhile stays.
 * @param {Record<string, unknown>} before @param {Record<string, unknown>} after
 */
export const changesOf = (before, after) =>
  Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name]));

/**
 * Send a form's fields, once per press; again with the same key if they are the same.
 * @param {(fields: Record<string, string>, key: string) => Promise<void>} send Raises `Problem`.
 */
export function useSending(send) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const last = useRef({ text: "", key: newKey() });
  const sent = useRef(/** @type {HTMLFormElement | null} */ (null));
  useEffect(() => {
    for (const closed of sent.current?.querySelectorAll("details:has([aria-invalid=true])") ?? [])
      closed.setAttribute("open", "");
    const first = sent.current?.querySelector("[aria-invalid=true]");
    if (first instanceof HTMLElement) first.focus();
  }, [problem]);

  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    sent.current = form;
    const wrong = wrongFields(form);
    if (wrong) return setProblem(wrong);
    const fields = fieldsOf(form);
    const text = JSON.stringify(fields);
    if (text !== last.current.text) last.current = { text, key: newKey() };
    setBusy(true);
    setProblem(null);
    try {
      await send(fields, last.current.key);
      last.current.text = "";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status > 0) last.current.text = ""; // it was answered, so this is not sent again
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, errors: problem?.errors ?? {}, problem, onSubmit };
}

/** @param {HTMLFormElement} form @returns {Record<string, string>} without those that are empty */
const fieldsOf = (form) =>
  Object.fromEntries(
    [...new FormData(form)]
      .map(([name, value]) => [name, String(value)])
      .filter(([, value]) => value !== ""),
  );

/** @param {HTMLFormElement} form @returns {NodeListOf<HTMLInputElement>} */
const fieldsIn = (form) => form.querySelectorAll("input, select, textarea");

/** @param {HTMLInputElement} field */
function rangeOf({ type, min, max, validity }) {
  if (type === "number") return t("Enter a number from {min} to {max}.", { min, max });
  const isEarly = validity.rangeUnderflow && min !== YEARS.min;
  return isEarly ? t("Enter a later time.") : t("Enter a year between 2000 and 2100.");
}

/**
 * Find what need not be sent to be refused: what is missing, and what the browser takes for no time
 * and would send as none.
 * @param {HTMLFormElement} form
 */
function wrongFields(form) {
  /** @type {Record<string, string>} */
  const errors = {};
  for (const field of fieldsIn(form)) {
    const { badInput, rangeOverflow, rangeUnderflow } = field.validity;
    const text = field.type === "password" ? field.value : field.value.trim();
    if (badInput) errors[field.name] = BAD_INPUT[field.type] ?? t("Enter a number.");
    else if (rangeOverflow || rangeUnderflow) errors[field.name] = rangeOf(field);
    else if (field.type === "datetime-local" && text && !fromLocalField(text))
      errors[field.name] = t("There is no such time that day: clocks go forward then.");
    else if (field.required && !text) errors[field.name] = MISSING;
  }
  const body = { status: 422, code: "validation_failed", detail: "", errors };
  return Object.keys(errors).length ? new Problem(body) : null;
}

/**
 * What was refused and belongs to no field.
 * @param {{problem: Problem | null, fields: string[], children?: Children}} props
 */
export function Refusal({ problem, fields, children }) {
  if (!problem) return null;
  const rest = Object.entries(problem.errors).filter(([field]) => !fields.includes(field));
  const isTold = Object.keys(problem.errors).length > rest.length;
  return h(
    "div",
    { class: "refusal", role: "alert" },
    isTold ? t("Some fields are not valid: see below.") : problem.message,
    rest.map(([field, message]) => h("p", { key: field }, `${nameOf(field)}: ${message}`)),
    children,
  );
}
