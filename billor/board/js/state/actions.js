// What people do on the board. It is shown at once, and taken back if the API refuses it.

import { newKey, Problem, request } from "../api/client.js";
import { conflictInWords } from "../api/words.js";
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

/**
 * Give a load to a driver: at once, or as the next one of a driver who has a load.
 * @param {Load} load @param {Driver} driver
 * @param {Assignment} [assignment] of the load, if it is to get another driver
 */
export function give(load, driver, assignment = fleet.value.plannedOf(load)) {
  const isPlan = fleet.value.activeOf(driver) !== undefined;
  if (!assignment || assignment.driverId === driver.id) return assign(load, driver, isPlan);
  return reassign(assignment, driver, isPlan);
}

/**
 * @param {Load} load @param {Driver} driver @param {boolean} [isPlan]
 * @returns {Promise<string | void>}
 */
export function assign(load, driver, isPlan = false) {
  const ids = { driverId: driver.id, loadId: load.id };
  return perform(
    { kind: "assign", ...ids, isPlan, at: new Date().toISOString() },
    isPlan
      ? planText(load.id, driver)
      : t("Load {id} assigned to {driver}.", partsOf(load.id, driver)),
    (key) => request("POST", "/assignments", { key, body: { ...ids, plan: isPlan } }),
    {
      undo: (made) => close(made, "CANCELLED", false),
      plan: () => assign(load, driver, true),
    },
  );
}

/** @param {number} id @param {Driver} driver */
const partsOf = (id, { name }) => ({ id, driver: isolate(name) });

/** @param {number} id @param {Driver} driver */
const planText = (id, driver) => t("Load {id} is next for {driver}.", partsOf(id, driver));

/**
 * @param {Assignment} assignment @param {"COMPLETED" | "CANCELLED"} to @param {boolean} [mayUndo]
 */
export function close(assignment, to, mayUndo = true) {
  const { id, loadId } = assignment;
  const isPlan = assignment.status === "PLANNED";
  return perform(
    { kind: "close", loadId, assignmentId: id, to, isPlan },
    to === "COMPLETED"
      ? t("Load {id} completed.", { id: loadId })
      : t("Load {id} waits again.", { id: loadId }),
    (key) => request("PATCH", `/assignments/${id}/status`, { key, body: { status: to } }),
    { undo: mayUndo && (isPlan ? () => planAgain(assignment) : () => reopen(assignment)) },
  );
}

/** @param {Assignment} plan */
async function planAgain({ loadId, driverId }) {
  const { loads, drivers } = fleet.value;
  const [load, driver] = [loads.get(loadId), drivers.get(driverId)];
  if (load && driver) await assign(load, driver, true);
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
 * @param {Assignment} assignment @param {Driver} driver
 * @param {boolean} isPlan whether it becomes the driver's next one
 * @param {boolean} [mayUndo] @returns {Promise<string | void>}
 */
function reassign(assignment, driver, isPlan, mayUndo = true) {
  const { id, loadId, driverId, status } = assignment;
  const before = fleet.value.drivers.get(driverId);
  const body = { driverId: driver.id, plan: isPlan };
  return perform(
    { kind: "reassign", loadId, assignmentId: id, driverId: driver.id, isPlan },
    isPlan ? planText(loadId, driver) : t("Load {id} moved to {driver}.", partsOf(loadId, driver)),
    (key) => request("POST", `/assignments/${id}/reassign`, { key, body }),
    {
      undo: mayUndo && before && ((made) => reassign(made, before, status === "PLANNED", false)),
      plan: () => reassign(assignment, driver, true),
    },
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
    { undo: to === "CANCELLED" && ((changed) => setStatus(changed, "OPEN")) },
  );
}

/**
 * Show an action until it is answered, and then offer to undo it.
 * @param {Pending} action
 * @param {string} text what is done
 * @param {(key: string) => Promise<{data: any}>} send
 * @param {{undo?: false | undefined | ((answer: any) => Promise<unknown>), plan?: () => Promise<unknown>}} [then]
 *   `plan`: does it once the driver's load has ended
 * @returns {Promise<string | void>} why it was refused
 */
async function perform(action, text, send, { undo, plan } = {}) {
  const { loadId } = action;
  if (pending.value.byLoad.has(loadId)) return;
  setPending(loadId, action);
  dismissTrouble(loadId);
  say(text);
  try {
    const { data } = await send(newKey());
    take(action, data);
    const follows = whatFollows(action, data);
    const more = undo ? { undo: () => void undo(data) } : {};
    if (undo || follows) toast([text, follows].join(" ").trim(), { loadId, ...more });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showTrouble(loadId, error, error.canPlan ? plan : undefined);
    return error.message;
  } finally {
    fleet.tell();
    setPending(loadId, null);
  }
}

/**
 * @param {Pending} action @param {any} answer
 * @returns {string} what else has come of it
 */
function whatFollows({ kind, isPlan }, { status, next, driver }) {
  if (isPlan && status === "ASSIGNED") return t("The driver is free now, so the load is active.");
  if (kind !== "close" || isPlan || !next) return "";
  const parts = partsOf(next.loadId, driver);
  if (next.status === "ASSIGNED") return t("{driver}'s next load {id} is active now.", parts);
  const why = conflictInWords({ code: next.left, detail: "" });
  return t("{driver}'s next load {id} stays planned: {why}", { ...parts, why });
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
  if (data.next) known.putDetail({ ...data.next, driver: data.driver });
}
