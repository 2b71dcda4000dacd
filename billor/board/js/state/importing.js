// The import of a file, which goes on when its dialog is closed.

import { newKey, Problem } from "../api/client.js";
import { importFile } from "../api/upload.js";
import { counted, t } from "../ui/words.js";
import { toast } from "./notices.js";
import { Store } from "./store.js";

/** @import {ImportReport} from "../types.js" */

/**
 * `part`: how much of the file was sent, while it is; `preview`: how it was read.
 *
 * @typedef {object} Importing
 * @property {File | null} file
 * @property {number | null} part
 * @property {ImportReport | null} preview
 * @property {ImportReport | null} report
 * @property {Problem | null} problem
 */

/** @type {Importing} */
const NOTHING = { file: null, part: null, preview: null, report: null, problem: null };

/** @type {Store<Importing>} */
export const importing = new Store(NOTHING);

let key = newKey();
let isWatched = false;

/** Call it while the dialog is open. @returns {() => void} what to call when it closes */
export function watchImport() {
  isWatched = true;
  return () => {
    isWatched = false;
    if (importing.value.part === null) importing.set(NOTHING);
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
  const { file, part } = importing.value;
  if (file && part === null) await run(file, false);
}

/**
 * @param {File} file
 * @param {boolean} isPreview
 */
async function run(file, isPreview) {
  const isThis = () => importing.value.file === file;
  const onProgress = (/** @type {number} */ part) => isThis() && importing.set({ part });
  importing.set({ part: 0, problem: null });
  try {
    const found = await importFile(file, isPreview ? newKey() : key, isPreview, onProgress);
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
    if (isThis()) importing.set({ part: null });
  }
}
