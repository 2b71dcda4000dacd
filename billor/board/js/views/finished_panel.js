// Completed and cancelled loads, found by the API.

import { h } from "preact";
import { get } from "../api/client.js";
import { address, FIRST_DAY, LAST_DAY, setFilters } from "../state/address.js";
import { finishedQuery } from "../state/exporting.js";
import { fleet } from "../state/fleet.js";
import { useGot, usePages } from "../state/got.js";
import { goingThere } from "../state/lists.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { isolate } from "../ui/text.js";
import { fullTime, shortTime } from "../ui/times.js";
import { VirtualList } from "../ui/virtual_list.js";
import { counted, t } from "../ui/words.js";
import { FilterField } from "./filters.js";
import { Pod, Status } from "./page.js";
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
      filters.show === "finished" && h(WithoutPod, null),
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

/** Delivered loads whose proof of delivery is missing: the API counts them, up to 99. */
function WithoutPod() {
  const { only } = useStore(address);
  const { finished } = useStore(fleet);
  const { data } = useGot(() => get("/loads?withoutPod=true&limit=100"), [finished]);
  const count = data && (data.length < 100 ? counted(data.length) : "99+");
  const isOn = only === "withoutPod";
  const onClick = () => setFilters({ only: isOn ? "" : "withoutPod" });
  return h(
    "button",
    { type: "button", class: "chip", "aria-pressed": isOn, onClick },
    t("Delivered without POD"),
    h("b", null, count),
  );
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
        "span",
        null,
        load.status === "COMPLETED" && h(Pod, { load }),
        h(
          "time",
          { class: "meta", dateTime: load.updatedAt, title: fullTime(load.updatedAt) },
          shortTime(load.updatedAt),
        ),
      ),
    ),
  );
}
