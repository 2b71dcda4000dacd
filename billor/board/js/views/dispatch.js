// The dispatchers' page: its head, and the board, a load or the statistics below.

import { h } from "preact";
import { useEffect } from "preact/hooks";
import { address } from "../state/address.js";
import { refetch } from "../state/fleet.js";
import { useStore } from "../state/store.js";
import { focusContent } from "../ui/dialog.js";
import { t } from "../ui/words.js";
import { Board } from "./board.js";
import { ConnectionBanner, useLive } from "./connection.js";
import { Dialogs } from "./dialogs.js";
import { DriversPage } from "./drivers_page.js";
import { Head, PAGES } from "./head.js";
import { useKeys } from "./keys.js";
import { LoadPage } from "./load_page.js";
import { OneDriverPage } from "./one_driver_page.js";
import { PeoplePage } from "./people_page.js";
import { StatsPage } from "./stats_page.js";

/** @type {Partial<Record<Route["name"], () => VNode>>} */
const VIEWS = { drivers: DriversPage, people: PeoplePage, stats: StatsPage };

/** @param {{user: User}} props */
export function DispatchApp({ user }) {
  const { route } = useStore(address);
  useKeys();
  const Page = VIEWS[route.name];
  useLive("/changes", refetch);
  useEffect(() => {
    document.title = titleOf(route);
    if (document.activeElement === document.body) focusContent();
  }, [route]);
  return h(
    "div",
    { class: "app" },
    h("button", { class: "skip", type: "button", onClick: focusContent }, t("Skip to the content")),
    h(Head, { user, route }),
    h(
      "main",
      { id: "content", tabIndex: -1 },
      // Kept while another page is shown, with its scroll positions.
      h("div", { class: "board-holder", hidden: route.name !== "board" }, h(Board, null)),
      route.name === "load" && h(LoadPage, { id: route.id, key: route.id }),
      route.name === "driver" && h(OneDriverPage, { id: route.id, key: route.id }),
      Page && h(Page, null),
    ),
    h(ConnectionBanner, null), // below the lists, which it would move
    h(Dialogs, null),
  );
}

/** @param {Route} route */
function titleOf({ name, id }) {
  if (name === "board") return "Billor";
  const page = PAGES.find((head) => head[1] === name)?.[0];
  return `${page ?? (name === "load" ? t("Load {id}", { id }) : t("Driver {id}", { id }))} · Billor`;
}
