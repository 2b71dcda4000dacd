// What a driver has: the load, what was done and said about it, the next one, and those before. The
// browser keeps it, and shows it at a start without a network.

import { clock, get, Problem } from "../api/client.js";
import { connection } from "../api/live.js";
import { kept } from "./kept.js";
import { session, userIdOfTokens } from "./session.js";
import { Store } from "./store.js";

const OTHERS = "/me/assignments?status=PLANNED&status=COMPLETED&status=CANCELLED&limit=20";

/** @typedef {{checkIns: CheckIn[], comments: MyComment[], documents: LoadDocument[]}} About */

const NOTHING = { checkIns: [], comments: [], documents: [] };

/** `current` is undefined until it is known, and null without an active load. */
export const mine = new Store({
  current: /** @type {MyAssignment | null | undefined} */ (undefined),
  about: /** @type {About} */ (NOTHING),
  /** The planned one. @type {MyAssignment | undefined} */
  next: undefined,
  /** The newest first. @type {MyAssignment[]} */
  past: [],
});

/** Of the last user. */
const KEY = "last";
const last = { asked: 0, answered: 0 };

/** Get all of it. Raises `Problem`. */
export async function refetchMine() {
  const number = ++last.asked;
  /** @type {[MyAssignment | null, MyAssignment[]]} */
  const [current, others] = await Promise.all([getCurrent(), get(OTHERS)]);
  const about = current ? await getAbout(current) : NOTHING;
  if (number < last.answered) return; // a newer one was faster
  last.answered = number;
  const next = others.find(({ status }) => status === "PLANNED");
  mine.set({ current, about, next, past: others.filter((each) => each !== next) });
  const { user } = session.value;
  if (user?.id !== userIdOfTokens()) return; // logged out meanwhile
  const shown = { ...mine.value, user, at: new Date(), ahead: clock.ahead };
  await kept("mine", (store) => store.put(shown, KEY)).catch(() => {}); // there is no room
}

/** Show what is kept of this user, who is a driver then. @param {number | undefined} userId */
export async function restoreMine(userId) {
  const found = await kept("mine", (store) => store.get(KEY)).catch(() => null);
  if (!found || found.user.id !== userId || session.value.user) return;
  const { user, at, ahead, ...shown } = found;
  clock.ahead = ahead; // until the API answers
  connection.set({ since: at });
  mine.set(shown);
  session.set({ user });
}

/** Forget what is kept, unless it is of this user. @param {number} [userId] */
export async function forgetMine(userId) {
  const found = await kept("mine", (store) => store.get(KEY)).catch(() => null);
  if (found && found.user.id !== userId) await kept("mine", (store) => store.clear());
}

/** @returns {Promise<MyAssignment | null>} */
async function getCurrent() {
  try {
    return await get("/me/assignment");
  } catch (error) {
    if (error instanceof Problem && error.code === "no_active_assignment") return null;
    throw error;
  }
}

/** @param {MyAssignment} current @returns {Promise<About>} */
async function getAbout({ id }) {
  /** @type {[CheckIn[], MyComment[], LoadDocument[]]} */
  const [checkIns, comments, documents] = await Promise.all([
    get("/me/assignment/check-ins?limit=200"),
    get("/me/assignment/comments?limit=200"),
    get("/me/assignment/documents?limit=200"),
  ]);
  // Of the next load, if this one has ended since; then the stream says so.
  return {
    checkIns: checkIns.filter(({ assignmentId }) => assignmentId === id),
    comments,
    documents,
  };
}
