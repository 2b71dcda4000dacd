// Imports loads from a file: shows how it is read, and then what became of each row.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { inWords, nameOf } from "../api/words.js";
import { save } from "../state/exporting.js";
import { chooseFile, importChosen, importing, watchImport } from "../state/importing.js";
import { useStore } from "../state/store.js";
import { button, submit } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { Refusal } from "../ui/form.js";
import { Table } from "../ui/table.js";
import { isolate } from "../ui/text.js";
import { counted, t } from "../ui/words.js";
import { readable } from "./what_happened.js";

const PREVIEW_ROWS = 20;

/** As the API names them, so that a file made from it needs no guess. */
const TEMPLATE = [
  "origin,destination,cargoType,reference,pickupAt,pickupTo,deliverFrom,deliverBy,weightKg",
  "equipment,pickupContact,pickupPhone,deliveryContact,deliveryPhone,notes\r\n",
].join();

/** @param {{onClose: () => void}} props */
export function ImportDialog({ onClose }) {
  const { file, isBusy, preview, report, problem } = useStore(importing);
  const found = report ?? preview;
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
    !report && h(Chooser, { file }),
    found && h(Found, { found, isPreview: !report }),
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
 * How the file was read: which column went where, and the first rows; or what became of all rows.
 * @param {{found: ImportReport, isPreview: boolean}} props
 */
function Found({ found, isPreview }) {
  const { created, alreadyThere, refused, rows, ignored, sheet } = found;
  const figures = { created: counted(created), refused: counted(refused) };
  const there = counted(alreadyThere);
  const left = ignored.map(isolate).join(", ");
  return [
    h(
      "p",
      { key: "sum", role: "status" },
      isPreview
        ? t("{created} can be created or are there already, {refused} will be refused.", figures)
        : t("{created} created, {refused} refused.", figures),
      alreadyThere > 0 && ` ${t("{there} were there before.", { there })}`,
      sheet && ` ${t("Sheet: {sheet}.", { sheet: isolate(sheet) })}`,
      left && ` ${t("Columns left out: {columns}.", { columns: left })}`,
    ),
    h(Table, {
      key: "rows",
      label: t("Rows of the file"),
      columns: columnsOf(found, isPreview),
      rows: rows.toSorted(refusedFirst).slice(0, isPreview ? PREVIEW_ROWS : undefined),
      keyOf: ({ row }) => row,
    }),
  ];
}

/** @param {ImportReport} found @param {boolean} isPreview */
function columnsOf({ refused, columns }, isPreview) {
  /** @type {Record<string, (row: ImportedRow) => Children>} */
  const shown = { [t("Row")]: ({ row }) => row };
  if (refused > 0 || !isPreview) shown[t("Outcome")] = outcomeOf;
  for (const [column, field] of Object.entries(isPreview ? columns : {})) {
    shown[`${nameOf(field)} ← ${column}`] = ({ load }) => readable(field, load, "");
  }
  return shown;
}

/** @param {ImportedRow} row */
function outcomeOf({ loadId: id, errors, alreadyThere }) {
  if (errors) return h("span", { class: "late" }, inShort(errors));
  if (id === null) return "";
  return alreadyThere ? t("Load {id}, there before", { id }) : t("Load {id}", { id });
}

/** @param {ImportedRow} one @param {ImportedRow} other */
const refusedFirst = (one, other) => Number(!one.errors) - Number(!other.errors);

/** @param {Record<string, string[]>} errors by field */
const inShort = (errors) =>
  Object.entries(errors)
    .map(([field, messages]) => `${nameOf(field)}: ${messages.map(inWords).join(" ")}`)
    .join(" ");
