// The head of the page: where one is, the search, and what can be added.

import { h } from "preact";
import { addressOf } from "../api/address.js";
import { get, newKey, Problem, request } from "../api/client.js";
import { address, setFilters } from "../state/address.js";
import { exportView } from "../state/exporting.js";
import { forgetMine } from "../state/mine.js";
import { toast } from "../state/notices.js";
import { tell } from "../state/people.js";
import { dropPush, endPush } from "../state/push.js";
import { forgetTokens } from "../state/session.js";
import { useStore } from "../state/store.js";
import { taps, unanswered } from "../state/taps.js";
import { button } from "../ui/button.js";
import { SearchField } from "../ui/form.js";
import { icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { chooseLanguage, LANGUAGE, LANGUAGES, t } from "../ui/words.js";
import { ConnectionDot } from "./connection.js";
import { ask, openDialog } from "./dialogs.js";
import { ChannelDialog, DriverDialog } from "./driver_dialog.js";
import { ImportDialog } from "./import_dialog.js";
import { KeysDialog } from "./keys.js";
import { LoadDialog } from "./load_dialog.js";
import { PasswordDialog } from "./password_dialog.js";

/** Their texts, names, and the role that they need. @type {Array<[string, Route["name"], Role?]>} */
export const PAGES = [
  [t("Board"), "board"],
  [t("Drivers"), "drivers"],
  [t("People"), "people", "ADMIN"],
  [t("Statistics"), "stats"],
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
      { "aria-label": t("Pages") },
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
    button(
      [icon("add"), h("span", null, t("New load"))],
      () => openDialog(LoadDialog, {}),
      "primary new-load",
    ),
    h(
      Menu,
      {
        label: t("More"),
        choices: [
          ...pages
            .filter(([, name]) => name !== here)
            .map(([text, name]) => ({ text, action: hrefOf(name) })),
          { text: t("New driver"), action: () => openDialog(DriverDialog, {}) },
          { text: t("Import loads"), action: () => openDialog(ImportDialog, {}) },
          { text: t("Export this view"), action: () => tell(exportView) },
          { text: t("Keys"), action: () => openDialog(KeysDialog, {}) },
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
    h(SearchField, {
      label: t("Search loads and drivers"),
      value: q,
      onSearch: (text) => {
        setFilters({ q: text });
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
      label: t("Account of {name}", { name: user.name }),
      class: "icon-button account",
      choices: [
        { text: t("Change password"), action: () => openDialog(PasswordDialog, {}) },
        { text: t("Log out"), action: () => askToLogOut("/auth/logout") },
        { text: t("Log out everywhere"), action: () => askToLogOut("/auth/logout-all") },
        user.role === "DRIVER"
          ? { text: t("Notifications"), action: () => tell(askForChannel) }
          : { text: t("About the API"), action: addressOf("/docs") },
        ...otherLanguages(user),
      ],
    },
    icon("user"),
  );
}

async function askForChannel() {
  openDialog(ChannelDialog, { shown: await get("/me/notifications") });
}

/** @param {User} user */
const otherLanguages = (user) =>
  /** @type {Language[]} */ (Object.keys(LANGUAGES))
    .filter((lang) => lang !== LANGUAGE)
    .map((lang) => ({ text: LANGUAGES[lang], lang, action: () => tell(() => speak(user, lang)) }));

/** @typedef {keyof typeof LANGUAGES} Language */

/** Mails to the user, and what a driver is told, are in it, too. @param {User} user @param {Language} language */
async function speak({ id, role }, language) {
  const paths = role === "DRIVER" ? ["/me", "/me/notifications"] : ["/me"];
  for (const path of paths) await request("PATCH", path, { key: newKey(), body: { language } });
  chooseLanguage(id, language);
}

/** What a driver did without a network waits here for the next login. @param {string} path */
function askToLogOut(path) {
  const count = unanswered().length;
  if (count === 0) return void logOut(path);
  ask({
    title: t("Log out?"),
    yes: t("Log out"),
    onYes: () => logOut(path),
    children: taps.value.isUnkept
      ? t("Not sent yet: {count}. It is lost then.", { count })
      : t("Not sent yet: {count}. It is sent when you log in here again.", { count }),
  });
}

/** @param {string} path */
async function logOut(path) {
  await endPush();
  try {
    await request("POST", path);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (path === "/auth/logout-all") return toast(error.message, { isGood: false });
  }
  leave();
}

/** Forget the tokens, and all that is in memory or kept. */
export async function leave() {
  forgetTokens();
  await Promise.all([forgetMine(), dropPush()]);
  location.assign(addressOf("/board"));
}
