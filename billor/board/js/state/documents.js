// Documents of loads: photos are made smaller before they are sent.

import { LONG_MILLISECONDS, Problem, problemOf, request, send } from "../api/client.js";
import { t } from "../ui/words.js";

/** @type {Record<DocumentKind, string>} */
export const DOCUMENT_NAMES = {
  POD: t("Proof of delivery"),
  BOL: t("Bill of lading"),
  RATE_CONFIRMATION: t("Rate confirmation"),
  OTHER: t("Other document"),
};
const MAX_BYTES = 10 * 1024 * 1024;
/** Of the longer side: what is written in small print can be read. */
const MAX_PIXELS = 2000;
const QUALITY = 0.8;

/**
 * Make a photo smaller. What the browser cannot decode, such as a PDF, is left as it is.
 * @param {Blob} file
 * @returns {Promise<Blob>} Raises `Problem` if it is still too large.
 */
export async function shrunk(file) {
  const photo = await createImageBitmap(file).catch(() => null);
  const smaller = photo && (await redrawn(photo));
  const found = smaller && smaller.size < file.size ? smaller : file;
  if (found.size <= MAX_BYTES) return found;
  const detail = t("This file is larger than 10 MB.");
  throw new Problem({ status: 0, code: "document_too_large", detail });
}

/** @param {ImageBitmap} photo @returns {Promise<Blob | null>} */
function redrawn(photo) {
  const scale = Math.min(1, MAX_PIXELS / Math.max(photo.width, photo.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(photo.width * scale);
  canvas.height = Math.round(photo.height * scale);
  const context = canvas.getContext("2d");
  if (context) context.fillStyle = "white"; // JPEG has no transparency
  context?.fillRect(0, 0, canvas.width, canvas.height);
  context?.drawImage(photo, 0, 0, canvas.width, canvas.height);
  photo.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

/**
 * @param {string} path of a list of documents
 * @param {Blob} file @param {Record<string, string>} about its kind, and more
 * @param {string} key the Idempotency-Key
 */
export const sendDocument = (path, file, about, key) =>
  request("POST", `${path}?${new URLSearchParams(about)}`, {
    key,
    body: file,
    headers: { "Content-Type": file.type || "application/octet-stream" },
    timeout: LONG_MILLISECONDS,
  });

/** Browsers read no file that has changed, and no folder. @param {File} file Raises `Problem`. */
export async function checkReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    const detail = t("The file has changed since you chose it: choose it again.");
    throw new Problem({ status: 0, code: "file_changed", detail });
  }
}

/** @param {string} path of a document @returns {Promise<Blob>} Raises `Problem`. */
export async function getFile(path) {
  const response = await send("GET", path, { timeout: LONG_MILLISECONDS });
  if (!response.ok) throw await problemOf(response);
  return response.blob();
}
