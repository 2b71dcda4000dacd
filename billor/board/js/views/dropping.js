// What may be dragged onto what: loads and drivers onto each other, and a load back to where it waits.

import { give } from "../state/actions.js";
import { stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { tellChanged, toast } from "../state/notices.js";
import { startDragging } from "../ui/dragging.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { askToGiveBack } from "./dialogs.js";

/** A load on the road has its assignment, too. @typedef {{load?: Load, driver?: Driver, assignment?: Assignment}} Dragged */

/** @param {PointerEvent} event @param {Dragged} dragged */
export function drag(event, dragged) {
  const { load, driver, assignment } = dragged;
  startDragging(event, {
    kind: load ? "load" : "driver",
    text: load ? routeOf(load) : isolate(driver?.name ?? ""),
    onto: ["road", load ? "driver" : "load", ...(assignment ? ["waiting"] : [])],
    onLift: stopChoosing,
    onDrop: (target) => drop(dragged, target),
  });
}

/**
 * @param {Dragged} dragged
 * @param {string} target such as `driver:12`; that of a load on the road is its assignment
 */
function drop({ load, driver, assignment }, target) {
  const { loads, drivers, assignments } = fleet.value;
  const [kind, number] = target.split(":");
  const id = Number(number);
  const [other, onto] = [drivers.get(id), loads.get(id)];
  const there = kind === "road" ? assignments.get(id) : undefined;
  if (!target) {
    refuse(t("It is no longer there. Nothing was changed."));
  } else if (assignment && !assignments.has(assignment.id)) {
    tellChanged(assignment.loadId);
  } else if (kind === "waiting" && load && driver && assignment) {
    askToGiveBack({ load, driver, assignment });
  } else if (kind === "driver" && load && other) {
    give(load, other, assignment);
  } else if (kind === "load" && driver && onto) {
    give(onto, driver);
  } else if (there) {
    dropOnRoad(there, { load, driver, assignment });
  }
}

/** @param {Assignment} there @param {Dragged} dragged */
function dropOnRoad(there, { load, driver, assignment }) {
  const { loads, drivers } = fleet.value;
  const [itsLoad, itsDriver] = [loads.get(there.loadId), drivers.get(there.driverId)];
  if (!itsLoad || !itsDriver || there.id === assignment?.id || driver === itsDriver) return;
  if (assignment) refuseBusy(there);
  else if (load) give(load, itsDriver);
  else if (driver) give(itsLoad, driver, there);
}

/** @param {Assignment} assignment */
function refuseBusy({ driverId, loadId }) {
  const { loads, drivers } = fleet.value;
  const [load, driver] = [loads.get(loadId), drivers.get(driverId)];
  if (!load || !driver) return;
  refuse(
    t(
      "{driver} is on the road with load {id}, {route}. Complete it, or give it to another driver first.",
      { driver: isolate(driver.name), id: loadId, route: routeOf(load) },
    ),
  );
}

/** @param {Load} load */
const routeOf = ({ origin, destination }) => `${isolate(origin)} → ${isolate(destination)}`;

/** @param {string} text */
const refuse = (text) => toast(text, { isGood: false });
