// What the board knows: loads, active assignments and drivers, each as new as the newest answer.

import { pages } from "../api/client.js";
import { Store } from "./store.js";

/** @import {Assignment, AssignmentDetail, Change, Driver, Load} from "../types.js" */

const LISTS = {
  loads: "/loads?status=OPEN&sort=pickupAt&limit=200",
  assignments: "/assignments?status=ASSIGNED&expand=driver,load&limit=200",
  drivers: "/drivers?available=true&limit=200",
};

export class Fleet {
  constructor() {
    /** @type {Map<number, Load>} */
    this.loads = new Map();
    /** Active ones only. @type {Map<number, Assignment>} */
    this.assignments = new Map();
    /** @type {Map<number, Driver>} */
    this.drivers = new Map();
    /** An event that was overtaken does not make them active again. @type {Set<number>} */
    this.closed = new Set();
    /** When a row was last received, by a clock that counts. @type {WeakMap<object, number>} */
    this.received = new WeakMap();
    this.clock = 0;
    /** Raised by each change, so that what is derived can be kept until then. */
    this.version = 0;
    /** Raised when finished loads change. */
    this.finished = 0;
    this.isComplete = false;
  }

  /**
   * Take a load, unless a newer state of it is known.
   *
   * @param {Load} load
   */
  putLoad(load) {
    const known = this.loads.get(load.id);
    const isNewer = known === undefined || known.updatedAt <= load.updatedAt;
    if (isNewer && (isFinished(load) || (known && isFinished(known)))) this.finished += 1;
    this.loads.set(load.id, this.mark(isNewer ? load : known));
  }

  /** @param {Driver} driver */
  putDriver(driver) {
    this.drivers.set(driver.id, this.mark(driver));
  }

  /** @param {Assignment} assignment */
  putAssignment({ id, driverId, loadId, status, assignedAt, closedAt }) {
    if (status !== "ASSIGNED") this.close(id);
    if (this.closed.has(id)) return;
    this.assignments.set(id, this.mark({ id, driverId, loadId, status, assignedAt, closedAt }));
  }

  /** @param {AssignmentDetail} detail */
  putDetail(detail) {
    this.putLoad(detail.load);
    this.putDriver(detail.driver);
    this.putAssignment(detail);
  }

  /** @param {number} assignmentId */
  close(assignmentId) {
    this.closed.add(assignmentId);
    this.assignments.delete(assignmentId);
    this.version += 1;
  }

  /**
   * Take an event of the stream. It may come twice, and after an answer that is newer.
   *
   * @param {Change} change
   */
  apply({ type, driverId, loadId, assignmentId, payload, timestamp }) {
    const known = loadId === null ? undefined : this.loads.get(loadId);
    const isOld = known && payload.load && known.updatedAt > payload.load.updatedAt;
    if (payload.load) this.putLoad(payload.load);
    if (payload.driver && !isOld) this.putDriver(payload.driver);
    if (assignmentId === null || driverId === null || loadId === null) return;
    if (type === "load.updated") return;
    if (type === "load.assigned" && isOld) return; // it was closed since, or given to another
    if (type === "assignment.reopened") this.closed.delete(assignmentId);
    if (type === "load.assigned" || type === "assignment.reopened") {
      const times = { assignedAt: payload.assignedAt ?? timestamp, closedAt: null };
      this.putAssignment({ id: assignmentId, driverId, loadId, status: "ASSIGNED", ...times });
    } else {
      this.close(assignmentId);
    }
  }

  /**
   * @template {object} Row
   * @param {Row} row
   * @returns {Row}
   */
  mark(row) {
    this.received.set(row, ++this.clock);
    this.version += 1;
    return row;
  }

  /**
   * Forget the rows that a complete list no longer has, unless they were received since.
   *
   * @param {Map<number, object>} rows
   * @param {number} since
   */
  forget(rows, since) {
    for (const [id, row] of rows) {
      if ((this.received.get(row) ?? 0) <= since) rows.delete(id);
    }
    this.version += 1;
  }
}

/** @param {Load} load */
const isFinished = ({ status }) => status === "COMPLETED" || status === "CANCELLED";

/** @type {Store<Fleet>} */
export const fleet = new Store(new Fleet());

/** @type {Promise<void> | undefined} */
let running;
let isAskedAgain = false;

/**
 * Get all lists, and show each page as it comes. Asked again meanwhile, it does so once more.
 *
 * @returns {Promise<void>} Raises `Problem` if the API cannot be reached.
 */
export function refetch() {
  if (running) isAskedAgain = true;
  running ??= getAll().finally(() => {
    running = undefined;
  });
  return running;
}

async function getAll() {
  do {
    isAskedAgain = false;
    const known = fleet.value;
    const since = known.clock;
    await Promise.all([
      getList(LISTS.loads, (load) => known.putLoad(load)),
      getList(LISTS.assignments, (assignment) => known.putDetail(assignment)),
      getList(LISTS.drivers, (driver) => putListed(known, driver, since)),
    ]);
    for (const rows of [known.loads, known.assignments, known.drivers]) known.forget(rows, since);
    known.finished += 1;
    known.isComplete = true;
    fleet.tell();
  } while (isAskedAgain);
}

/**
 * Drivers have no time of change: an event that came meanwhile is newer than the list.
 *
 * @param {Fleet} known
 * @param {Driver} driver
 * @param {number} since
 */
function putListed(known, driver, since) {
  const current = known.drivers.get(driver.id);
  if (!current || (known.received.get(current) ?? 0) <= since) known.putDriver(driver);
}

/**
 * @param {string} path
 * @param {(row: any) => void} put
 */
async function getList(path, put) {
  let count = 0;
  for await (const page of pages(path)) {
    for (const row of page) put(row);
    // After the first, second, fourth, … page: sorting and drawing all rows takes time.
    count += 1;
    if (Number.isInteger(Math.log2(count))) fleet.tell();
  }
}

/**
 * Take an event of the stream, and show it.
 *
 * @param {Change} change
 */
export function applyChange(change) {
  fleet.value.apply(change);
  fleet.tell();
}
