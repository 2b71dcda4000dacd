// A field for a search.

import { h } from "preact";

/** @param {{label: string, onSearch: (text: string) => void}} props */
export const SearchField = ({ label, onSearch }) =>
  h("input", {
    type: "search",
    "aria-label": label,
    placeholder: label,
    maxLength: 100,
    onInput: (/** @type {Event} */ event) =>
      onSearch(/** @type {HTMLInputElement} */ (event.currentTarget).value.trim()),
  });
