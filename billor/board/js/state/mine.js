// A driver's assignments, asked for again and again.

import { get, Problem, request } from "../api/client.js";
import { useNow } from "../ui/clock.js";
import { useGot } from "./got.js";

const PERIOD_SECONDS = 5;
const PAST = "/me/assignments?status=COMPLETED&status=CANCELLED&limit=20";

export function useMyAssignments() {
  const { data, problem, refresh } = useGot(getMine, [useNow(PERIOD_SECONDS)]);
  return { ...data, isStale: problem !== "", refresh };
}

/** `current` is null without an active load; `past` has the newest first. */
async function getMine() {
  /** @type {[{current: MyAssignment | null, etag: string}, MyAssignment[]]} */
  const [now, past] = await Promise.all([getCurrent(), get(PAST)]);
  return { ...now, past };
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
