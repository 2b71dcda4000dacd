// All about one load: its fields, what may be done, what happened, and the audit trail.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, pages } from "../api/client.js";
import { close, pending, reopen, setStatus } from "../state/actions.js";
import { startChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { useGot } from "../state/got.js";
import { notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { useNow } from "../ui/clock.js";
import { icon } from "../ui/icons.js";
import { isolate } from "../ui/text.js";
import { fullTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { AuditTrail } from "./audit_trail.js";
import { openDialog } from "./dialogs.js";
import { DriverLink } from "./driver_link.js";
import { STATUS_NAMES } from "./finished_panel.js";
import { Facts, factsOf, RouteOf, TroubleLine, timesOf } from "./panel.js";
import { Timeline } from "./timeline.js";

/** @typedef {{load: Load, timeline: TimelineEntry[]}} Known */

/** @param {{id: number}} props */
export function LoadPage({ id }) {
  useStore(fleet);
  const { load, active } = stateOf(id);
  const version = `${load?.updatedAt} ${active?.id}`;
  const { data: known, problem, refresh } = useGot(() => getAll(id), [version]);

  return h(
    "article",
    { class: "page load-page" },
    h("a", { class: "back", href: "#/" }, icon("back"), t("Board")),
    problem && h("p", { class: "refusal", role: "alert" }, problem),
    known
      ? h(Details, { known, version, onSaved: refresh })
      : !problem && h("p", null, t("Loading …")),
  );
}

/** @param {number} id @returns what the board knows of a load */
function stateOf(id) {
  const { loads, assignments } = fleet.value;
  const active = [...assignments.values()].find(({ loadId }) => loadId === id);
  return { load: loads.get(id), active };
}

/** @param {number} id @returns {Promise<Known>} */
async function getAll(id) {
  const [load, timeline] = await Promise.all([
    get(`/loads/${id}`),
    allOf(`/loads/${id}/timeline?limit=200`),
  ]);
  return { load, timeline };
}

/** @param {string} path */
async function allOf(path) {
  /** @type {any[]} */
  const rows = [];
  for await (const page of pages(path)) rows.push(...page);
  return rows;
}

/** @param {{known: Known, version: string, onSaved: () => Promise<void>}} props */
function Details({ known, version, onSaved }) {
  const { load, timeline } = known;
  const { troubles } = useStore(notices);
  const trouble = troubles.get(load.id);
  return [
    h(
      "header",
      { class: "page-head", key: "head" },
      h(
        "div",
        null,
        h("p", { class: "eyebrow" }, t("Load {id}", { id: load.id })),
        h("h1", null, h(RouteOf, { load })),
      ),
      h("span", { class: `status status-${load.status}` }, STATUS_NAMES[load.status]),
      h(Actions, { known, onSaved }),
    ),
    trouble && h(TroubleLine, { trouble, loadId: load.id, key: "trouble" }),
    h(
      "div",
      { class: "load-columns", key: "columns" },
      h(Fields, { known }),
      h(
        "section",
        null,
        h("h2", null, t("What happened")),
        h(Timeline, { entries: timeline }),
        h(AuditTrail, { of: `loadId=${load.id}`, version }),
      ),
    ),
  ];
}

/** Where the button with the focus goes away or is disabled, another one in its place gets it. */
function useFocusKept() {
  const holder = useRef(/** @type {HTMLElement | null} */ (null));
  const hadFocus = useRef(false);
  const here = document.activeElement;
  if (here !== document.body) hadFocus.current = holder.current?.contains(here) ?? false;
  useEffect(() => {
    if (!hadFocus.current || document.activeElement !== document.body) return;
    const button = holder.current?.querySelector("button:enabled");
    if (button instanceof HTMLElement) button.focus();
  });
  return holder;
}

/** @param {{known: Known, onSaved: () => Promise<void>}} props */
function Actions({ known: { load, timeline }, onSaved }) {
  const isPending = useStore(pending).byLoad.has(load.id);
  const { active } = stateOf(load.id);
  const holder = useFocusKept();
  const driver = active && fleet.value.drivers.get(active.driverId);
  const undo = () => {
    const done = timeline.findLast(({ type }) => type === "LOAD_COMPLETED");
    const [id, driverId] = [Number(done?.assignmentId), Number(done?.driverId)];
    return reopen({ id, loadId: load.id, driverId }).then(onSaved);
  };
  /** @param {string} text @param {() => unknown} onClick @param {string} [look] */
  const action = (text, onClick, look) => button(text, onClick, look, { disabled: isPending });
  const choose = () => {
    location.hash = "#/";
    startChoosing(load, active?.id);
  };

  return h(
    "div",
    { class: "actions", ref: holder },
    load.status !== "COMPLETED" &&
      action(t("Change"), () => openDialog({ name: "load", load, onSaved })),
    action(t("Copy"), () => openDialog({ name: "load", copy: load })),
    load.status === "OPEN" && [
      action(t("Cancel load"), () => setStatus(load, "CANCELLED").then(onSaved)),
      action(t("Assign"), choose, "primary"),
    ],
    load.status === "CANCELLED" &&
      action(t("Reopen"), () => setStatus(load, "OPEN").then(onSaved), "primary"),
    load.status === "COMPLETED" && action(t("Reopen"), undo, "primary"),
    active &&
      driver && [
        action(t("Cancel assignment"), () => close(active, "CANCELLED").then(onSaved)),
        action(t("Give to another driver"), choose),
        action(
          t("Complete"),
          () => openDialog({ name: "complete", load, driver, assignment: active }),
          "primary",
        ),
      ],
  );
}

/** @param {Known} known */
function driverOf({ load, timeline }) {
  if (load.status !== "ASSIGNED" && load.status !== "COMPLETED") return undefined;
  const last = timeline.findLast((entry) => entry.payload.driver)?.payload.driver;
  return last && (fleet.value.drivers.get(last.id) ?? last);
}

/** @param {{known: Known}} props */
function Fields({ known }) {
  const { load } = known;
  const driver = driverOf(known);
  const now = useNow();
  return h(
    "section",
    { "aria-label": t("Fields") },
    h(Facts, {
      facts: [
        [t("Driver"), driver && [h(DriverLink, { driver }), ", ", isolate(driver.licenseNumber)]],
        ...factsOf(load),
        ...timesOf(load, now),
        [t("Created"), fullTime(load.createdAt)],
        [t("Last changed"), fullTime(load.updatedAt)],
      ],
    }),
  );
}
