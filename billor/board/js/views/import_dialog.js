// Imports loads from a file, and shows what became of each row.

import { h } from "preact";
import { useRef, useState } from "preact/hooks";
import { newKey, Problem } from "../api/client.js";
import { importFile } from "../api/upload.js";
import { inWords, nameOf } from "../api/words.js";
import { Dialog } from "../ui/dialog.js";
import { Refusal } from "../ui/form.js";
import { isolate } from "../ui/text.js";
import { VirtualList } from "../ui/virtual_list.js";

/** @import {ImportedRow, ImportReport} from "../types.js" */

const ROW_REM = 2.75;

/** @param {{onClose: () => void}} props */
export function ImportDialog({ onClose }) {
  const [file, setFile] = useState(/** @type {File | null} */ (null));
  const [part, setPart] = useState(/** @type {number | null} */ (null));
  const [report, setReport] = useState(/** @type {ImportReport | null} */ (null));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const key = useRef(newKey());

  const choose = (/** @type {File | null | undefined} */ chosen) => {
    if (!chosen) return;
    key.current = newKey();
    setFile(chosen);
    setReport(null);
    setProblem(null);
  };
  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!file || part !== null) return;
    setPart(0);
    setProblem(null);
    try {
      setReport(await importFile(file, key.current, setPart));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      setPart(null);
    }
  };
  return h(
    Dialog,
    { title: "Import loads", onClose },
    h(
      "form",
      { class: "form", onSubmit },
      h(
        "div",
        { class: "dialog-body" },
        h(Refusal, { problem, fields: [] }),
        report ? h(Report, { report }) : h(Chooser, { file, choose }),
        part !== null && h(Progress, { part }),
      ),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button", onClick: onClose }, "Close"),
        report
          ? h(
              "button",
              { type: "button", class: "button primary", onClick: () => setReport(null) },
              "Import another file",
            )
          : h(
              "button",
              { type: "submit", class: "button primary", disabled: !file || part !== null },
              "Import",
            ),
      ),
    ),
  );
}

/** @param {{file: File | null, choose: (file: File | null | undefined) => void}} props */
function Chooser({ file, choose }) {
  return h(
    "label",
    {
      class: "drop-zone",
      onDragOver: (/** @type {DragEvent} */ event) => event.preventDefault(),
      onDrop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        choose(event.dataTransfer?.files[0]);
      },
    },
    h("b", null, file ? isolate(file.name) : "Choose a file, or drop it here"),
    h(
      "span",
      { class: "hint" },
      "CSV, NDJSON, .xlsx, .xls or .ods, with columns origin, destination, cargoType",
    ),
    h("input", {
      type: "file",
      accept: ".csv,.tsv,.txt,.ndjson,.jsonl,.xlsx,.xls,.ods",
      onChange: (/** @type {Event} */ event) =>
        choose(/** @type {HTMLInputElement} */ (event.currentTarget).files?.[0]),
    }),
  );
}

/** @param {{part: number}} props */
function Progress({ part }) {
  const text = part < 1 ? `Sending: ${Math.round(part * 100)} %` : "Sent. Creating loads …";
  return h(
    "div",
    { class: "progress", role: "status" },
    h("progress", { value: part, max: 1, "aria-label": "File sent" }),
    h("span", null, text),
  );
}

/** @param {ImportedRow} row */
const keyOf = ({ row }) => row;

/** @param {{report: ImportReport}} props */
function Report({ report: { created, alreadyThere, refused, rows, ignored } }) {
  const [isAll, setAll] = useState(refused === 0);
  return [
    h(
      "p",
      { class: "report-sum", role: "status" },
      h("b", null, created),
      " created",
      alreadyThere > 0 && [", ", h("b", null, alreadyThere), " there before"],
      ", ",
      h("b", { class: refused ? "late" : "" }, refused),
      " refused.",
    ),
    ignored.length > 0 &&
      h("p", { class: "hint" }, `Columns left out: ${ignored.map(isolate).join(", ")}.`),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: !isAll,
        onChange: () => setAll(!isAll),
      }),
      "Only refused rows",
    ),
    h(
      "div",
      { class: "report-rows" },
      h(/** @type {typeof VirtualList<ImportedRow>} */ (VirtualList), {
        items: isAll ? rows : rows.filter(({ errors }) => errors),
        keyOf,
        heightOf: () => ROW_REM,
        label: "Rows of the file",
        empty: "No row was refused.",
        renderRow: (row, isActive) => h(Row, { row, isActive }),
      }),
    ),
  ];
}

/** @param {{row: ImportedRow, isActive: boolean}} props */
function Row({ row: { row, loadId, errors, alreadyThere }, isActive }) {
  const text = errors
    ? Object.entries(errors)
        .map(([field, messages]) => `${nameOf(field)}: ${messages.map(inWords).join(" ")}`)
        .join(" ")
    : `Load ${loadId}${alreadyThere ? ", there before" : ""}`;
  return h(
    "div",
    { class: "report-row", "data-main": true, tabIndex: isActive ? 0 : -1 },
    h("span", { class: "number" }, `Row ${row}`),
    h("span", { class: errors ? "late" : "", title: text }, text),
  );
}
