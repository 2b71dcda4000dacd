// The loads that are selected, to do the same with all of them.

import { pending } from "./actions.js";
import { stopChoosing } from "./choosing.js";
import { fleet } from "./fleet.js";
import { byLoad } from "./lists.js";
import { Store } from "./store.js";

/**
 * `isOn`: each press selects. `last`: where a range begins.
 * @type {Store<{ids: Set<number>, isOn: boolean, last: number | null}>}
 */
export const selection = new Store({
  ids: new Set(),
  isOn: false,
  last: /** @type {number | null} */ (null),
});

export const clearSelection = () => selection.set({ ids: new Set(), isOn: false, last: null });

export const startSelecting = () => selection.set({ isOn: true });

/**
 * Select a load if this press does so.
 * @param {MouseEvent} event @param {Load} load
 * @param {Array<{load: Load}>} items those that are shown, in their order
 * @returns {boolean}
 */
export function select({ shiftKey, ctrlKey, metaKey }, { id }, items) {
  const { isOn, last, ids } = selection.value;
  if (!isOn && !shiftKey && !ctrlKey && !metaKey) return false;
  stopChoosing();
  const next = new Set(ids);
  const all = items.map(({ load }) => load.id);
  const [from, to] = [all.indexOf(last ?? id), all.indexOf(id)].sort((one, other) => one - other);
  if (shiftKey && from !== undefined && to !== undefined && from >= 0) {
    for (const each of all.slice(from, to + 1)) next.add(each);
  } else if (!next.delete(id)) {
    next.add(id);
  }
  selection.set({ ids: next, isOn: next.size > 0 || isOn, last: id });
  return true;
}

/** @returns {Array<{load: Load, assignment?: Assignment}>} those selected that are still open */
export function selected() {
  const { loads, assignments } = fleet.value;
  const active = byLoad(assignments);
  return [...selection.value.ids].flatMap((id) => {
    const [load, assignment] = [loads.get(id), active.get(id)];
    const isThere = load && (load.status === "OPEN" || assignment);
    return isThere && !pending.value.byLoad.has(id) ? [{ load, assignment }] : [];
  });
}
