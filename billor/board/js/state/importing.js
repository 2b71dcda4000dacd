// The import of a file, which goes on when its dialog is closed.

import { LONG_MILLISECONDS, newKey, Problem, request } from "../api/client.js";
import { stayWhile } from "../api/page.js";
import { TIME_ZONE } from "../ui/times.js";
import { counted, t } from "../ui/words.js";
import { checkReadable } from "./documents.js";
import { toast } from "./notices.js";
import { Store } from "./store.js";

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
 * `preview`: how the file was read.
 * @typedef {{file: File | null, isBusy: boolean, preview: ImportReport | null, report: ImportReport
 * | null, problem: Problem | null}} Importing
 */

/** @type {Importing} */
const NOTHING = { file: null, isBusy: false, preview: null, report: null, problem: null };

/** @type {Store<Importing>} */
export const importing = new Store(NOTHING);

let key = newKey();
let isWatched = false;

stayWhile(() => importing.value.isBusy);

/** Call it while the dialog is open. @returns {() => void} what to call when it closes */
export function watchImport() {
  isWatched = true;
  return () => {
    isWatched = false;
    if (!importing.value.isBusy) importing.set(NOTHING);
  };
}

/** @param {File | null} [file] null: to choose another one */
export async function chooseFile(file) {
  if (file === undefined) return;
  key = newKey();
  importing.set({ ...NOTHING, file });
  if (file) await run(file, true);
}

export async function importChosen() {
  const { file, isBusy } = importing.value;
  if (file && !isBusy) await run(file, false);
}

/** @param {File} file @param {boolean} isPreview */
async function run(file, isPreview) {
  const isThis = () => importing.value.file === file;
  importing.set({ isBusy: true, problem: null });
  try {
    const found = await importFile(file, isPreview ? newKey() : key, isPreview);
    if (isThis()) importing.set(isPreview ? { preview: found } : { report: found });
    if (!isPreview && !isWatched)
      toast(
        t("Import: {created} created, {refused} refused.", {
          created: counted(found.created),
          refused: counted(found.refused),
        }),
      );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const isGone = error.code === "file_changed";
    if (isThis()) importing.set({ ...(isGone ? NOTHING : {}), problem: error });
    if (!isWatched) toast(t("Import: {problem}", { problem: error.message }), { isGood: false });
  } finally {
    if (isThis()) importing.set({ isBusy: false });
  }
}

/**
 * Import loads from a file.
 * @param {File} file
 * @param {string} key the Idempotency-Key
 * @param {boolean} isPreview only says how the file is read
 * @returns {Promise<ImportReport>} Raises `Problem`.
 */
async function importFile(file, key, isPreview) {
  await checkReadable(file);
  const answer = await request("POST", `/loads/import?${TIMES}&dryRun=${isPreview}`, {
    key,
    body: file,
    headers: { "Content-Type": mediaType(file) },
    timeout: LONG_MILLISECONDS,
  });
  return answer.data;
}

/** @param {File} file */
function mediaType(file) {
  const ending = file.name.split(".").at(-1)?.toLowerCase() ?? "";
  return MEDIA_TYPES[/** @type {keyof typeof MEDIA_TYPES} */ (ending)] ?? "text/csv";
}
