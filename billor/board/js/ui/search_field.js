// A field for a search, which begins when typing pauses.

import { h } from "preact";
import { useRef } from "preact/hooks";

const PAUSE_MILLISECONDS = 250;

/** @param {{label: string, onSearch: (text: string) => void}} props */
export function SearchField({ label, onSearch }) {
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  return h("input", {
    type: "search",
    "aria-label": label,
    placeholder: label,
    maxLength: 100,
    onInput: (/** @type {Event} */ event) => {
      const { value } = /** @type {HTMLInputElement} */ (event.currentTarget);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => onSearch(value.trim()), PAUSE_MILLISECONDS);
    },
  });
}
