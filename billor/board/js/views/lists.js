// What pages with a list from the API share.

import { h } from "preact";
import { button } from "../ui/button.js";
import { SearchField } from "../ui/search_field.js";
import { Table } from "../ui/table.js";
import { t } from "../ui/words.js";

/**
 * @param {object} props @param {string} props.title
 * @param {string} props.find what the field for a search says
 * @param {(text: string) => void} props.onSearch
 * @param {string} props.add what the button says
 * @param {() => void} props.onAdd @param {import("preact").ComponentChildren} [props.children]
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
 * A table whose rows come page by page.
 * @param {object} props @param {string} props.label
 * @param {Parameters<typeof Table>[0]["columns"]} props.columns
 * @param {ReturnType<typeof import("../state/got.js").usePages>} props.got
 * @param {string} [props.empty] what is said without rows
 */
export function PagedTable({
  label,
  columns,
  got: { rows, problem, more },
  empty = t("Nothing yet."),
}) {
  return [
    problem && h("p", { class: "refusal", role: "alert", key: "problem" }, problem),
    !rows && !problem && h("p", { key: "loading" }, t("Loading …")),
    rows?.length === 0 && h("p", { class: "hint", key: "empty" }, empty),
    rows && rows.length > 0 && h(Table, { label, columns, rows, key: "rows" }),
    more && button(t("Show more"), more, "", { key: "more" }),
  ];
}
