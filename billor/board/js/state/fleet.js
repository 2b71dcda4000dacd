// What the board knows: loads, current assignments and drivers, each as new as the newest answer.

import { pages } from "../api/client.js";
import { Store } from "./store.js";

const LISTS = {
  changed: "/loads?sort=updatedAt&limit=200&updatedFrom=",
  loads: "/loads?status=OPEN&sort=pickupAt&limit=200",
  assignments: "/assignments?status=ASSIGNED&status=PLANNED&expand=driver,load&limit=200",
  drivers: "/drivers?available=true&limit=200",
};

/** Changes may be committed so much later than their time says. */
const OVERLAP_MILLISECONDS = 60_000;

export class Fleet {
  /** @type {Map<number, Load>} */
  loads = new Map();
  /** Active ones only. @type {Map<number, Assignment>} */
  assignments = new Map();
  /** Of drivers' next loads. @type {Map<number, Assignment>} */
  plans = new Map();
  /** @type {Map<number, Driver>} */
  drivers = new Map();
  /** An event that was overtaken does not make them active again. @type {Set<number>} */
  closed = new Set();
  /** When a row was last received, by a clock that counts. @type {WeakMap<object, number>} */
  received = new WeakMap();
  clock = 0;
  /** Raised by each change, so that what is derived can be kept until then. */
  version = 0;
  /** Raised when finished loads change. */
  finished = 0;
  isComplete = false;

  /** Take a load, unless a newer state of it is known. @param {Load} load */
  putLoad(load) {
    const known = this.loads.get(load.id);
    const isNewer = known === undefined || known.updatedAt <= load.updatedAt;
    if (isNewer && (isFinished(load) || (known && isFinished(known)))) this.finished += 1;
    this.loads.set(load.id, this.mark(isNewer ? load : known));
  }

  /** @param {Driver} driver */
  putDriver(driver) {
    const known = this.drivers.get(driver.id); // events of loads leave out some fields
    this.drivers.set(driver.id, this.mark({ ...known, ...driver }));
  }

  /** @param {Assignment} assignment */
  putAssignment(assignment) {
    const { id, loadId, status } = assignment;
    const isPlanned = status === "PLANNED";
    if (isPlanned && this.loads.get(loadId)?.status === "ASSIGNED") return; // it is active by now
    if (!isPlanned && status !== "ASSIGNED") this.close(id);
    if (this.closed.has(id)) return;
    const known = this.assignments.get(id); // of what `load.assigned` says nothing
    this.drop(id);
    const rows = isPlanned ? this.plans : this.assignments;
    rows.set(id, this.mark({ ...known, ...assignment }));
  }

  /** @param {AssignmentDetail} detail */
  putDetail(detail) {
    this.putLoad(detail.load);
    this.putDriver(detail.driver);
    this.putAssignment(detail);
  }

  /**
   * Take an assignment from a list, with its driver and its load.
   * @param {AssignmentDetail} detail @param {number} since
   */
  putListedAssignment(detail, since) {
    const { id, load, driver } = detail;
    const isOld = (this.loads.get(load.id)?.updatedAt ?? "") > load.updatedAt;
    if (!isOld) this.closed.delete(id);
    this.putLoad(load);
    this.putListedDriver(driver, since);
    const known = this.assignments.get(id) ?? this.plans.get(id);
    if (!known || !this.isNewer(known, since)) this.putAssignment(detail);
  }

  /** @param {Driver} driver @param {number} since */
  putListedDriver(driver, since) {
    const known = this.drivers.get(driver.id);
    if (!known || !this.isNewer(known, since)) this.putDriver(driver);
  }

  /**
   * Drivers have no time of change, and check-ins change no load: an event that came since is newer
   * than the list.
   * @param {object} row @param {number} since
   */
  isNewer = (row, since) => (this.received.get(row) ?? 0) > since;

  /** @param {number} assignmentId */
  close(assignmentId) {
    this.closed.add(assignmentId);
    this.drop(assignmentId);
    this.version += 1;
  }

  /** @param {number} assignmentId */
  drop(assignmentId) {
    this.assignments.delete(assignmentId);
    this.plans.delete(assignmentId);
  }

  /** @param {Driver} driver @returns the assignment that the driver is on the road with */
  activeOf = ({ id }) => [...this.assignments.values()].find(({ driverId }) => driverId === id);

  /** @param {Load} load @returns the assignment that makes it somebody's next load */
  plannedOf = ({ id }) => [...this.plans.values()].find(({ loadId }) => loadId === id);

