// What the board says: refusals at their load, other messages for a while, and what
// screen readers say.

import { get, Problem } from "../api/client.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { fleet } from "./fleet.js";
import { Store } from "./store.js";

/** The driver hears of it only then. */
const UNDO_MILLISECONDS = 10_000;
const TOAST_MILLISECONDS = 8_000;

/** @type {Store<{troubles: Map<number, Trouble>, toasts: Toast[], said: string}>} */
export const notices = new Store({
  troubles: new Map(),
  toasts: /** @type {Toast[]} */ ([]),
  said: "",
});

let lastToast = 0;

/** @param {string} text for screen readers */
export const say = (text) => notices.set({ said: text });

/**
 * Show a refusal at a load, with who caused it and a link to the conflicting load; also in a message,
 * since the load may be out of sight by now.
 * @param {number} loadId @param {Problem} problem
 * @param {() => void} [plan] makes it the driver's next load instead
 */
export async function showTrouble(loadId, problem, plan) {
  const detail = problem.message;
  setTrouble(loadId, { detail });
  const reason = await reasonOf(problem, loadId);
  if (notices.value.troubles.has(loadId)) setTrouble(loadId, { detail, ...reason });
  const more = { isGood: false, ...reason, ...(plan && { loadId, plan }) };
  toast(t("Load {id}: {problem}", { id: loadId, problem: detail }), more);
}

/** Show at a current load that somebody was not notified. @param {Change} change */
export function showUnreached(change) {
  const { type, loadId, assignmentId } = change;
  const { assignments, plans } = fleet.value;
  const isCurrent = assignments.has(assignmentId ?? 0) || plans.has(assignmentId ?? 0);
  if (type !== "notification.failed" || !isCurrent || !loadId) return;
  const by = { ...change, type: "NOTIFICATION_FAILED", user: null };
  setTrouble(loadId, { detail: t("Somebody was not notified."), by });
}

/** @param {number} loadId @param {Trouble} trouble */
const setTrouble = (loadId, trouble) =>
  notices.set({ troubles: new Map(notices.value.troubles).set(loadId, trouble) });

/** Forget why the last action was refused, or how to undo it. @param {number} loadId */
export function dismissTrouble(loadId) {
  const troubles = new Map(notices.value.troubles);
  troubles.delete(loadId);
  const toasts = notices.value.toasts.filter((shown) => shown.loadId !== loadId);
  notices.set({ troubles, toasts });
}

/**
 * @param {Problem} problem
 * @param {number} [loadId] the load that was to be changed
 * @returns {Promise<Pick<Trouble, "conflict" | "by" | "driver">>}
 */
export async function reasonOf(problem, loadId) {
  if (![409, 412].includes(problem.status)) return {};
  if (problem.code === "driver_papers_expired")
    return { driver: fleet.value.drivers.get(problem.driverId ?? 0) };
  const conflict = await conflictingLoad(problem);
  if (problem.loadId !== undefined) return { conflict }; // it has the reference, whoever gave it
  const by = await lastChange(conflict?.loadId ?? loadId, problem.assignmentId);
  return { conflict: conflict?.loadId === loadId ? null : conflict, by };
}

/** @param {number} loadId of a load that somebody else has just changed */
export async function tellChanged(loadId) {
  const by = await lastChange(loadId);
  toast(t("Load {id} has been changed by somebody else.", { id: loadId }), { isGood: false, by });
}

/**
 * @param {number | undefined} loadId @param {number} [assignmentId]
 * @returns {Promise<TimelineEntry | null>} the last thing done to a load, or to this assignment of it
 */
async function lastChange(loadId, assignmentId) {
  if (loadId === undefined) return null;
  /** @type {TimelineEntry[]} */
  const entries = await get(`/loads/${loadId}/timeline?limit=200`).catch(() => []);
  const isIt = (/** @type {TimelineEntry} */ entry) =>
    assignmentId === undefined || entry.assignmentId === assignmentId;
  return entries.findLast(isIt) ?? null;
}

/** @param {Problem} problem @returns {Promise<Trouble["conflict"]>} */
async function conflictingLoad({ assignmentId, loadId }) {
  if (loadId !== undefined) return { loadId, text: t("Load {id}", { id: loadId }) };
  if (assignmentId === undefined) return null;
  /** @type {AssignmentDetail | null} */
  const found = await get(`/assignments/${assignmentId}`).catch(() => null);
  if (!found) return null;
  const { load, driver } = found;
  return {
    loadId: load.id,
    text: t("{driver}: load {id}, {from} → {to}", {
      driver: isolate(driver.name),
      id: load.id,
      from: isolate(load.origin),
      to: isolate(load.destination),
    }),
  };
}

/** Show a message for a while. @param {string} detail @param {Partial<Toast>} [more] */
export function toast(detail, more = {}) {
  const shown = { id: ++lastToast, detail, isGood: true, ...more };
  notices.set({ toasts: [...notices.value.toasts, shown].slice(-3), said: detail });
  setTimeout(
    () => dismissToast(shown.id),
    more.undo || more.plan ? UNDO_MILLISECONDS : TOAST_MILLISECONDS,
  );
}

/** @param {number} id */
export const dismissToast = (id) =>
  notices.set({ toasts: notices.value.toasts.filter((shown) => shown.id !== id) });
