// What happened, in a dispatcher's words.

import { h } from "preact";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { DriverLink } from "./driver_link.js";

/** @import {ComponentChildren} from "preact" */
/** @import {Payload} from "../types.js" */

/** By the names of the API. @type {Record<string, string>} */
const FIELD_NAMES = {
  origin: "origin",
  destination: "destination",
  cargoType: "cargo type",
  reference: "reference",
  pickupAt: "pickup",
  deliverBy: "delivery",
  name: "name",
  licenseNumber: "license number",
  status: "status",
};

/** @type {Record<string, string>} */
export const ROLE_NAMES = { ADMIN: "Admin", DISPATCHER: "Dispatcher", DRIVER: "Driver" };

/** @type {Record<string, (payload: Payload) => ComponentChildren>} */
const SENTENCES = {
  LOAD_CREATED: () => "created the load",
  LOAD_UPDATED: ({ before = {}, load }) =>
    before.status === "CANCELLED" ? "reopened the load" : changes(before, load, "the load"),
  LOAD_CANCELLED: () => "cancelled the load",
  ASSIGNED: ({ driver }) => ["assigned the load to ", nameOf(driver)],
  LOAD_COMPLETED: ({ driver }) => ["completed the load of ", nameOf(driver)],
  ASSIGNMENT_CANCELLED: ({ driver }) => ["cancelled the assignment of ", nameOf(driver)],
  ASSIGNMENT_REOPENED: ({ driver }) => ["reopened the assignment of ", nameOf(driver)],
  DRIVER_CREATED: () => "created the driver",
  DRIVER_UPDATED: ({ before = {}, driver }) => {
    if (!before.status) return changes(before, driver, "the driver");
    return driver?.status === "ACTIVE" ? "brought back the driver" : "deactivated the driver";
  },
  USER_CREATED: ({ account }) => `created ${accountOf(account)}`,
  USER_UPDATED: ({ before = {}, account }) => changes(before, account, "the name"),
  ROLE_CHANGED: ({ account }) => `made ${accountOf(account)} a ${roleOf(account)}`,
  PASSWORD_CHANGED: ({ account }) => `changed the password of ${accountOf(account)}`,
  USER_DEACTIVATED: ({ account }) => `deactivated ${accountOf(account)}`,
  USER_REACTIVATED: ({ account }) => `brought back ${accountOf(account)}`,
  SESSIONS_ENDED: ({ account }) => `logged out ${accountOf(account)} everywhere`,
  REFRESH_TOKEN_REUSED: ({ account }) => `ended a login of ${accountOf(account)}: it was copied`,
  LOGIN_BLOCKED: ({ account, address }) =>
    `blocked logins of ${accountOf(account)}, after wrong passwords from ${address ?? "somewhere"}`,
};

/**
 * @param {{type: string, payload: Payload}} entry
 * @returns {ComponentChildren} what was done to a load, a driver or an account
 */
export const whatHappened = ({ type, payload }) =>
  SENTENCES[type]?.(payload) ?? type.toLowerCase().replaceAll("_", " ");

/**
 * @param {{user?: {name: string} | null}} payload
 * @returns {ComponentChildren} who did it
 */
export const whoOf = ({ user }) => (user ? isolate(user.name) : "The system");

/** @param {Payload["driver"]} driver */
const nameOf = (driver) => (driver ? h(DriverLink, { driver }) : "a driver");

/** @param {Payload["account"]} account */
const accountOf = (account) => (account ? isolate(account.name) : "an unknown account");

/** @param {Payload["account"]} account */
const roleOf = (account) =>
  account ? (ROLE_NAMES[account.role] ?? account.role).toLowerCase() : "";

/**
 * @param {object} before
 * @param {object | undefined} after
 * @param {string} what
 */
function changes(before, after, what) {
  const names = Object.keys(before).filter((name) => name in FIELD_NAMES);
  if (names.length === 0) return `changed ${what}`;
  return names.map((name, index) => [
    `${index ? ", " : "changed "}${FIELD_NAMES[name]} from `,
    readable(name, before),
    " to ",
    readable(name, after),
  ]);
}

/**
 * @param {string} name
 * @param {object | undefined} fields
 */
function readable(name, fields) {
  const value = /** @type {Record<string, unknown> | undefined} */ (fields)?.[name];
  if (value === null || value === undefined || value === "") return "none";
  return /At$|By$/.test(name) ? shortTime(String(value)) : isolate(String(value));
}
