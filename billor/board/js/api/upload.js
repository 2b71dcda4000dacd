// Sends a file, and reports how much of it was sent, which `fetch` cannot.

import { validToken } from "../state/session.js";
import { TIME_ZONE } from "../ui/times.js";
import { t } from "../ui/words.js";
import { addressOf } from "./address.js";
import { bodyOf, Problem, unreachable } from "./client.js";

/** @import {ImportReport} from "../types.js" */

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
 *
 * @param {File} file
 * @param {string} key the Idempotency-Key
 * @param {boolean} isPreview only says how the file is read
 * @param {(part: number) => void} onProgress hears how much was sent, from 0 to 1
 * @returns {Promise<ImportReport>} Raises `Problem`.
 */
export async function importFile(file, key, isPreview, onProgress) {
  let token = await validToken();
  for (;;) {
    await expectUnchanged(file);
    const answer = await send(file, key, token, isPreview, onProgress);
    if (answer.status === 200) return JSON.parse(answer.responseText);
    if (answer.status !== 401) throw new Problem(bodyOf(answer.responseText, answer.status));
    token = await validToken(token);
  }
}

/**
 * @param {File} file
 * @param {string} key
 * @param {string} token
 * @param {boolean} isPreview
 * @param {(part: number) => void} onProgress
 * @returns {Promise<XMLHttpRequest>}
 */
function send(file, key, token, isPreview, onProgress) {
  const request = new XMLHttpRequest();
  request.open("POST", addressOf(`/loads/import?${TIMES}&dryRun=${isPreview}`));
  request.setRequestHeader("Authorization", `Bearer ${token}`);
  request.setRequestHeader("Content-Type", mediaType(file));
  request.setRequestHeader("Idempotency-Key", key);
  request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
  return new Promise((resolve, reject) => {
    request.onload = () => resolve(request);
    request.onerror = () => expectUnchanged(file).then(() => reject(unreachable()), reject);
    request.send(file);
  });
}

/** Browsers do not read a file that has changed since it was chosen. @param {File} file */
async function expectUnchanged(file) {
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
