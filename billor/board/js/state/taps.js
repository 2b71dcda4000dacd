// What a driver does, sent until it is answered, also after the page was closed: drivers are often
// offline.

import { sharedName } from "../api/address.js";
import { apiTime, newKey, Problem, request, untilOnline } from "../api/client.js";
import { stayWhile } from "../api/page.js";
import { t } from "../ui/words.js";
import { sendDocument } from "./documents.js";
import { kept } from "./kept.js";
import { mine, refetchMine } from "./mine.js";
import { toast } from "./notices.js";
import { session } from "./session.js";
import { Store } from "./store.js";

export const CHANGED = t("Your load has changed meanwhile. Look at it again.");
/** The load is no longer this driver's. */
const GONE = ["assignment_not_active", "assignment_not_found"];
/** These pass by themselves, as those from 500 do. */
const PASSING = [0, 408, 425, 429];
const IS_RUNNING = "idempotency_key_in_use";
const CHECK_INS = "/me/assignment/check-ins";
const MAX_PAUSE_MILLISECONDS = 15_000;

/**
 * `unanswered`: of the current user, in their order. `isUnkept`: some are in this page only.
 */
export const taps = new Store({
  unanswered: /** @type {Tap[]} */ ([]),
  isUnkept: false,
  isWaiting: false,
  refusal: "",
});
/** Those that are not kept yet, or cannot be. @type {Map<string, Tap>} */
const unkept = new Map();
/** The keys of those that were answered here. @type {Set<string>} */
const answered = new Set();
let isSending = false;
/** Of documents: it holds up nothing else. */
let isStoreAway = false;

export const unanswered = () => taps.value.unanswered;

const firstWithoutFile = () => unanswered().find(({ kind }) => kind !== "DOCUMENT");

/** @param {number} id of an assignment @returns {Tap[]} */
export const ofLoad = (id) => unanswered().filter(({ assignmentId }) => assignmentId === id);

/** @param {{happenedAt: string}} step */
export const timeOf = ({ happenedAt }) => Date.parse(happenedAt);

stayWhile(() => taps.value.isUnkept);

const channel = new BroadcastChannel(sharedName("taps"));
channel.addEventListener("message", () => reread());

/** Read all again, since other tabs add some, and send them. */
async function reread() {
  /** @type {Tap[]} */
  const found = await kept("taps", (store) => store.getAll()).catch(() => []);
  show(found);
}

/** @param {Tap[]} all */
function show(all) {
  const byKey = new Map([...all, ...unkept.values()].map((each) => [each.key, each]));
  const userId = session.value.user?.id;
  const own = [...byKey.values()].filter(
    (each) => each.userId === userId && !answered.has(each.key),
  );
  taps.set({ unanswered: own.sort((one, other) => timeOf(one) - timeOf(other)) });
}

/** Keep it, so that it outlives this page; one that cannot be kept is sent all the same. @param {Tap} tap */
async function keep(tap) {
  unkept.set(tap.key, tap);
  show(unanswered());
  const isKept = await kept("taps", (store) => store.put(tap, tap.key)).then(
    () => true,
    () => false,
  );
  if (!isKept) return taps.set({ isUnkept: true });
  await reread();
  unkept.delete(tap.key);
  channel.postMessage("kept");
}

/** @param {string} key */
async function drop(key) {
  answered.add(key);
  unkept.delete(key);
  taps.set({ isUnkept: taps.value.isUnkept && unkept.size > 0 });
  // What could not be deleted is sent again some day, and not done again: it has its key.
  await kept("taps", (store) => store.delete(key)).catch(() => {});
  await reread();
  channel.postMessage("dropped");
}

/** @param {number} assignmentId @param {Step | NewComment | NewDocument} done */
export async function tap(assignmentId, done) {
  const userId = session.value.user?.id;
  taps.set({ refusal: "" });
  await keep({ ...done, assignmentId, happenedAt: timeOfTap(), key: newKey(), userId });
  sendTaps();
}

/** @returns {string} now, but later than what was done before: clocks are not that exact */
function timeOfTap() {
  const before = [...mine.value.about.checkIns, ...unanswered()];
  const times = before.map((each) => timeOf(each) + 1);
  return new Date(Math.max(apiTime(new Date()), ...times)).toISOString();
}

/**
 * Take back what is not answered yet: what may have been sent, after its answer.
 * @param {Tap} tap
 */
export function takeBack(tap) {
  const mayBeSent = firstWithoutFile()?.key === tap.key;
  return mayBeSent ? keep({ ...tap, isUndone: true }) : drop(tap.key);
}

/** Send all, one after the other, in one tab at a time where the browser has locks. */
export async function sendTaps() {
  await reread();
  if (isSending) return;
  isSending = true;
  try {
    await (navigator.locks?.request(sharedName("taps"), sendAll) ?? sendAll());
  } finally {
    isSending = false;
  }
  if (unanswered().length > 0) sendTaps(); // tapped meanwhile
}

async function sendAll() {
  await reread();
  let failures = 0;
  for (let next = first(); next; next = first()) {
    const isAnswered = await settle(next);
    if (isAnswered) await drop(next.key);
    else await untilOnline(Math.min(MAX_PAUSE_MILLISECONDS, 1000 * 2 ** failures));
    failures = isAnswered ? 0 : failures + 1;
  }
}

/** @returns {Tap | undefined} the first one; a document only then if their store is not away */
function first() {
  const [next] = unanswered();
  return (isStoreAway && firstWithoutFile()) || next;
}

/** @param {Tap} tap @returns {Promise<boolean>} whether it is answered, and what follows is shown */
async function settle(tap) {
  try {
    let refusal = await refusalOf(send(tap));
    // Or it would be there twice for a moment.
    if (tap.kind === "COMMENT" || tap.kind === "DOCUMENT") await drop(tap.key);
    if (tap.kind === "DOCUMENT" && !refusal) toast(t("The document was sent."));
    await refetchMine();
    await reread(); // another tab may have taken it back
    const sent = mine.value.about.checkIns.find((each) => timeOf(each) === timeOf(tap));
    if (sent && unanswered().find(({ key }) => key === tap.key)?.isUndone) {
      refusal = await refusalOf(undoCheckIn(sent.id, `${tap.key}-undo`));
    }
    isStoreAway = false;
    taps.set({ isWaiting: false, refusal: refusal || taps.value.refusal });
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    isStoreAway = error.code === "documents_unavailable";
    taps.set({ isWaiting: true });
    return false;
  }
}

/** @param {Tap} tap */
function send({ userId, isUndone, key, ...done }) {
  if (done.kind === "DELIVERED") {
    const { assignmentId, happenedAt } = done;
    const body = { status: "COMPLETED", assignmentId, happenedAt };
    return request("PATCH", "/me/assignment/status", { key, body });
  }
  if (done.kind === "COMMENT") {
    const { text, assignmentId } = done;
    return request("POST", "/me/assignment/comments", { key, body: { text, assignmentId } });
  }
  if (done.kind === "DOCUMENT") {
    const { documentKind: kind, file, assignmentId, happenedAt } = done;
    const about = { kind, assignmentId: String(assignmentId), happenedAt };
    return sendDocument("/me/assignment/documents", file, about, key);
  }
  return request("POST", CHECK_INS, { key, body: done });
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
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    if (PASSING.includes(error.status) || error.code === IS_RUNNING) throw error;
    const [wrong = error.message] = Object.values(error.errors);
    return GONE.includes(error.code) ? CHANGED : wrong;
  }
}
