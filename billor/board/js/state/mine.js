// A driver's assignments, asked for again and again with their ETag.

import { useEffect, useState } from "preact/hooks";
import { get, Problem, request } from "../api/client.js";

/** @import {MyAssignment} from "../types.js" */

const PERIOD_MILLISECONDS = 5_000;
const PAST = "/me/assignments?status=COMPLETED&status=CANCELLED&limit=20";

/**
 * `current` is undefined until it is known, and null without an active load.
 *
 * @typedef {object} Mine
 * @property {MyAssignment | null | undefined} current
 * @property {string} etag of `current`
 * @property {MyAssignment[]} past newest first
 * @property {boolean} isStale
 */

/** @returns {Mine & {refresh: () => Promise<void>}} */
export function useMyAssignments() {
  const [mine, setMine] = useState(
    /** @type {Mine} */ ({ current: undefined, etag: "", past: [], isStale: false }),
  );
  const refresh = async () => {
    try {
      const [now, past] = await Promise.all([getCurrent(), get(PAST)]);
      setMine({ ...now, past, isStale: false });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setMine((before) => ({ ...before, isStale: true }));
    }
  };
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && refresh();
    look();
    const timer = setInterval(look, PERIOD_MILLISECONDS);
    for (const name of ["visibilitychange", "online"]) addEventListener(name, look);
    return () => {
      clearInterval(timer);
      for (const name of ["visibilitychange", "online"]) removeEventListener(name, look);
    };
  }, []);
  return { ...mine, refresh };
}

/** @returns {Promise<{current: MyAssignment | null, etag: string}>} */
async function getCurrent() {
  try {
    const { data, headers } = await request("GET", "/me/assignment");
    return { current: data, etag: headers.get("ETag") ?? "" };
  } catch (error) {
    if (error instanceof Problem && error.code === "no_active_assignment") {
      return { current: null, etag: "" };
    }
    throw error;
  }
}
