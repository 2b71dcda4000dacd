// Sends a file with loads.

import { TIME_ZONE } from "../ui/times.js";
import { t } from "../ui/words.js";
import { LONG_MILLISECONDS, Problem, request } from "./client.js";

/** By the ending of a file's name; browsers do not know them all. */
const MEDIA_TYPES = {
  csv: "text/csv",
  ndjson: "application/x-ndjson",
  jsonl: "application/x-ndjson",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xls: "application/vnd.ms-excel",
  ods: "application/vnd.oasis.opendocument.spreadsheet",
};

/** How times in a file are read: in the board's time zone, and 3/4 as this browser writes dates. */
const TIMES = new URLSearchParams({
  timeZone: TIME_ZONE,
  dayFirst: String(new Date(2000, 11, 31).toLocaleDateString().startsWith("31")),
});

/**
 * Import loads from a file.
 * @param {File} file
 * @param {string} key the Idempotency-Key
 * @param {boolean} isPreview only says how the file is read
 * @returns {Promise<ImportReport>} Raises `Problem`.
 */
export async function importFile(file, key, isPreview) {
  await checkReadable(file);
  const answer = await request("POST", `/loads/import?${TIMES}&dryRun=${isPreview}`, {
    key,
    body: file,
    headers: { "Content-Type": mediaType(file) },
    timeout: LONG_MILLISECONDS,
  });
  return answer.data;
}

/** Browsers read no file that has changed, and no folder. @param {File} file Raises `Problem`. */
export async function checkReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    const detail = t("The file has changed since you chose it: choose it again.");
    throw new Problem({ status: 0, code: "file_changed", detail });
  }
}

/** @param {File} file */
function mediaType(file) {
  const ending = file.name.split(".").at(-1)?.toLowerCase() ?? "";
  return MEDIA_TYPES[/** @type {keyof typeof MEDIA_TYPES} */ (ending)] ?? "text/csv";
}
