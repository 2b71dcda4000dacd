// The import of a file, which goes on when its dialog is closed.

import { newKey, Problem } from "../api/client.js";
import { stayWhile } from "../api/page.js";
import { importFile } from "../api/upload.js";
import { counted, t } from "../ui/words.js";
import { toast } from "./notices.js";
import { Store } from "./store.js";

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
