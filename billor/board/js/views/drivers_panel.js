// Free drivers, and the choice of one for a load.

import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { chooseDriver, choosing, stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { driverText, hasAll, words } from "../state/search.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { SearchField } from "../ui/form.js";
import { isolate } from "../ui/text.js";
import { refocus, VirtualList } from "../ui/virtual_list.js";
import { t } from "../ui/words.js";
import { askToAssign } from "./dialogs.js";
import { drag } from "./dropping.js";
import { Nothing, PanelHead, RouteOf } from "./panel.js";
import { Papers } from "./papers.js";

const DRIVER_REM = 3.25;

/** @param {{lists: Lists, isComplete: boolean, isNarrow: boolean}} props */
export function DriversPanel({ lists, isComplete, isNarrow }) {
  const { drivers, total, areAllDrivers, version } = lists;
  const { loadId } = useStore(choosing);
  const [name, setName] = useState("");
  /** @type {import("preact").RefObject<VirtualList<Driver> | null>} */
  const list = useRef(null);
  const load = loadId === null ? undefined : fleet.value.loads.get(loadId);
  const shown = load
    ? drivers.filter((driver) => hasAll(driverText(driver), words(name)))
    : drivers;

  const hasDrivers = drivers.length > 0;

  useEffect(() => {
    setName("");
    if (loadId === null) return;
    const place = document.activeElement?.closest(".rows");
    return () => {
      const here = document.activeElement;
      if (place?.isConnected && (here === document.body || here?.closest(".drivers")))
        refocus(place);
    };
  }, [loadId]);
  useEffect(() => {
    if (loadId !== null && hasDrivers) list.current?.focusRow(0);
  }, [loadId, hasDrivers]);

  const onChoose = (/** @type {Driver} */ driver) =>
    isNarrow && load ? askToAssign(load, driver) : chooseDriver(driver);
  return [
    h(PanelHead, {
      title: t("Free drivers"),
      count: shown.length,
      total: total.drivers,
      isComplete,
    }),
    load && h(ChoosingHead, { load, setName }),
    areAllDrivers &&
      !load &&
      h("p", { class: "note" }, t("No driver matches the search: here are all of them.")),
    h(/** @type {typeof VirtualList<Driver>} */ (VirtualList), {
      handle: list,
      items: shown,
      keyOf: ({ id }) => id,
      heightOf: () => DRIVER_REM,
      label: t("Free drivers"),
      version,
      empty: h(Nothing, { isComplete, text: t("No driver is free.") }),
      renderRow: (driver, isActive) =>
        h(DriverRow, {
          driver,
          isActive,
          onChoose: load ? () => onChoose(driver) : undefined,
        }),
    }),
  ];
}

/** @param {{load: Load, setName: (name: string) => void}} props */
function ChoosingHead({ load, setName }) {
  const parts = { id: h("b", null, load.id), route: h(RouteOf, { load }) };
  return h(
    "div",
    { class: "choosing-head" },
    h("p", null, t("Driver for load {id}: {route}", parts)),
    h(SearchField, { key: load.id, label: t("Find a driver"), onSearch: setName }),
    button(t("Back"), stopChoosing, "small"),
  );
}

/**
 * @param {object} props @param {Driver} props.driver @param {boolean} props.isActive
 * @param {() => void} [props.onChoose] while a driver is chosen
 */
function DriverRow({ driver, isActive, onChoose }) {
  const content = [
    onChoose && h("span", { class: "unseen", key: "action" }, `${t("Assign")}: `),
    h("span", { class: "driver-name", key: "name" }, isolate(driver.name)),
    h(
      "span",
      { class: "meta", key: "license" },
      isolate(driver.licenseNumber),
      " ",
      h(Papers, { driver, isSmall: true }),
    ),
  ];
  const main = { class: "row-main", "data-main": true, tabIndex: isActive ? 0 : -1 };
  return h(
    "div",
    {
      class: "row driver-row",
      "data-drop": `driver:${driver.id}`,
      onPointerDown: (/** @type {PointerEvent} */ event) => drag(event, { driver }),
    },
    onChoose
      ? h("button", { type: "button", onClick: onChoose, ...main }, content)
      : h("a", { href: `#/drivers/${driver.id}`, draggable: false, ...main }, content),
  );
}
