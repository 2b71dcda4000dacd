// What happened, in a dispatcher's words.

import { h } from "preact";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { DriverLink } from "./driver_link.js";

/** @import {ComponentChildren} from "preact" */

/** By the names of the API. @type {Record<string, string>} */
const FIELD_NAMES = {
  origin: t("origin"),
  destination: t("destination"),
  cargoType: t("cargo type"),
  reference: t("reference"),
  pickupAt: t("pickup"),
  deliverBy: t("delivery"),
  name: t("name"),
  licenseNumber: t("license number"),
  status: t("status"),
};

/** @type {Record<string, string>} */
export const ROLE_NAMES = {
  ADMIN: t("Admin"),
  DISPATCHER: t("Dispatcher"),
  DRIVER: t("Driver"),
};

/** @type {Record<string, (payload: Payload) => ComponentChildren>} */
const SENTENCES = {
  LOAD_CREATED: () => t("created the load"),
  LOAD_UPDATED: ({ before = {}, load }) =>
    before.status === "CANCELLED"
      ? t("reopened the load")
      : changes(before, load) || t("changed the load"),
  LOAD_CANCELLED: () => t("cancelled the load"),
  ASSIGNED: ({ driver }) => t("assigned the load to {driver}", { driver: nameOf(driver) }),
  LOAD_COMPLETED: ({ driver }) => t("completed the load of {driver}", { driver: nameOf(driver) }),
  ASSIGNMENT_CANCELLED: ({ driver }) =>
    t("cancelled the assignment of {driver}", { driver: nameOf(driver) }),
  ASSIGNMENT_REOPENED: ({ driver }) =>
    t("reopened the assignment of {driver}", { driver: nameOf(driver) }),
  DRIVER_CREATED: () => t("created the driver"),
  DRIVER_UPDATED: ({ before = {}, driver }) => {
    if (!before.status) return changes(before, driver) || t("changed the driver");
    return driver?.status === "ACTIVE" ? t("brought back the driver") : t("deactivated the driver");
  },
  USER_CREATED: ({ account }) => t("created {name}", { name: accountOf(account) }),
  USER_UPDATED: ({ before = {}, account }) => changes(before, account) || t("changed the name"),
  ROLE_CHANGED: ({ account }) =>
    t("changed the role of {name} to {role}", { name: accountOf(account), role: roleOf(account) }),
  PASSWORD_CHANGED: ({ account }) =>
    t("changed the password of {name}", { name: accountOf(account) }),
  USER_DEACTIVATED: ({ account }) => t("deactivated {name}", { name: accountOf(account) }),
  USER_REACTIVATED: ({ account }) => t("brought back {name}", { name: accountOf(account) }),
  SESSIONS_ENDED: ({ account }) => t("logged out {name} everywhere", { name: accountOf(account) }),
  REFRESH_TOKEN_REUSED: ({ account }) =>
    t("ended a login of {name}: it was copied", { name: accountOf(account) }),
  LOGIN_BLOCKED: ({ account, address }) =>
    t("blocked logins of {name}, after wrong passwords from {address}", {
      name: accountOf(account),
      address: address ?? t("somewhere"),
    }),
};

/**
 * @param {{type: string, payload: Payload}} entry
 * @returns {ComponentChildren} what was done to a load, a driver or an account
 */
export const whatHappened = ({ type, payload }) =>
  SENTENCES[type]?.(payload) ?? type.toLowerCase().replaceAll("_", " ");

/** @param {{user?: {name: string} | null}} payload @returns {ComponentChildren} who did it */
export const whoOf = ({ user }) => (user ? isolate(user.name) : t("The system"));

/** @param {Payload["driver"]} driver */
const nameOf = (driver) => (driver ? h(DriverLink, { driver }) : t("a driver"));

/** @param {Payload["account"]} account */
const accountOf = (account) => (account ? isolate(account.name) : t("an unknown account"));

/** @param {Payload["account"]} account */
const roleOf = (account) => (account ? (ROLE_NAMES[account.role] ?? account.role) : "");

/**
 * @param {object} before @param {object | undefined} after
 * @returns {ComponentChildren} nothing if none of the fields has a name
 */
function changes(before, after) {
  const names = Object.keys(before).filter((name) => name in FIELD_NAMES);
  const each = names.map((name) =>
    t("{field} from {before} to {after}", {
      field: FIELD_NAMES[name] ?? name,
      before: readable(name, before),
      after: readable(name, after),
    }),
  );
  return each.length > 0 && t("changed {fields}", { fields: each.join(", ") });
}

/** @param {string} name @param {object | undefined} fields */
function readable(name, fields) {
  const value = /** @type {Record<string, unknown> | undefined} */ (fields)?.[name];
  if (value === null || value === undefined || value === "") return t("none");
  return /At$|By$/.test(name) ? shortTime(String(value)) : isolate(String(value));
}
