// The lists of the board, from what is known, what is pending, and the filters.

import { dueAt, SORTS, sortByTime, urgencyAt } from "./due.js";
import { driverText, fold, hasAll, loadText, words } from "./search.js";

/** @import {Fleet} from "./fleet.js" */

/**
 * `active` and `planned`: by load, with what is pending.
 * @typedef {{fleet: Fleet, pending: Map<number, Pending>, active: Map<number, Assignment>,
 *   planned: Map<number, Assignment>}} Known
 */

/** The id of an assignment that the API has not made yet. */
const NOT_YET = 0;

const byName = new Intl.Collator(undefined, { sensitivity: "base", numeric: true }).compare;

/**
 * @param {Fleet} fleet @param {Map<number, Pending>} pending @param {Filters} filters
 * @param {string} now @returns {Lists}
 */
export function makeLists(fleet, pending, filters, now) {
  const known = { fleet, pending, ...assignmentsSoon(fleet, pending) };
  const road = onTheRoad(known);
  const all = {
    waiting: waitingLoads(known),
    road,
    busy: busyDrivers(known, road),
    drivers: freeDrivers(known),
  };
  const urgency = urgencyAt(now);
  /** @param {Urgency} wanted */
  const counts = (wanted) => ({
    waiting: all.waiting.filter((item) => urgency(dueAt(item)) === wanted).length,
    road: all.road.filter((item) => urgency(dueAt(item)) === wanted).length,
  });
  const found = filtered(all, filters, urgency);
  const areAllDrivers =
    filters.q !== "" &&
    found.drivers.length + found.busy.length === 0 &&
    found.waiting.length + found.road.length > 0;
  return {
    ...found,
    ...(areAllDrivers && { drivers: all.drivers, busy: all.busy }),
    areAllDrivers,
    chips: {
      late: counts("late"),
      soon: counts("soon"),
      unassigned: { waiting: all.waiting.filter(isUnassigned).length, road: 0 },
    },
    version: fleet.version,
    total: {
      waiting: all.waiting.length,
      road: all.road.length,
      drivers: all.drivers.length,
      busy: all.busy.length,
    },
  };
}

/**
 * @param {Fleet} fleet @param {Map<number, Pending>} pending
 * @returns the assignments that are active and planned soon, by their loads
 */
function assignmentsSoon({ assignments, plans }, pending) {
  const [active, planned] = [byLoad(assignments), byLoad(plans)];
  for (const action of pending.values()) {
    if (action.kind === "status") continue;
    const { loadId } = action;
    const [ended, plan] = [active.get(loadId), planned.get(loadId)];
    active.delete(loadId);
    planned.delete(loadId);
    if (action.kind !== "close")
      (action.isPlan ? planned : active).set(loadId, shownAtOnce(action, ended ?? plan));
    const next = [...planned.values()].find(({ driverId }) => driverId === ended?.driverId);
    if (!next) continue;
    planned.delete(next.loadId);
    active.set(next.loadId, next);
  }
  return { active, planned };
}

/** @param {Map<number, Assignment>} assignments */
export const byLoad = (assignments) =>
  new Map([...assignments.values()].map((each) => [each.loadId, each]));

/**
 * @param {Extract<Pending, {driverId: number}>} action @param {Assignment | undefined} before
 * @returns {Assignment}
 */
function shownAtOnce(action, before) {
  const { loadId, driverId, isPlan } = action;
  const at = "at" in action ? action.at : (before?.assignedAt ?? "");
  const status = isPlan ? "PLANNED" : "ASSIGNED";
  return { id: NOT_YET, loadId, driverId, status, assignedAt: at, closedAt: null };
}

/** @param {Known} known */
const waitingLoads = ({ fleet, pending, active, planned }) =>
  [...fleet.loads.values()]
    .filter((load) => !active.has(load.id) && statusSoon(load, pending.get(load.id)) === "OPEN")
    .map((load) => ({ load, isPending: pending.has(load.id), planned: planned.get(load.id) }));

/** @param {Waiting | OnTheRoad} item */
const isUnassigned = (item) => !("assignment" in item || item.planned);

/** @param {Load} load @param {Pending | undefined} action */
function statusSoon(load, action) {
  if (action?.kind === "status") return action.to;
  if (action?.isPlan) return "OPEN";
  if (action?.kind === "close") return action.to === "CANCELLED" ? "OPEN" : "COMPLETED";
  return load.status;
}

/** @param {Known} known */
const onTheRoad = ({ fleet, pending, active }) =>
  [...active.values()].flatMap((assignment) => {
    const load = fleet.loads.get(assignment.loadId);
    const driver = fleet.drivers.get(assignment.driverId);
    return load && driver ? [{ assignment, load, driver, isPending: pending.has(load.id) }] : [];
  });

/** @param {Known} known @param {OnTheRoad[]} road */
function busyDrivers({ fleet, planned }, road) {
  const next = new Map([...planned.values()].map(({ driverId, loadId }) => [driverId, loadId]));
  const busy = road
    .filter(({ driver }) => driver.status === "ACTIVE")
    .map((item) => ({ ...item, next: fleet.loads.get(next.get(item.driver.id) ?? NOT_YET) }));
  return sortByTime(busy, dueAt);
}

/** @param {Known} known */
function freeDrivers({ fleet, active }) {
  const busy = new Set([...active.values()].map(({ driverId }) => driverId));
  return [...fleet.drivers.values()]
    .filter((driver) => driver.status === "ACTIVE" && !busy.has(driver.id))
    .sort((one, other) => byName(one.name, other.name) || one.id - other.id);
}

/**
 * @param {Pick<Lists, "waiting" | "road" | "drivers" | "busy">} all @param {Filters} filters
 * @param {(deadline: string | null) => Urgency} urgency
 */
function filtered({ waiting, road, drivers, busy }, filters, urgency) {
  const { q, only, sort } = filters;
  const wanted = words(q);
  const goesThere = goingThere(filters);
  /** @param {Waiting | OnTheRoad} item */
  const isWanted = (item) =>
    !only || (only === "unassigned" ? isUnassigned(item) : urgency(dueAt(item)) === only);
  /**
   * @template {Waiting | OnTheRoad} Item
   * @param {Item[]} items @param {(item: Item) => string} textOf
   */
  const loads = (items, textOf) =>
    sortByTime(
      items.filter(
        (item) => isWanted(item) && goesThere(item.load) && hasAll(textOf(item), wanted),
      ),
      SORTS[sort],
    );
  return {
    waiting: loads(waiting, ({ load }) => loadText(load)),
    road: loads(road, ({ load, driver }) => `${loadText(load)}\n${driverText(driver)}`),
    drivers: drivers.filter((driver) => hasAll(driverText(driver), wanted)),
    busy: busy.filter(({ driver }) => hasAll(driverText(driver), wanted)),
  };
}

/** Return whether a load has the wanted places, or parts of them. @param {Filters} filters */
export function goingThere({ origin, destination }) {
  const [from, to] = [fold(origin), fold(destination)];
  return (/** @type {Load} */ load) =>
    (!from || fold(load.origin).includes(from)) && (!to || fold(load.destination).includes(to));
}

/**
 * @param {Fleet} fleet @param {"origin" | "destination"} end
 * @returns {Map<string, string>} the places as they are written, by their folded text
 */
export function knownPlaces(fleet, end) {
  const written = new Set([...fleet.loads.values()].map((load) => load[end]));
  return new Map([...written].map((place) => [fold(place), place]));
}
