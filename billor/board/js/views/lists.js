// What pages with a list from the API share.

import { h } from "preact";
import { button } from "../ui/button.js";
import { SearchField } from "../ui/form.js";
import { Table } from "../ui/table.js";
import { t } from "../ui/words.js";

/**
 * @param {object} props @param {string} props.title
 * @param {string} props.find what the field for a search says
 * @param {(text: string) => void} props.onSearch
 * @param {string} props.add what the button says
 * @param {() => void} props.onAdd @param {Children} [props.children]
 */
export const ListHead = ({ title, find, onSearch, add, onAdd, children }) =>
  h(
    "header",
    { class: "page-head" },
    h("h1", null, title),
    children,
    h(SearchField, { label: find, onSearch }),
    button(add, onAdd, "primary"),
  );

/**
 * Rows that come page by page.
 * @param {object} props @param {(rows: any[]) => Children} props.draw
 * @param {ReturnType<typeof import("../state/got.js").usePages>} props.got
 * @param {string} [props.empty] what is said without rows
 */
export const Paged = ({ draw, got: { rows, problem, more }, empty = t("Nothing yet.") }) => [
  problem && h("p", { class: "refusal", role: "alert", key: "problem" }, problem),
  !rows && !problem && h("p", { key: "loading" }, t("Loading …")),
  rows?.length === 0 && h("p", { class: "hint", key: "empty" }, empty),
  rows && rows.length > 0 && draw(rows),
  more && button(t("Show more"), more, "", { key: "more" }),
];

/**
 * @param {Omit<Parameters<typeof Paged>[0], "draw"> & Omit<Parameters<typeof Table>[0], "rows">} props
 */
export const PagedTable = ({ got, empty, ...table }) =>
  h(Paged, { got, empty, draw: (rows) => h(Table, { ...table, rows, key: "rows" }) });
