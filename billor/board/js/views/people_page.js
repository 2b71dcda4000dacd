// For admins: who may log in and as what, and what happened to accounts.

import { h } from "preact";
import { useState } from "preact/hooks";
import { fleet } from "../state/fleet.js";
import { usePages } from "../state/got.js";
import { saved, saveUser, tell } from "../state/people.js";
import { useStore } from "../state/store.js";
import { useNow } from "../ui/clock.js";
import { icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { ask, openDialog } from "./dialogs.js";
import { ListHead, PagedTable } from "./lists.js";
import { DriverLink } from "./page.js";
import { Timeline } from "./timeline.js";
import { ResetDialog, UserDialog } from "./user_dialog.js";
import { ROLE_NAMES } from "./what_happened.js";

/** The worker records what happened some time later. */
const AUDIT_SECONDS = 5;

/** @type {Record<string, (user: User) => Children>} */
const USERS = {
  [t("Name")]: ({ name }) => isolate(name),
  [t("Email")]: ({ email }) => isolate(email),
  [t("Role")]: ({ role, active }) => [
    ROLE_NAMES[role] ?? role,
    !active && h("span", { class: "late" }, ` · ${t("inactive")}`),
  ],
  [t("Driver")]: ({ driverId: id }) =>
    id &&
    h(DriverLink, {
      driver: fleet.value.drivers.get(id) ?? { id, name: t("Driver {id}", { id }) },
    }),
  [t("Last seen")]: ({ lastSeenAt }) => (lastSeenAt ? shortTime(lastSeenAt) : t("never")),
  [t("Actions")]: (user) => h(Actions, { user }),
};

export function PeoplePage() {
  const { count } = useStore(saved);
  const [q, setQ] = useState("");
  const now = useNow(AUDIT_SECONDS);
  useStore(fleet);
  return h(
    "article",
    { class: "page" },
    h(ListHead, {
      title: t("People"),
      find: t("Find a person"),
      onSearch: setQ,
      add: t("New person"),
      onAdd: () => openDialog(UserDialog, {}),
    }),
    h(PagedTable, {
      label: t("People"),
      columns: USERS,
      got: usePages(`/users?limit=100${q && `&q=${encodeURIComponent(q)}`}`, count),
      empty: t("Nobody is found."),
    }),
    h("h2", null, t("What happened to accounts")),
    h(Timeline, { path: "/audit/accounts?limit=50", version: now }),
  );
}

/** @param {{user: User}} props */
function Actions({ user }) {
  const name = isolate(user.name);
  const deactivate = {
    title: t("Deactivate {name}?", { name }),
    yes: t("Deactivate"),
    children: t("They are logged out now, and cannot log in. You can bring them back."),
    onYes: () =>
      tell(() => saveUser(user, { active: false }), t("{name} can no longer log in.", { name })),
  };
  const bringBack = () =>
    tell(() => saveUser(user, { active: true }), t("{name} may log in again.", { name }));
  return h(
    Menu,
    {
      label: t("More about {name}", { name: user.name }),
      choices: [
        { text: t("Change"), action: () => openDialog(UserDialog, { user }) },
        { text: t("Set a new password"), action: () => openDialog(ResetDialog, { user }) },
        user.active
          ? { text: t("Deactivate"), action: () => ask(deactivate) }
          : { text: t("Bring back"), action: () => void bringBack() },
      ],
    },
    icon("more"),
  );
}
