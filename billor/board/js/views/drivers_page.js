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
import { DriverDialog } from "./driver_dialog.js";
import { toggle } from "./filters.js";
import { ListHead, PagedTable } from "./lists.js";
import { DriverLink, Status } from "./page.js";
import { LoadLink, Phone } from "./panel.js";
import { Papers } from "./papers.js";

/** @type {Record<string, (driver: Driver) => Children>} */
const COLUMNS = {
  [t("Name")]: (driver) => h(DriverLink, { driver }),
  [t("License")]: ({ licenseNumber }) => isolate(licenseNumber),
  [t("Phone")]: ({ phone, phoneShown: shown }) => phone && h(Phone, { phone, shown }),
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
  const rows = got.rows?.map((/** @type {Driver} */ row) => ({ ...row, ...drivers.get(row.id) }));
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
        onAdd: () => openDialog(DriverDialog, {}),
      },
      h(
        "div",
        { class: "places", role: "group", "aria-label": t("Show") },
        toggle(t("Active drivers"), undefined, status === "ACTIVE", () => setStatus("ACTIVE")),
        toggle(t("Inactive drivers"), undefined, status === "INACTIVE", () =>
          setStatus("INACTIVE"),
        ),
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
export const DriverStatus = ({ driver }) => [statusOf(driver), " ", h(Papers, { driver })];

/** @param {Driver} driver */
function statusOf(driver) {
  if (driver.status === "INACTIVE") return h(Status, { look: "CANCELLED", text: t("Inactive") });
  if (loadOf(driver)) return h(Status, { look: "ASSIGNED" });
  return h(Status, { look: "COMPLETED", text: t("Free") });
}

/** @param {Driver} driver */
export function loadOf(driver) {
  const active = fleet.value.activeOf(driver);
  return active && fleet.value.loads.get(active.loadId);
}
