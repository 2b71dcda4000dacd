// Documents that a dispatcher adds: sent one after another, each with its own outcome.

import { newKey, Problem } from "../api/client.js";
import { stayWhile } from "../api/page.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { checkReadable, sendDocument, shrunk } from "./documents.js";
import { say, toast } from "./notices.js";
import { Store } from "./store.js";

/**
 * `key`: its Idempotency-Key. `refusal`: why it was not added.
 * @typedef {{key: string, loadId: number, file: File, kind: DocumentKind, refusal: string}} Upload
 */

const ENDING = /\.\w{1,5}$/; // the API adds that of what it recognises

/** Those that are not answered or were refused, and how many documents were added or deleted here. */
export const uploads = new Store({ list: /** @type {Upload[]} */ ([]), changes: 0 });

let lastSent = Promise.resolve();

stayWhile(() => uploads.value.list.some(({ refusal }) => !refusal));

/** @param {Pick<Upload, "loadId" | "file" | "kind"> & Partial<Upload>} file new, or tried again */
export function upload(file) {
  const one = { key: newKey(), ...file, refusal: "" };
  replace(one.key, one);
  lastSent = lastSent.then(() => sendOne(one));
}

/** @param {string} key @param {Upload[]} by */
export const replace = (key, ...by) =>
  uploads.set({ list: [...uploads.value.list.filter((each) => each.key !== key), ...by] });

/** @param {Upload} one */
async function sendOne(one) {
  const { key, loadId, file, kind } = one;
  const name = isolate(file.name);
  try {
    await checkReadable(file);
    const about = { kind, name: file.name.replace(ENDING, "") };
    await sendDocument(`/loads/${loadId}/documents`, await shrunk(file), about, key);
    replace(key);
    documentsChanged();
    say(t("{name} was added.", { name }));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const reason = Object.values(error.errors).join(" ") || error.message;
    replace(key, { ...one, refusal: reason });
    toast(t("{name} was not added: {reason}", { name, reason }), { isGood: false });
  }
}

export const documentsChanged = () => uploads.set({ changes: uploads.value.changes + 1 });