  /** @param {Driver} driver @returns the assignment of the driver's next load */
  plannedFor = ({ id }) => [...this.plans.values()].find(({ driverId }) => driverId === id);

  /**
   * Take an event of the stream. It may come twice, and after an answer that is newer.
   * @param {Change} change
   */
  apply({ type, driverId, loadId, assignmentId, payload, timestamp }) {
    const known = loadId === null ? undefined : this.loads.get(loadId);
    const isOld = known && payload.load && known.updatedAt > payload.load.updatedAt;
    if (payload.load) this.putLoad(payload.load);
    else if (known) this.mark(known); // its timeline has more
    if (payload.driver && !isOld) this.putDriver(payload.driver);
    if (assignmentId === null || driverId === null || loadId === null) return;
    const status = STATUS_BY_TYPE[type];
    if (status && isOld) return; // it was closed since, or given to another
    if (type === "assignment.reopened") this.closed.delete(assignmentId);
    if (payload.assignment) {
      this.putAssignment(payload.assignment);
    } else if (status) {
      const times = { assignedAt: timestamp, closedAt: null };
      this.putAssignment({ id: assignmentId, driverId, loadId, status, ...times });
    } else if (type === "load.completed" || type === "assignment.cancelled") {
      this.close(assignmentId);
    }
  }

  /**
   * @template {object} Row
   * @param {Row} row @returns {Row}
   */
  mark(row) {
    this.received.set(row, ++this.clock);
    this.version += 1;
    return row;
  }

  /**
   * Forget the rows that a complete list no longer has, unless they were received since.
   * @param {Map<number, object>} rows @param {number} since
   * @param {Set<number>} [kept] ids that the list leaves out
   */
  forget(rows, since, kept = new Set()) {
    for (const [id, row] of rows) {
      if (!this.isNewer(row, since) && !kept.has(id)) rows.delete(id);
    }
    this.version += 1;
  }
}

/** @type {Record<string, AssignmentStatus>} */
const STATUS_BY_TYPE = { "load.assigned": "ASSIGNED", "load.planned": "PLANNED" };

/** @param {Load} load */
const isFinished = ({ status }) => status === "COMPLETED" || status === "CANCELLED";

/** @type {Store<Fleet>} */
export const fleet = new Store(new Fleet());

/** @type {Promise<void> | undefined} */
let running;
/** Infinity: nothing more is asked for. */
let askedSince = Infinity;

/**
 * Get all lists, or what has changed since a time of the API, and show each page as it comes. Asked
 * again meanwhile, it does so once more.
 * @param {number} [time] in milliseconds since 1970
 * @returns {Promise<void>} Raises `Problem` if the API cannot be reached.
 */
export function refetch(time = 0) {
  askedSince = Math.min(askedSince, fleet.value.isComplete ? time : 0);
  running ??= getLists().finally(() => {
    running = undefined;
  });
  return running;
}

async function getLists() {
  const known = fleet.value;
  while (askedSince < Infinity) {
    const time = askedSince;
    askedSince = Infinity;
    await getRows(known, time);
    known.finished += 1;
    known.isComplete = true;
    fleet.tell();
  }
}

/** @param {Fleet} known @param {number} time */
async function getRows(known, time) {
  const since = known.clock;
  const from = new Date(time - OVERLAP_MILLISECONDS).toISOString();
  await Promise.all([
    getList(LISTS.drivers, (driver) => known.putListedDriver(driver, since)),
    getList(LISTS.assignments, (each) => known.putListedAssignment(each, since)),
    getList(time ? LISTS.changed + from : LISTS.loads, (load) => known.putLoad(load)),
  ]);
  const current = [known.assignments, known.plans];
  for (const rows of time ? current : [known.loads, ...current]) known.forget(rows, since);
  const assignments = current.flatMap((rows) => [...rows.values()]);
  const busy = new Set(assignments.map(({ driverId }) => driverId));
  known.forget(known.drivers, since, busy);
}

/** @param {string} path @param {(row: any) => void} put */
async function getList(path, put) {
  let count = 0;
  for await (const page of pages(path)) {
    for (const row of page) put(row);
    // After the first, second, fourth, … page: sorting and drawing all rows takes time.
    count += 1;
    if (Number.isInteger(Math.log2(count))) fleet.tell();
  }
}

/** Take an event of the stream, show it, and return it. @param {Change} change */
export function applyChange(change) {
  fleet.value.apply(change);
  fleet.tell();
  return change;
}
