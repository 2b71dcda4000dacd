// Who is logged in: the same user in all tabs, which share the tokens. They are in no address.

import { addressOf, sharedName } from "../api/address.js";
import { Store } from "./store.js";

/**
 * @typedef {object} Tokens
 * @property {number} userId
 * @property {string} access
 * @property {string} refresh
 * @property {number} expiresAt milliseconds since 1970, by the clock of this device
 */

const KEY = sharedName("tokens");
const DROPPED = "billor.dropped";
/** A token that ends so soon is renewed before it is used. */
const MARGIN_MILLISECONDS = 20_000;
const TIMEOUT_MILLISECONDS = 10_000;
/** What another tab has stored is seen here with a delay, which is shorter than this. */
const STORAGE_MILLISECONDS = 300;

/**
 * `needsLogin`: the login is shown, over what was there, if anything.
 * @type {Store<{user: User | null, needsLogin: boolean}>}
 */
export const session = new Store({
  user: /** @type {User | null} */ (null),
  needsLogin: !readTokens(),
});

/** @type {Array<() => void>} */
let waiting = [];
/** @type {Promise<boolean> | undefined} */
let refreshing;
/** The last refresh token that the API has refused. */
let refused = "";

/** @returns {Tokens | null} */
function readTokens() {
  const text = localStorage.getItem(KEY);
  return text ? JSON.parse(text) : null;
}

/** @returns {number | undefined} of the one whose tokens are kept */
export const userIdOfTokens = () => readTokens()?.userId;

/** Log out in all tabs. */
export const forgetTokens = () => localStorage.removeItem(KEY);

/**
 * @param {{access_token: string, refreshToken: string, expires_in: number}} answer
 * @param {number} userId
 */
function keepTokens(answer, userId) {
  const tokens = {
    userId,
    access: answer.access_token,
    refresh: answer.refreshToken,
    expiresAt: Date.now() + answer.expires_in * 1000,
  };
  localStorage.setItem(KEY, JSON.stringify(tokens));
}

/**
 * @param {Tokens | null} tokens
 * @returns {boolean} whether they are of another user than what is shown and typed here
 */
function areOfAnother(tokens) {
  const { user } = session.value;
  return user !== null && tokens?.userId !== user.id;
}

/** What was begun here is dropped: it is not done in another's name. @returns {Promise<never>} */
function startAgain() {
  sessionStorage.setItem(DROPPED, session.value.user?.name ?? "");
  location.reload();
  return new Promise(() => {});
}

/** @returns {string | null} the name of a user whose work was dropped here */
export function whoseWorkWasDropped() {
  const name = sessionStorage.getItem(DROPPED);
  sessionStorage.removeItem(DROPPED);
  return name;
}

// Another tab has logged in or out, or has refreshed the tokens.
addEventListener("storage", () => {
  const tokens = readTokens();
  if (areOfAnother(tokens)) startAgain();
  else if (tokens) goOn();
});

function goOn() {
  session.set({ needsLogin: false });
  for (const go of waiting) go();
  waiting = [];
}

/**
 * Log in, and let requests go on that waited for it. For another user the page starts again.
 * @param {string} email @param {string} password
 * @returns {Promise<Response>} the answer, if it is a refusal
 */
export async function logIn(email, password) {
  const response = await send("POST", "/auth/login", { email, password });
  if (!response.ok) return response;
  const answer = await response.json();
  const found = await send("GET", "/me", undefined, answer.access_token);
  if (!found.ok) return found;
  const user = await found.json();
  keepTokens(answer, user.id);
  if (areOfAnother(readTokens())) startAgain();
  else {
    session.set({ user }); // perhaps with another role
    goOn();
  }
  return response;
}

/** Have a link mailed, if there is such an account. @param {string} email */
export const requestReset = (email) => send("POST", "/auth/password-reset", { email });

/** @param {string} token of the mail's link @param {string} password */
export const resetPassword = (token, password) =>
  send("POST", "/auth/password-reset/confirm", { token, password });

/**
 * Return a token that is valid as far as this device knows. Waits for a login if there is none.
 * @param {string} [old] a token that the API has refused
 * @returns {Promise<string>}
 */
export async function validToken(old) {
  for (;;) {
    const tokens = readTokens();
    if (tokens && areOfAnother(tokens)) return startAgain();
    const isFresh = tokens && tokens.expiresAt > Date.now() + MARGIN_MILLISECONDS;
    if (isFresh && tokens.access !== old) return tokens.access;
    if (tokens && tokens.refresh !== refused && (await refresh(tokens))) continue;
    session.set({ needsLogin: true });
    await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  }
}

/**
 * Get new tokens, by one request of all tabs, since each refresh token is good for one. Browsers
 * have no locks without HTTPS; then two tabs at once get tokens that are both good.
 * @param {Tokens} tokens
 * @returns {Promise<boolean>} whether there are new ones. Raises if the API is not reachable.
 */
function refresh(tokens) {
  const run = async () => {
    await new Promise((resolve) => setTimeout(resolve, STORAGE_MILLISECONDS));
    if (readTokens()?.refresh !== tokens.refresh) return true; // by another tab
    const response = await send("POST", "/auth/refresh", { refreshToken: tokens.refresh });
    if (response.ok) keepTokens(await response.json(), tokens.userId);
    else if (response.status >= 500) throw new TypeError("no new token for now");
    else refused = tokens.refresh;
    return response.ok;
  };
  refreshing ??= (navigator.locks?.request(sharedName("refresh"), run) ?? run()).finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

/** @param {string} method @param {string} path @param {object} [body] @param {string} [token] */
function send(method, path, body, token) {
  return fetch(addressOf(path), {
    method,
    headers: {
      ...(body && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
  });
}
