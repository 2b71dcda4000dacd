// The head of the page: where one is, the search, and what can be added.

import { h } from "preact";
import { addressOf } from "../api/address.js";
import { request } from "../api/client.js";
import { address, setFilters } from "../state/address.js";
import { exportView } from "../state/exporting.js";
import { forgetTokens } from "../state/session.js";
import { useStore } from "../state/store.js";
import { icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { ConnectionDot } from "./connection.js";
import { openDialog } from "./dialogs.js";

/** @import {Route} from "../state/address.js" */
/** @import {Role, User} from "../types.js" */

/** Their texts, names, and the role that they need. @type {Array<[string, Route["name"], Role?]>} */
const PAGES = [
  ["Board", "board"],
  ["Drivers", "drivers"],
  ["People", "people", "ADMIN"],
  ["Statistics", "stats"],
];

/** @param {Route["name"]} name */
const hrefOf = (name) => (name === "board" ? "#/" : `#/${name}`);

/** @param {{user: User, route: Route}} props */
export function Head({ user, route }) {
  const pages = PAGES.filter(([, , role]) => !role || role === user.role);
  const here =
    { load: "board", driver: "drivers" }[/** @type {string} */ (route.name)] ?? route.name;
  return h(
    "header",
    { class: "head" },
    h("span", { class: "wordmark" }, "Billor"),
    h(
      "nav",
      { "aria-label": "Pages" },
      pages.map(([text, name]) =>
        h(
          "a",
          {
            key: name,
            href: hrefOf(name),
            "aria-current": here === name ? "page" : undefined,
          },
          text,
        ),
      ),
    ),
    h(Search, null),
    h(ConnectionDot, null),
    h(
      "button",
      {
        type: "button",
        class: "button primary new-load",
        onClick: () => openDialog({ name: "load" }),
      },
      icon("add"),
      h("span", null, "New load"),
    ),
    h(
      Menu,
      {
        label: "More",
        choices: [
          ...pages
            .filter(([, name]) => name !== here)
            .map(([text, name]) => ({ text, action: hrefOf(name) })),
          { text: "New driver", action: () => openDialog({ name: "driver" }) },
          { text: "Import loads", action: () => openDialog({ name: "import" }) },
          { text: "Export this view", action: exportView },
          { text: "Keys", action: () => openDialog({ name: "keys" }) },
        ],
      },
      icon("more"),
    ),
    h(Account, { user }),
  );
}

function Search() {
  const { q } = useStore(address);
  return h(
    "search",
    { class: "search" },
    icon("search"),
    h("input", {
      type: "search",
      "aria-label": "Search loads and drivers",
      placeholder: "Search loads and drivers",
      value: q,
      maxLength: 200,
      onInput: (/** @type {Event} */ event) => {
        setFilters({ q: /** @type {HTMLInputElement} */ (event.currentTarget).value });
        if (address.value.route.name !== "board") location.hash = "#/";
      },
    }),
  );
}

/** @param {{user: User}} props */
export function Account({ user }) {
  return h(
    Menu,
    {
      label: `Account of ${user.name}`,
      class: "icon-button account",
      choices: [
        { text: "Change password", action: () => openDialog({ name: "password" }) },
        { text: "Log out", action: () => logOut("/auth/logout") },
        { text: "Log out everywhere", action: () => logOut("/auth/logout-all") },
        { text: "About the API", action: addressOf("/docs") },
      ],
    },
    icon("user"),
  );
}

/** @param {string} path */
async function logOut(path) {
  try {
    await request("POST", path);
  } finally {
    leave();
  }
}

/** Forget the tokens and all that is in memory. */
export function leave() {
  forgetTokens();
  location.assign(addressOf("/board"));
}
