// The load for which a driver is being chosen.

import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { give } from "./actions.js";
import { isChoosing } from "./address.js";
import { fleet } from "./fleet.js";
import { say, tellChanged } from "./notices.js";
import { Store } from "./store.js";

/**
 * `assignmentId`: of the load, if it is to get another driver.
 * @typedef {{loadId: number | null, assignmentId: number | null}} Choosing
 */

/** @type {Choosing} */
const NOTHING = { loadId: null, assignmentId: null };

/** @type {Store<Choosing>} */
export const choosing = new Store(NOTHING);

/** @param {Load} load @param {number | null} [assignmentId] */
export function startChoosing(load, assignmentId = null) {
  choosing.set({ loadId: load.id, assignmentId });
  if (!isChoosing()) history.pushState({ choosing: true }, ""); // for Back
  say(
    t(
      "Choose a driver for load {id}, {from} to {to}. Arrow keys move, Enter assigns, Escape cancels.",
      { id: load.id, from: isolate(load.origin), to: isolate(load.destination) },
    ),
  );
}

export function stopChoosing() {
  if (choosing.value.loadId === null) return;
  leave();
  say(t("No driver chosen."));
}

/** Give the chosen load to this driver. @param {Driver} driver */
export function chooseDriver(driver) {
  const { loadId, assignmentId } = choosing.value;
  leave();
  const load = fleet.value.loads.get(loadId ?? 0);
  if (load) give(load, driver, fleet.value.assignments.get(assignmentId ?? 0));
}

function leave() {
  choosing.set(NOTHING);
  if (isChoosing()) history.back();
}

addEventListener("popstate", () => {
  if (!isChoosing()) stopChoosing();
});

/** End the choice if somebody else has assigned, cancelled or completed the load meanwhile. */
function endIfGone() {
  const { loadId, assignmentId } = choosing.value;
  if (loadId === null) return;
  const isThere =
    assignmentId === null
      ? fleet.value.loads.get(loadId)?.status === "OPEN"
      : fleet.value.assignments.has(assignmentId);
  if (isThere) return;
  leave();
  tellChanged(loadId);
}

fleet.follow(endIfGone);
