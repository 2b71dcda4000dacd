// What people do on the board. It is shown at once, and taken back if the API refuses it.

import { newKey, Problem, request } from "../api/client.js";
import { isolate } from "../ui/text.js";
import { fleet } from "./fleet.js";
import { dismissTrouble, say, showTrouble } from "./notices.js";
import { Store } from "./store.js";

/** @import {Assignment, Driver, Load} from "../types.js" */

/**
 * An action that the API has not answered yet.
 *
 * @typedef {{kind: "assign", loadId: number, driverId: number, at: string}
 *   | {kind: "close", loadId: number, assignmentId: number, to: "COMPLETED" | "CANCELLED"}
 *   | {kind: "reassign", loadId: number, assignmentId: number, driverId: number}
 *   | {kind: "status", loadId: number, to: "OPEN" | "CANCELLED"}} Pending
 */

/**
 * By the load that they concern: of two at once, the second is a double click.
 *
 * @type {Store<{byLoad: Map<number, Pending>}>}
 */
export const pending = new Store({ byLoad: new Map() });

/**
 * @param {Load} load
 * @param {Driver} driver
 */
export function assign(load, driver) {
  const at = new Date().toISOString();
  say(`Load ${load.id} assigned to ${isolate(driver.name)}.`);
  return perform({ kind: "assign", loadId: load.id, driverId: driver.id, at }, (key) =>
    request("POST", "/assignments", { key, body: { driverId: driver.id, loadId: load.id } }),
  );
}

/**
 * @param {Assignment} assignment
 * @param {"COMPLETED" | "CANCELLED"} to
 */
export function close({ id, loadId }, to) {
  say(to === "COMPLETED" ? `Load ${loadId} completed.` : `Load ${loadId} waits again.`);
  return perform({ kind: "close", loadId, assignmentId: id, to }, (key) =>
    request("PATCH", `/assignments/${id}/status`, { key, body: { status: to } }),
  );
}

/**
 * @param {Assignment} assignment
 * @param {Driver} driver
 */
export function reassign({ id, loadId }, driver) {
  say(`Load ${loadId} moved to ${isolate(driver.name)}.`);
  return perform({ kind: "reassign", loadId, assignmentId: id, driverId: driver.id }, (key) =>
    request("POST", `/assignments/${id}/reassign`, { key, body: { driverId: driver.id } }),
  );
}

/**
 * Cancel or reopen a load.
 *
 * @param {Load} load
 * @param {"OPEN" | "CANCELLED"} to
 */
export function setStatus(load, to) {
  say(to === "OPEN" ? `Load ${load.id} waits again.` : `Load ${load.id} cancelled.`);
  return perform({ kind: "status", loadId: load.id, to }, (key) =>
    request("PATCH", `/loads/${load.id}`, { key, body: { status: to } }),
  );
}

/**
 * Show an action until it is answered.
 *
 * @param {Pending} action
 * @param {(key: string) => Promise<{data: any}>} send
 * @returns {Promise<void>}
 */
async function perform(action, send) {
  if (pending.value.byLoad.has(action.loadId)) return;
  setPending(action.loadId, action);
  dismissTrouble(action.loadId);
  try {
    const { data } = await send(newKey());
    take(action, data);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showTrouble(action.loadId, error);
  } finally {
    fleet.tell();
    setPending(action.loadId, null);
  }
}

/**
 * @param {number} loadId
 * @param {Pending | null} action
 */
function setPending(loadId, action) {
  const byLoad = new Map(pending.value.byLoad);
  if (action) byLoad.set(loadId, action);
  else byLoad.delete(loadId);
  pending.value = { byLoad };
  pending.tellNow();
}

/**
 * Keep what the API answered; everybody else gets it from the stream.
 *
 * @param {Pending} action
 * @param {any} data
 */
function take(action, data) {
  const known = fleet.value;
  if (action.kind === "status") known.putLoad(data);
  else if (action.kind === "assign") known.putAssignment(data);
  else known.putDetail(data);
  if (action.kind === "reassign") known.close(action.assignmentId);
}
