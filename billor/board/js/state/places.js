// The places that loads come from and go to.

import { fold } from "./search.js";

/** @import {Fleet} from "./fleet.js" */

/**
 * @param {Fleet} fleet @param {"origin" | "destination"} end
 * @returns {Map<string, string>} the places as they are written, by their folded text
 */
export function knownPlaces(fleet, end) {
  const places = new Map();
  const seen = new Set();
  for (const load of fleet.loads.values()) {
    if (seen.has(load[end])) continue;
    seen.add(load[end]);
    places.set(fold(load[end]), load[end]);
  }
  return places;
}
