// All about one driver: the load now, what was driven before, and a sheet to take along.

import { h } from "preact";
import { get } from "../api/client.js";
import { fleet } from "../state/fleet.js";
import { useGot, usePages } from "../state/got.js";
import { saveDriver, tell } from "../state/people.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { useNow } from "../ui/clock.js";
import { isolate } from "../ui/text.js";
import { fullDate, fullTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { ask, openDialog } from "./dialogs.js";
import { DriverDialog } from "./driver_dialog.js";
import { DriverStatus, loadOf } from "./drivers_page.js";
import { PagedTable } from "./lists.js";
import { Page, PageHead, STATUS_NAMES } from "./page.js";
import { contactsOf, Facts, factsOf, Lines, LoadLink, Phone, timesOf } from "./panel.js";
import { AuditTrail } from "./timeline.js";

/** @type {Record<string, (assignment: AssignmentDetail) => Children>} */
const HISTORY = {
  [t("Load")]: ({ load }) => h(LoadLink, { load }),
  [t("Status")]: ({ status }) => (status === "CANCELLED" ? t("Given back") : STATUS_NAMES[status]),
  [t("Assigned")]: ({ assignedAt }) => fullTime(assignedAt),
  [t("Ended")]: ({ closedAt }) => closedAt && fullTime(closedAt),
};

/** @param {{id: number}} props */
export function OneDriverPage({ id }) {
  const known = useStore(fleet).drivers.get(id);
  const { data, problem } = useGot(() => get(`/drivers/${id}`), [id, known]);
  const driver = data?.id === id && data;
  return h(
    Page,
    { look: "one-driver-page", back: [t("Drivers"), "#/drivers"], problem, isKnown: !!driver },
    driver && h(Details, { driver }),
  );
}

/** @param {{driver: Driver}} props */
function Details({ driver }) {
  const active = loadOf(driver);
  const path = active && `/loads/${active.id}`;
  const { data: load } = useGot(async () => path && get(path), [path, active?.updatedAt]);
  const now = useNow();
  const next = fleet.value.loads.get(fleet.value.plannedFor(driver)?.loadId ?? 0);
  const version = `${JSON.stringify(driver)} ${active?.id} ${next?.id}`;
  const past = `/assignments?driverId=${driver.id}&status=COMPLETED&status=CANCELLED&expand=load`;
  return [
    h(
      PageHead,
      {
        key: "head",
        eyebrow: t("Driver {id}", { id: driver.id }),
        title: isolate(driver.name),
      },
      h(DriverStatus, { driver }),
      h(Actions, { driver }),
    ),
    h(
      "div",
      { class: "load-columns", key: "columns" },
      h(Facts, {
        label: t("Driver"),
        facts: [
          [t("License"), isolate(driver.licenseNumber)],
          [t("License expires on"), dateOf(driver.licenseExpiresOn)],
          [t("Medical card expires on"), dateOf(driver.medicalExpiresOn)],
          [t("Phone"), driver.phone && h(Phone, { phone: driver.phone, shown: driver.phoneShown })],
          [t("Email"), driver.email && h("a", { href: `mailto:${driver.email}` }, driver.email)],
          [t("Driver since"), fullTime(driver.createdAt)],
          [t("Load"), active && h(LoadLink, { load: active })],
          ...(load ? [...factsOf(load), ...timesOf(load, now), ...contactsOf(load)] : []),
          [t("Next load"), next && h(LoadLink, { load: next })],
        ],
      }),
      h(
        "section",
        { class: "history" },
        driver.notes && [
          h("h2", { class: "internal", key: "head" }, t("Notes")),
          h("p", { class: "internal lines", key: "notes" }, h(Lines, null, driver.notes)),
        ],
        h("h2", null, t("Loads before")),
        h(PagedTable, { label: t("Loads before"), columns: HISTORY, got: usePages(past, version) }),
        h(AuditTrail, { of: `driverId=${driver.id}`, version }),
      ),
    ),
  ];
}

/** @param {string | null} [date] */
const dateOf = (date) => date && fullDate(date);

/** @param {{driver: Driver}} props */
function Actions({ driver }) {
  const name = isolate(driver.name);
  /** @param {Driver["status"]} status @param {string} text */
  const setStatus = (status, text) => tell(() => saveDriver({ current: driver }, { status }), text);
  const deactivate = {
    title: t("Deactivate {name}?", { name }),
    yes: t("Deactivate"),
    children: t("They get no more loads, and keep the one they have. You can bring them back."),
    onYes: () => setStatus("INACTIVE", t("{name} gets no more loads.", { name })),
  };
  return h(
    "div",
    { class: "actions" },
    button(t("Print dispatch sheet"), () => print()),
    button(t("Change"), () => openDialog(DriverDialog, { driver })),
    driver.status === "ACTIVE"
      ? button(t("Deactivate"), () => ask(deactivate))
      : button(t("Bring back"), () =>
          setStatus("ACTIVE", t("{name} is free for loads.", { name })),
        ),
  );
}
