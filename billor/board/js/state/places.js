// The places that loads come from and go to.

import { fold } from "./search.js";

/** @import {Fleet} from "./fleet.js" */

/**
 * @param {Fleet} fleet @param {"origin" | "destination"} end
 * @returns {Map<string, string>} the places as they are written, by their folded text
 */
export function knownPlaces(fleet, end) {
  const written = new Set([...fleet.loads.values()].map((load) => load[end]));
  return new Map([...written].map((place) => [fold(place), place]));
}
