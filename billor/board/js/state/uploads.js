// Documents that a dispatcher adds: sent one after another, each with its own outcome.

import { newKey, Problem } from "../api/client.js";
import { checkReadable } from "../api/upload.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { address } from "./address.js";
import { sendDocument, shrunk } from "./documents.js";
import { say, toast } from "./notices.js";
import { Store } from "./store.js";

/**
 * `key`: its Idempotency-Key. `refusal`: why it was not added. `mayPass`: whether it may be tried
 * again.
 * @typedef {{key: string, loadId: number, file: File, kind: DocumentKind, refusal: string,
 *   mayPass: boolean}} Upload
 */

const ENDING = /\.\w{1,5}$/; // the API adds that of what it recognises

/** Those that are not answered or were refused, and how many documents were added or deleted here. */
export const uploads = new Store({ list: /** @type {Upload[]} */ ([]), changes: 0 });

let lastSent = Promise.resolve();

/** @param {Pick<Upload, "loadId" | "file" | "kind"> & Partial<Upload>} file new, or tried again */
export function upload(file) {
  const one = { key: newKey(), ...file, refusal: "", mayPass: false };
  dismissUpload(one.key);
  uploads.set({ list: [...uploads.value.list, one] });
  lastSent = lastSent.then(() => sendOne(one));
}

/** @param {string} key */
export const dismissUpload = (key) =>
  uploads.set({ list: uploads.value.list.filter((each) => each.key !== key) });

/** @param {Upload} one */
async function sendOne(one) {
  const { key, loadId, file, kind } = one;
  const name = isolate(file.name);
  try {
    await checkReadable(file);
    const about = { kind, name: file.name.replace(ENDING, "") };
    await sendDocument(`/loads/${loadId}/documents`, await shrunk(file), about, key);
    dismissUpload(key);
    documentsChanged();
    tellAt(loadId, t("{name} was added.", { name }), true);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const refusal = Object.values(error.errors).join(" ") || error.message;
    const mayPass = error.code === "unreachable" || error.status >= 500;
    const refused = { ...one, refusal, mayPass };
    uploads.set({ list: uploads.value.list.map((each) => (each.key === key ? refused : each)) });
    tellAt(loadId, t("{name} was not added: {reason}", { name, reason: refusal }), false);
  }
}

/** The page of the load shows it; so it is only said there. */
function tellAt(
  /** @type {number} */ loadId,
  /** @type {string} */ text,
  /** @type {boolean} */ isGood,
) {
  const { name, id } = address.value.route;
  if (name === "load" && id === loadId) say(text);
  else toast(text, { isGood });
}

export const documentsChanged = () => uploads.set({ changes: uploads.value.changes + 1 });
