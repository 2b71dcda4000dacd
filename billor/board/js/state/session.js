// Who is logged in. Tokens are in session storage: they end with the tab, and are in no address.

import { addressOf } from "../api/address.js";
import { Store } from "./store.js";

/** @import {User} from "../types.js" */

/**
 * @typedef {object} Tokens
 * @property {string} access
 * @property {string} refresh
 * @property {number} expiresAt milliseconds since 1970, by the clock of this device
 */

const KEY = "billor.tokens";
/** A token that ends so soon is renewed before it is used. */
const MARGIN_MILLISECONDS = 20_000;

/**
 * `needsLogin`: the login is shown, over what was there, if anything.
 *
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

/** @returns {Tokens | null} */
export function readTokens() {
  const text = sessionStorage.getItem(KEY);
  return text ? JSON.parse(text) : null;
}

export function forgetTokens() {
  sessionStorage.removeItem(KEY);
}

/** @param {{access_token: string, refreshToken: string, expires_in: number}} answer */
function keepTokens(answer) {
  const tokens = {
    access: answer.access_token,
    refresh: answer.refreshToken,
    expiresAt: Date.now() + answer.expires_in * 1000,
  };
  sessionStorage.setItem(KEY, JSON.stringify(tokens));
}

/**
 * Log in, and let requests go on that waited for it.
 *
 * @param {string} email
 * @param {string} password
 * @returns {Promise<Response>} the answer, if it is a refusal
 */
export async function logIn(email, password) {
  const response = await post("/auth/login", { email, password });
  if (response.ok) {
    keepTokens(await response.json());
    session.set({ needsLogin: false });
    for (const go of waiting) go();
    waiting = [];
  }
  return response;
}

/**
 * Return a token that is valid as far as this device knows. Waits for a login if there is none.
 *
 * @param {string} [refused] a token that the API has refused
 * @returns {Promise<string>}
 */
export async function validToken(refused) {
  for (;;) {
    const tokens = readTokens();
    if (
      tokens &&
      tokens.access !== refused &&
      tokens.expiresAt > Date.now() + MARGIN_MILLISECONDS
    ) {
      return tokens.access;
    }
    if (tokens && (await refresh(tokens))) continue;
    await untilLoggedIn();
  }
}

/** @returns {Promise<void>} */
function untilLoggedIn() {
  session.set({ needsLogin: true });
  return new Promise((resolve) => waiting.push(resolve));
}

/**
 * Get new tokens; at most one request at a time, since each refresh token is good for one.
 *
 * @param {Tokens} tokens
 * @returns {Promise<boolean>} whether there are new ones. Raises if the API is not reachable.
 */
function refresh(tokens) {
  refreshing ??= post("/auth/refresh", { refreshToken: tokens.refresh })
    .then(async (response) => {
      if (response.ok) keepTokens(await response.json());
      else if (response.status >= 500) throw new TypeError("no new token for now");
      else forgetTokens();
      return response.ok;
    })
    .finally(() => {
      refreshing = undefined;
    });
  return refreshing;
}

/**
 * @param {string} path
 * @param {object} body
 */
function post(path, body) {
  return fetch(addressOf(path), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
  });
}
