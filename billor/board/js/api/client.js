// Requests to the API: with a token, and again after what passes by itself.

import { validToken } from "../state/session.js";
import { t } from "../ui/words.js";
import { addressOf, pathOf } from "./address.js";
import { conflictInWords, inWords } from "./words.js";

const RETRY_SECONDS = [0.3, 1, 2.5];
/** Nothing is sent again later than this, so that people are told within 15 seconds. */
const RETRY_MILLISECONDS = 4_000;
const TIMEOUT_MILLISECONDS = 10_000;
export const LONG_MILLISECONDS = 600_000;
const PASSING = new Set(["idempotency_key_in_use", "unreachable", "database_busy"]);

/** How far the clock of the API is ahead of this device's, in milliseconds. */
export const clock = { ahead: 0 };

/** @param {Date} time by the clock of this device */
export const apiTime = (time) => time.getTime() + clock.ahead;

/** A refusal by the API, or its being out of reach (`unreachable`). */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor(body) {
    super(conflictInWords(body));
    this.status = body.status;
    this.code = body.code;
    this.assignmentId = body.assignmentId;
    this.loadId = body.loadId;
    this.driverId = body.driverId;
    this.canPlan = body.canPlan;
    /** By field. @type {Record<string, string>} */
    this.errors = {};
    for (const [field, messages] of Object.entries(body.errors ?? {})) {
      this.errors[field] = [messages].flat(9).map(String).map(inWords).join(" ");
    }
  }
}

/** The ETag of each state that was got by itself. @type {WeakMap<object, string>} */
const tags = new WeakMap();

/** A key for one action of the user; its retries have the same one. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * @typedef {object} Options
 * @property {unknown} [body] sent as JSON, unless it is a file
 * @property {string} [key] the Idempotency-Key: with one, a change may be sent again
 * @property {object} [shown] what is to be changed as it was shown: refused if it has changed since
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {number} [timeout] in milliseconds
 */

/**
 * Send a request until it is answered. Waits for a login where the token has ended.
 * @param {string} method @param {string} path @param {Options} [options]
 * @returns {Promise<Answer<any>>} `data` is the decoded body, null if there is none; a text that is
 *   not JSON as it is. Raises `Problem`.
 */
export async function request(method, path, options = {}) {
  const mayRepeat = method === "GET" || options.key !== undefined;
  const begun = performance.now();
  for (let attempt = 0; ; attempt++) {
    try {
      return await read(await send(method, path, options));
    } catch (error) {
      if (options.signal?.aborted || !(error instanceof Error)) throw error;
      const problem = error instanceof Problem ? error : unreachable();
      const pause = RETRY_SECONDS[attempt];
      const passes = PASSING.has(problem.code) || problem.status === 503;
      const isLate = performance.now() > begun + RETRY_MILLISECONDS;
      if (!mayRepeat || pause === undefined || !passes || isLate) throw problem;
      await sleep(pause * 1000);
    }
  }
}

/**
 * Send once, with a valid token; again with a new one if the API has refused it.
 * @param {string} method @param {string} path @param {Options} options @returns {Promise<Response>}
 */
export async function send(method, path, options = {}) {
  let token = await validToken();
  for (;;) {
    const response = await fetch(addressOf(path), {
      method,
      headers: headersFor(token, options),
      body: options.body instanceof Blob ? options.body : JSON.stringify(options.body),
      signal: limited(options),
    });
    if (
      response.status !== 401 ||
      (await problemOf(response.clone())).code === "invalid_credentials"
    ) {
      return response;
    }
    token = await validToken(token);
  }
}

/** @param {Options} options */
function limited({ signal, timeout = TIMEOUT_MILLISECONDS }) {
  const late = AbortSignal.timeout(timeout);
  if (!signal) return late;
  return AbortSignal.any?.([signal, late]) ?? signal; // Safari has `any` since 17.4
}

/** @param {string} token @param {Options} options */
function headersFor(token, { body, key, shown, headers }) {
  const tag = shown && tags.get(shown);
  return {
    Authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    ...(key === undefined ? {} : { "Idempotency-Key": key }),
    ...(tag && { "If-Match": tag }),
    ...headers,
  };
}

/** @param {Response} response @returns {Promise<Answer<any>>} */
async function read(response) {
  clock.ahead = Date.parse(response.headers.get("Date") ?? "") - Date.now() || 0;
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  const isText = response.headers.get("Content-Type")?.startsWith("text/");
  const data = isText ? text : text ? JSON.parse(text) : null;
  const tag = response.headers.get("ETag");
  if (tag && data) tags.set(data, tag);
  return { status: response.status, headers: response.headers, data };
}

/** @param {Response} response one that is a refusal @returns {Promise<Problem>} */
export async function problemOf(response) {
  const text = await response.text();
  try {
    return new Problem(JSON.parse(text));
  } catch {
    return unreachable(response.status); // from a proxy in between
  }
}

export const unreachable = (status = 0) =>
  new Problem({
    status,
    code: "unreachable",
    detail: t("Billor cannot be reached. Check the connection, and try again."),
  });

/** @param {number} milliseconds */
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Sleep, but no longer than until the device is online again. @param {number} milliseconds */
export const untilOnline = (milliseconds) =>
  Promise.race([
    sleep(milliseconds),
    new Promise((resolve) => addEventListener("online", resolve, { once: true })),
  ]);

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} the decoded body */
export const get = async (path, signal) => (await request("GET", path, { signal })).data;

/**
 * Get a list page by page.
 * @template T
 * @param {string} path @param {AbortSignal} [signal] @returns {AsyncGenerator<T[]>}
 */
export async function* pages(path, signal) {
  /** @type {string | undefined} */
  let next = path;
  while (next) {
    const answer = await request("GET", next, { signal });
    yield answer.data;
    next = nextPage(answer.headers);
  }
}

/**
 * @param {Headers} headers
 * @returns {string | undefined} the path and query of the page after this one
 */
export function nextPage(headers) {
  const found = /<([^>]*)>; rel="next"/.exec(headers.get("Link") ?? "");
  return found ? pathOf(/** @type {string} */ (found[1])) : undefined;
}
