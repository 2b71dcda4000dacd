// What people do on the board. It is shown at once, and taken back if the API refuses it.

import { newKey, Problem, request } from "../api/client.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { fleet } from "./fleet.js";
import { dismissTrouble, say, showTrouble, toast } from "./notices.js";
import { Store } from "./store.js";

/**
 * By the load that they concern: of two at once, the second is a double click.
 * @type {Store<{byLoad: Map<number, Pending>}>}
 */
export const pending = new Store({ byLoad: new Map() });

/** @param {Load} load @param {Driver} driver */
export function assign(load, driver) {
  const ids = { driverId: driver.id, loadId: load.id };
  return perform(
    { kind: "assign", ...ids, at: new Date().toISOString() },
    t("Load {id} assigned to {driver}.", { id: load.id, driver: isolate(driver.name) }),
    (key) => request("POST", "/assignments", { key, body: ids }),
    (made) => close(made, "CANCELLED", false),
  );
}

/**
 * @param {Assignment} assignment @param {"COMPLETED" | "CANCELLED"} to @param {boolean} [mayUndo]
 */
export function close(assignment, to, mayUndo = true) {
  const { id, loadId } = assignment;
  return perform(
    { kind: "close", loadId, assignmentId: id, to },
    to === "COMPLETED"
      ? t("Load {id} completed.", { id: loadId })
      : t("Load {id} waits again.", { id: loadId }),
    (key) => request("PATCH", `/assignments/${id}/status`, { key, body: { status: to } }),
    mayUndo ? () => reopen(assignment) : undefined,
  );
}

/**
 * Take back that an assignment was completed or cancelled.
 * @param {Pick<Assignment, "id" | "loadId" | "driverId">} assignment @param {string} [reason]
 */
export function reopen({ id, loadId, driverId }, reason = t("Undo")) {
  return perform(
    { kind: "reopen", loadId, driverId, at: new Date().toISOString() },
    t("Load {id} is on the road again.", { id: loadId }),
    (key) => request("POST", `/assignments/${id}/reopen`, { key, body: { reason } }),
  );
}

/**
 * @param {Assignment} assignment @param {Driver} driver @param {boolean} [mayUndo]
 * @returns {Promise<string | void>}
 */
export function reassign({ id, loadId, driverId }, driver, mayUndo = true) {
  const before = fleet.value.drivers.get(driverId);
  return perform(
    { kind: "reassign", loadId, assignmentId: id, driverId: driver.id },
    t("Load {id} moved to {driver}.", { id: loadId, driver: isolate(driver.name) }),
    (key) => request("POST", `/assignments/${id}/reassign`, { key, body: { driverId: driver.id } }),
    mayUndo && before ? (made) => reassign(made, before, false) : undefined,
  );
}

/**
 * Cancel or reopen a load.
 * @param {Load} load @param {"OPEN" | "CANCELLED"} to @returns {Promise<string | void>}
 */
export function setStatus(load, to) {
  const { id } = load;
  return perform(
    { kind: "status", loadId: id, to },
    to === "OPEN" ? t("Load {id} waits again.", { id }) : t("Load {id} cancelled.", { id }),
    (key) => request("PATCH", `/loads/${id}`, { key, shown: load, body: { status: to } }),
    to === "CANCELLED" ? (changed) => setStatus(changed, "OPEN") : undefined,
  );
}

/**
 * Show an action until it is answered, and then offer to undo it.
 * @param {Pending} action
 * @param {string} text what is done
 * @param {(key: string) => Promise<{data: any}>} send
 * @param {(answer: any) => Promise<unknown>} [undo]
 * @returns {Promise<string | void>} why it was refused
 */
async function perform(action, text, send, undo) {
  const { loadId } = action;
  if (pending.value.byLoad.has(loadId)) return;
  setPending(loadId, action);
  dismissTrouble(loadId);
  say(text);
  try {
    const { data } = await send(newKey());
    take(action, data);
    if (undo) toast(text, { loadId, undo: () => void undo(data) });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showTrouble(loadId, error);
    return error.message;
  } finally {
    fleet.tell();
    setPending(loadId, null);
  }
}

/** @param {number} loadId @param {Pending | null} action */
function setPending(loadId, action) {
  const byLoad = new Map(pending.value.byLoad);
  if (action) byLoad.set(loadId, action);
  else byLoad.delete(loadId);
  pending.value = { byLoad };
  pending.tellNow();
}

/**
 * Keep what the API answered; everybody else gets it from the stream.
 * @param {Pending} action @param {any} data
 */
function take(action, data) {
  const known = fleet.value;
  if (action.kind === "reopen") known.closed.delete(data.id);
  if (action.kind === "status") known.putLoad(data);
  else if (action.kind === "assign") known.putAssignment(data);
  else known.putDetail(data);
  if (action.kind === "reassign") known.close(action.assignmentId);
}
