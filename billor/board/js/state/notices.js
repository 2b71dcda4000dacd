// What the board says: refusals at their load, other messages for a while, and what
// screen readers say.

import { get, Problem } from "../api/client.js";
import { isolate } from "../ui/text.js";
import { Store } from "./store.js";

/** @import {AssignmentDetail} from "../types.js" */

/**
 * @typedef {object} Trouble
 * @property {string} detail what the API said
 * @property {{loadId: number, text: string} | null} conflict the conflicting load
 */
/** @typedef {Trouble & {id: number, isGood: boolean}} Toast */

const TOAST_MILLISECONDS = 8_000;

/** @type {Store<{troubles: Map<number, Trouble>, refusals: number, toasts: Toast[], said: string}>} */
export const notices = new Store({
  troubles: new Map(),
  refusals: 0,
  toasts: /** @type {Toast[]} */ ([]),
  said: "",
});

let lastToast = 0;

/** @param {string} text for screen readers */
export function say(text) {
  notices.set({ said: text });
}

/**
 * Show a refusal at a load, with a link to the conflicting load.
 *
 * @param {number} loadId
 * @param {Problem} problem
 */
export async function showTrouble(loadId, problem) {
  setTrouble(loadId, { detail: problem.message, conflict: null });
  say(problem.message);
  const conflict = await conflictingLoad(problem);
  if (conflict && conflict.loadId !== loadId) {
    setTrouble(loadId, { detail: problem.message, conflict });
  }
}

/**
 * @param {number} loadId
 * @param {Trouble} trouble
 */
function setTrouble(loadId, trouble) {
  const { troubles, refusals } = notices.value;
  notices.set({ troubles: new Map(troubles).set(loadId, trouble), refusals: refusals + 1 });
}

/** @param {number} loadId */
export function dismissTrouble(loadId) {
  if (!notices.value.troubles.has(loadId)) return;
  const troubles = new Map(notices.value.troubles);
  troubles.delete(loadId);
  notices.set({ troubles });
}

/**
 * @param {Problem} problem
 * @returns {Promise<Trouble["conflict"]>}
 */
export async function conflictingLoad({ assignmentId, loadId }) {
  if (loadId !== undefined) return { loadId, text: `Load ${loadId}` };
  if (assignmentId === undefined) return null;
  /** @type {AssignmentDetail | null} */
  const found = await get(`/assignments/${assignmentId}`).catch(() => null);
  if (!found) return null;
  const { load, driver } = found;
  return {
    loadId: load.id,
    text:
      `${isolate(driver.name)}: load ${load.id}, ` +
      `${isolate(load.origin)} → ${isolate(load.destination)}`,
  };
}

/**
 * Show a message for a while.
 *
 * @param {string} detail
 * @param {Partial<Toast>} [more]
 */
export function toast(detail, more = {}) {
  const shown = { id: ++lastToast, detail, conflict: null, isGood: true, ...more };
  notices.set({ toasts: [...notices.value.toasts, shown].slice(-3), said: detail });
  setTimeout(() => dismissToast(shown.id), TOAST_MILLISECONDS);
}

/** @param {number} id */
export function dismissToast(id) {
  notices.set({ toasts: notices.value.toasts.filter((shown) => shown.id !== id) });
}
