// Dragging a load onto a driver, with a mouse or a pen. Fingers scroll; they tap instead.

import { assign, reassign } from "../state/actions.js";
import { stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { Store } from "../state/store.js";
import { isolate } from "./text.js";

/** @import {Load} from "../types.js" */

/** A shorter move is a click. */
const CLICK_PIXELS = 6;
const SCROLL_EDGE_PIXELS = 48;
const SCROLL_STEP_PIXELS = 12;

/** @type {Store<{load: Load | null, overId: number | null}>} */
export const dragging = new Store({
  load: /** @type {Load | null} */ (null),
  overId: /** @type {number | null} */ (null),
});

/**
 * Follow the pointer from a load; drop the load on the driver where it ends.
 *
 * @param {PointerEvent} begin
 * @param {Load} load
 * @param {number | null} assignmentId of a load on the road, which gets another driver
 */
export function startDragging(begin, load, assignmentId) {
  if (begin.button !== 0 || begin.pointerType === "touch") return;
  const ended = new AbortController();
  /** @type {HTMLElement | null} */
  let ghost = null;

  const end = () => {
    ended.abort();
    ghost?.remove();
    document.documentElement.classList.remove("dragging");
    dragging.set({ load: null, overId: null });
  };
  const move = (/** @type {PointerEvent} */ event) => {
    const moved = Math.hypot(event.clientX - begin.clientX, event.clientY - begin.clientY);
    if (!ghost && moved < CLICK_PIXELS) return;
    ghost ??= lift(load);
    place(ghost, event);
    const overId = driverAt(event);
    if (overId !== dragging.value.overId) dragging.set({ overId });
  };
  const drop = (/** @type {PointerEvent} */ event) => {
    const driver = fleet.value.drivers.get(driverAt(event) ?? 0);
    const assignment = fleet.value.assignments.get(assignmentId ?? 0);
    const isDrag = ghost !== null;
    end();
    if (!isDrag) return;
    suppressClick();
    if (driver && assignment) reassign(assignment, driver);
    else if (driver && assignmentId === null) assign(load, driver);
  };

  const { signal } = ended;
  addEventListener("pointermove", move, { signal });
  addEventListener("pointerup", drop, { signal });
  addEventListener("pointercancel", end, { signal });
  addEventListener("blur", end, { signal });
  addEventListener("keydown", (event) => event.key === "Escape" && end(), { signal });
}

/**
 * @param {Load} load
 * @returns {HTMLElement} what follows the pointer
 */
function lift(load) {
  stopChoosing();
  const ghost = document.createElement("div");
  ghost.className = "ghost";
  ghost.textContent = `${isolate(load.origin)} → ${isolate(load.destination)}`;
  document.body.append(ghost);
  document.documentElement.classList.add("dragging");
  dragging.set({ load });
  return ghost;
}

/**
 * Put it beside the pointer, inside the window.
 *
 * @param {HTMLElement} ghost
 * @param {PointerEvent} event
 */
function place(ghost, { clientX, clientY }) {
  const left = Math.min(clientX + 12, innerWidth - ghost.offsetWidth - 4);
  ghost.style.transform = `translate(${left}px, ${clientY + 12}px)`;
}

/**
 * @param {PointerEvent} event
 * @returns {number | null} the driver below the pointer, whose list scrolls at its edges
 */
function driverAt({ clientX, clientY }) {
  const below = document.elementFromPoint(clientX, clientY);
  const scroller = below?.closest(".panel.drivers .rows");
  if (scroller) {
    const { top, bottom } = scroller.getBoundingClientRect();
    if (clientY < top + SCROLL_EDGE_PIXELS) scroller.scrollTop -= SCROLL_STEP_PIXELS;
    if (clientY > bottom - SCROLL_EDGE_PIXELS) scroller.scrollTop += SCROLL_STEP_PIXELS;
  }
  const row = below?.closest("[data-driver-id]");
  return row ? Number(row.getAttribute("data-driver-id")) : null;
}

/** The click that follows a drag is none. */
function suppressClick() {
  const stop = (/** @type {Event} */ event) => {
    event.stopPropagation();
    event.preventDefault();
  };
  addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => removeEventListener("click", stop, { capture: true }), 0);
}
