// All drivers: what they do now, and those who no longer drive.

import { h } from "preact";
import { useState } from "preact/hooks";
import { fleet } from "../state/fleet.js";
import { usePages } from "../state/got.js";
import { saved } from "../state/people.js";
import { useStore } from "../state/store.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { openDialog } from "./dialogs.js";
import { DriverLink } from "./driver_link.js";
import { ListHead, PagedTable } from "./lists.js";
import { LoadLink } from "./panel.js";

/** @type {Record<string, (driver: Driver) => import("preact").ComponentChildren>} */
const COLUMNS = {
  [t("Name")]: (driver) => h(DriverLink, { driver }),
  [t("License")]: ({ licenseNumber }) => isolate(licenseNumber),
  [t("Status")]: (driver) => h(DriverStatus, { driver }),
  [t("Load")]: (driver) => {
    const load = loadOf(driver);
    return load && h(LoadLink, { load });
  },
};

export function DriversPage() {
  const { count } = useStore(saved);
  const { drivers, isComplete } = useStore(fleet);
  const [q, setQ] = useState("");
  const [status, setStatus] = useState("ACTIVE");
  const path = `/drivers?status=${status}&limit=200${q && `&q=${encodeURIComponent(q)}`}`;
  const got = usePages(path, `${count} ${isComplete && drivers.size}`);
  const rows = got.rows?.map((/** @type {Driver} */ driver) => drivers.get(driver.id) ?? driver);
  /** @param {Driver["status"]} value @param {string} text */
  const filter = (value, text) =>
    h(
      "button",
      { type: "button", "aria-pressed": value === status, onClick: () => setStatus(value) },
      text,
    );
  return h(
    "article",
    { class: "page" },
    h(
      ListHead,
      {
        title: t("Drivers"),
        find: t("Find a driver"),
        onSearch: setQ,
        add: t("New driver"),
        onAdd: () => openDialog({ name: "driver" }),
      },
      h(
        "div",
        { class: "places", role: "group", "aria-label": t("Show") },
        filter("ACTIVE", t("Active drivers")),
        filter("INACTIVE", t("Inactive drivers")),
      ),
    ),
    h(PagedTable, {
      label: t("Drivers"),
      columns: COLUMNS,
      got: { ...got, rows: rows?.sort((one, other) => one.name.localeCompare(other.name)) },
      empty: t("No driver is found."),
    }),
  );
}

/** @param {{driver: Driver}} props */
export function DriverStatus({ driver }) {
  const [text, look] =
    driver.status === "INACTIVE"
      ? [t("Inactive"), "CANCELLED"]
      : loadOf(driver)
        ? [t("On the road"), "ASSIGNED"]
        : [t("Free"), "COMPLETED"];
  return h("span", { class: `status status-${look}` }, text);
}

/** @param {Driver} driver */
export function loadOf({ id }) {
  const { assignments, loads } = fleet.value;
  const active = [...assignments.values()].find(({ driverId }) => driverId === id);
  return active && loads.get(active.loadId);
}
