// Finished loads: not in memory, but found by the API.

import { finishedQuery } from "./exporting.js";
import { usePages } from "./got.js";
import { goingThere } from "./lists.js";

/** @typedef {ReturnType<typeof useFinished>} Finished */

/**
 * @param {Filters} filters
 * @param {boolean} isShown without it nothing is asked for
 * @param {number} version asked for again when it changes
 */
export function useFinished(filters, isShown, version) {
  const path = `/loads?${finishedQuery(filters)}&sort=updatedAt&expand=assignment&limit=50`;
  const { rows, problem, more } = usePages(isShown ? path : null, version);
  const loads = (rows ?? []).filter(goingThere(filters));
  return { loads, isBusy: !rows && !problem, problem, more };
}
