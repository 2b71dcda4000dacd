// What a driver taps, sent until it is answered, also after a reload: drivers are often offline.

import { sharedName } from "../api/address.js";
import { apiTime, newKey, Problem, request, untilOnline } from "../api/client.js";
import { t } from "../ui/words.js";
import { mine, refetchMine } from "./mine.js";
import { session } from "./session.js";
import { Store } from "./store.js";

/**
 * @typedef {object} Tap
 * @property {CheckInKind | "DELIVERED"} kind
 * @property {number} assignmentId of the load that was shown
 * @property {string} happenedAt
 * @property {string} key its Idempotency-Key
 * @property {number | undefined} userId
 * @property {string} [reason] @property {string} [expectedAt]
 * @property {true} [isUndone] since it was sent
 */

export const CHANGED = t("Your load has changed meanwhile. Look at it again.");
/** The load is no longer this driver's. */
const GONE = ["assignment_not_active", "assignment_not_found"];
const CHECK_INS = "/me/assignment/check-ins";
const KEY = sharedName("taps");
const MAX_PAUSE_MILLISECONDS = 15_000;

export const taps = new Store({ isWaiting: false, refusal: "" });
let isSending = false;

/** @returns {Tap[]} also those of other users of this device */
const readAll = () => JSON.parse(localStorage.getItem(KEY) ?? "[]");

/** @param {Tap[]} all */
function keep(all) {
  localStorage.setItem(KEY, JSON.stringify(all));
  taps.tell();
}

/** @returns {Tap[]} those of the current user that are not answered yet, in their order */
export const unanswered = () => readAll().filter(({ userId }) => userId === session.value.user?.id);

/**
 * @param {number} assignmentId
 * @param {Pick<Tap, "kind" | "reason" | "expectedAt">} done
 */
export function tap(assignmentId, done) {
  const userId = session.value.user?.id;
  keep([...readAll(), { ...done, assignmentId, happenedAt: timeOfTap(), key: newKey(), userId }]);
  taps.set({ refusal: "" });
  sendTaps();
}

/** @param {{happenedAt: string}} step */
export const timeOf = ({ happenedAt }) => Date.parse(happenedAt);

/** @returns {string} now, but later than what was done before: clocks are not that exact */
function timeOfTap() {
  const before = [...mine.value.about.checkIns, ...unanswered()];
  const times = before.map((each) => timeOf(each) + 1);
  return new Date(Math.max(apiTime(new Date()), ...times)).toISOString();
}

/**
 * Take back what is not answered yet: what may have been sent, after its answer.
 * @param {string} key
 */
export function takeBack(key) {
  const isSent = unanswered()[0]?.key === key;
  if (!isSent) return drop(key);
  keep(readAll().map((each) => (each.key === key ? { ...each, isUndone: true } : each)));
}

/** @param {string} key */
const drop = (key) => keep(readAll().filter((each) => each.key !== key));

/** Send all, one after the other. */
export async function sendTaps() {
  if (isSending) return;
  isSending = true;
  let failures = 0;
  for (let [first] = unanswered(); first; [first] = unanswered()) {
    const isAnswered = await settle(first);
    if (isAnswered) drop(first.key);
    else await untilOnline(Math.min(MAX_PAUSE_MILLISECONDS, 1000 * 2 ** failures));
    failures = isAnswered ? 0 : failures + 1;
  }
  isSending = false;
}

/** @param {Tap} tap @returns {Promise<boolean>} whether it is answered, and what follows is shown */
async function settle(tap) {
  try {
    let refusal = await refusalOf(send(tap));
    await refetchMine();
    const sent = mine.value.about.checkIns.find((each) => timeOf(each) === timeOf(tap));
    if (sent && unanswered()[0]?.isUndone) {
      refusal = await refusalOf(undoCheckIn(sent.id, `${tap.key}-undo`));
    }
    taps.set({ isWaiting: false, refusal: refusal || taps.value.refusal });
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    taps.set({ isWaiting: true });
    return false;
  }
}

/** @param {Tap} tap */
function send({ kind, assignmentId, happenedAt, reason, expectedAt, key }) {
  if (kind === "DELIVERED") {
    const body = { status: "COMPLETED", assignmentId };
    return request("PATCH", "/me/assignment/status", { key, body });
  }
  const body = { kind, assignmentId, happenedAt, reason, expectedAt };
  return request("POST", CHECK_INS, { key, body });
}

/** @param {number} id @param {string} [key] */
export async function undoCheckIn(id, key = newKey()) {
  await request("DELETE", `${CHECK_INS}/${id}`, { key });
  await refetchMine();
}

/** @param {Promise<unknown>} answer @returns {Promise<string>} why it is a refusal, if it is one */
async function refusalOf(answer) {
  try {
    await answer;
    return "";
  } catch (error) {
    if (!(error instanceof Problem) || error.status === 0 || error.status >= 500) throw error;
    const [wrong = error.message] = Object.values(error.errors);
    return GONE.includes(error.code) ? CHANGED : wrong;
  }
}
