// Imports loads from a file: shows how it is read, and then what became of each row.

import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { inWords, nameOf } from "../api/words.js";
import { save } from "../state/exporting.js";
import { chooseFile, importChosen, importing, watchImport } from "../state/importing.js";
import { useStore } from "../state/store.js";
import { button, submit } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { Refusal } from "../ui/form.js";
import { Table } from "../ui/table.js";
import { isolate } from "../ui/text.js";
import { minuteTime } from "../ui/times.js";
import { VirtualList } from "../ui/virtual_list.js";
import { counted, t } from "../ui/words.js";

const ROW_REM = 2.75;
const PREVIEW_ROWS = 20;

/** As the API names them, so that a file made from it needs no guess. */
const TEMPLATE = "origin,destination,cargoType,reference,pickupAt,deliverBy\r\n";

/** @param {{onClose: () => void}} props */
export function ImportDialog({ onClose }) {
  const { file, isBusy, preview, report, problem } = useStore(importing);
  useEffect(watchImport, []);
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    importChosen();
  };
  return h(
    Dialog,
    {
      title: t("Import loads"),
      onClose,
      onSubmit,
      foot: report
        ? button(t("Import another file"), () => chooseFile(null), "primary")
        : submit(t("Import"), { disabled: !file, "aria-disabled": isBusy }),
    },
    h(Refusal, { problem, fields: [] }),
    report ? h(Report, { report }) : h(Chooser, { file }),
    preview && !report && h(Preview, { preview }),
    isBusy && h("progress", { "aria-label": t("Reading the file") }),
  );
}

/** @param {{file: File | null}} props */
function Chooser({ file }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  // Else choosing the same file again is no change.
  const forget = () => void Object.assign(input.current ?? {}, { value: "" });
  useEffect(() => void (file ?? forget()), [file]);
  return [
    h(
      "label",
      {
        key: "file",
        class: "drop-zone",
        onDragOver: (/** @type {DragEvent} */ event) => event.preventDefault(),
        onDrop: (/** @type {DragEvent} */ event) => {
          event.preventDefault();
          chooseFile(event.dataTransfer?.files[0]);
        },
      },
      h("b", null, file ? isolate(file.name) : t("Choose a file, or drop it here")),
      h("span", { class: "hint" }, t("CSV, NDJSON, .xlsx, .xls or .ods")),
      h("input", {
        ref: input,
        type: "file",
        accept: ".csv,.tsv,.txt,.ndjson,.jsonl,.xlsx,.xls,.ods",
        onClick: forget,
        onChange: (/** @type {Event} */ event) =>
          chooseFile(/** @type {HTMLInputElement} */ (event.currentTarget).files?.[0]),
      }),
    ),
    !file &&
      button(t("Download a template"), () => save(TEMPLATE, "loads.csv"), "quiet", {
        key: "template",
      }),
  ];
}

/**
 * How the file was read: which column went where, and the first rows.
 * @param {{preview: ImportReport}} props
 */
function Preview({ preview: { created, refused, rows, columns, ignored, sheet } }) {
  /** @type {Record<string, (row: ImportedRow) => import("preact").ComponentChildren>} */
  const shown = { [t("Row")]: ({ row }) => row };
  if (refused > 0) {
    shown[t("Refused")] = ({ errors }) => errors && h("span", { class: "late" }, inShort(errors));
  }
  for (const [column, field] of Object.entries(columns)) {
    shown[`${nameOf(field)} ← ${column}`] = ({ load }) => readable(load, field);
  }
  return [
    h(
      "p",
      { key: "sum", role: "status" },
      t("{created} can be created or are there already, {refused} will be refused.", {
        created: counted(created),
        refused: counted(refused),
      }),
      sheet && ` ${t("Sheet: {sheet}.", { sheet: isolate(sheet) })}`,
      ignored.length > 0 && ` ${leftOut(ignored)}`,
    ),
    h(Table, {
      key: "rows",
      label: t("The first rows"),
      columns: shown,
      rows: rows
        .toSorted((one, other) => Number(!one.errors) - Number(!other.errors))
        .slice(0, PREVIEW_ROWS),
      keyOf: ({ row }) => row,
    }),
  ];
}

/** @param {ImportedRow["load"]} load @param {string} field */
function readable(load, field) {
  const value = load?.[/** @type {keyof Load} */ (field)];
  if (!value) return "";
  return /At$|By$/.test(field) ? minuteTime(String(value)) : isolate(String(value));
}

/** @param {ImportedRow} row */
const keyOf = ({ row }) => row;

/** @param {{report: ImportReport}} props */
function Report({ report: { created, alreadyThere, refused, rows, ignored } }) {
  const [isAll, setAll] = useState(refused === 0);
  const figures = {
    created: h("b", null, counted(created)),
    there: h("b", null, counted(alreadyThere)),
    refused: h("b", { class: refused ? "late" : "" }, counted(refused)),
  };
  return [
    h(
      "p",
      { class: "report-sum", role: "status" },
      alreadyThere > 0
        ? t("{created} created, {there} there before, {refused} refused.", figures)
        : t("{created} created, {refused} refused.", figures),
    ),
    ignored.length > 0 && h("p", { class: "hint" }, leftOut(ignored)),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: !isAll,
        onChange: () => setAll(!isAll),
      }),
      t("Only refused rows"),
    ),
    h(
      "div",
      { class: "report-rows" },
      h(/** @type {typeof VirtualList<ImportedRow>} */ (VirtualList), {
        items: isAll ? rows : rows.filter(({ errors }) => errors),
        keyOf,
        heightOf: () => ROW_REM,
        label: t("Rows of the file"),
        empty: t("No row was refused."),
        renderRow: (row, isActive) => h(Row, { row, isActive }),
      }),
    ),
  ];
}

/** @param {{row: ImportedRow, isActive: boolean}} props */
function Row({ row: { row, loadId, errors, alreadyThere }, isActive }) {
  const made = alreadyThere
    ? t("Load {id}, there before", { id: loadId })
    : t("Load {id}", { id: loadId });
  const text = errors ? inShort(errors) : made;
  return h(
    "div",
    { class: "report-row", "data-main": true, tabIndex: isActive ? 0 : -1 },
    h("span", { class: "number" }, t("Row {row}", { row })),
    h("span", { class: errors ? "late" : "", title: text }, text),
  );
}

/** @param {string[]} columns */
const leftOut = (columns) =>
  t("Columns left out: {columns}.", { columns: columns.map(isolate).join(", ") });

/** @param {Record<string, string[]>} errors by field */
const inShort = (errors) =>
  Object.entries(errors)
    .map(([field, messages]) => `${nameOf(field)}: ${messages.map(inWords).join(" ")}`)
    .join(" ");
