// Completed and cancelled loads, found by the API.

import { h } from "preact";
import { address, FIRST_DAY, LAST_DAY } from "../state/address.js";
import { finishedQuery } from "../state/exporting.js";
import { fleet } from "../state/fleet.js";
import { usePages } from "../state/got.js";
import { goingThere } from "../state/lists.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { isolate } from "../ui/text.js";
import { fullTime, shortTime } from "../ui/times.js";
import { VirtualList } from "../ui/virtual_list.js";
import { t } from "../ui/words.js";
import { FilterField } from "./filters.js";
import { Status } from "./page.js";
import { aboutLoad, LoadNumber, Nothing, PanelHead, ROW_REM, RouteOf } from "./panel.js";

const DATE = { type: "date", min: FIRST_DAY, max: LAST_DAY };

export function FinishedPanel() {
  const filters = useStore(address);
  const path = `/loads?${finishedQuery(filters)}&sort=updatedAt&expand=assignment&limit=50`;
  const { rows, problem, more } = usePages(path, useStore(fleet).finished);
  const loads = (rows ?? []).filter(goingThere(filters));
  const isComplete = rows !== undefined || problem !== "";
  return [
    h(
      PanelHead,
      { title: more ? t("and more finished") : t("Finished"), count: loads.length },
      more && button(t("Show more"), more, "small"),
    ),
    h(
      "div",
      { class: "days" },
      h(FilterField, { name: "since", label: t("From day"), ...DATE }),
      h(FilterField, { name: "until", label: t("To day"), ...DATE }),
    ),
    h(/** @type {typeof VirtualList<Load>} */ (VirtualList), {
      items: loads,
      keyOf: ({ id }) => id,
      heightOf: () => ROW_REM,
      label: t("Finished loads"),
      empty: problem || h(Nothing, { isComplete, text: t("No load is finished.") }),
      renderRow: (load, isActive) => h(FinishedRow, { load, isActive }),
    }),
  ];
}

/** @param {{load: Load, isActive: boolean}} props */
function FinishedRow({ load, isActive }) {
  const driver = load.assignment?.driver;
  return h(
    "div",
    { class: "row load-row" },
    h(LoadNumber, { load, tabIndex: -1 }),
    h(
      "a",
      {
        class: "row-main",
        "data-main": true,
        href: `#/loads/${load.id}`,
        tabIndex: isActive ? 0 : -1,
      },
      h(RouteOf, { load }),
      h(
        "span",
        { class: "meta" },
        [driver && isolate(driver.name), aboutLoad(load)].filter(Boolean).join(" · "),
      ),
    ),
    h(
      "div",
      { class: "when" },
      h(Status, { look: load.status }),
      h(
        "time",
        { class: "meta", dateTime: load.updatedAt, title: fullTime(load.updatedAt) },
        shortTime(load.updatedAt),
      ),
    ),
  );
}
