// All about one load: its fields, what may be done, what happened, and the audit trail.

import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem, pages } from "../api/client.js";
import { pending, setStatus } from "../state/actions.js";
import { startChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { icon } from "../ui/icons.js";
import { isolate } from "../ui/text.js";
import { fullTime, minuteTime } from "../ui/times.js";
import { AuditTrail } from "./audit_trail.js";
import { openDialog } from "./dialogs.js";
import { STATUS_NAMES } from "./finished_panel.js";
import { RouteOf, TroubleLine } from "./panel.js";
import { Timeline } from "./timeline.js";

/** @import {Load, TimelineEntry} from "../types.js" */

/** @typedef {{load: Load, timeline: TimelineEntry[]}} Known */

/** @param {{id: number}} props */
export function LoadPage({ id }) {
  const [known, setKnown] = useState(/** @type {Known | null} */ (null));
  const [problem, setProblem] = useState("");
  const asked = useRef(0);
  useStore(fleet);
  const { load, active } = stateOf(id);
  const version = `${load?.updatedAt} ${active?.id}`;

  const refresh = async () => {
    const number = ++asked.current;
    try {
      const found = await getAll(id);
      if (number === asked.current) setKnown(found);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error.message);
    }
  };
  useEffect(() => void refresh(), [version]);

  return h(
    "article",
    { class: "page load-page" },
    h("a", { class: "back", href: "#/" }, icon("back"), "Board"),
    problem && h("p", { class: "refusal", role: "alert" }, problem),
    known
      ? h(Details, { known, version, onSaved: refresh })
      : !problem && h("p", null, "Loading …"),
  );
}

/**
 * @param {number} id
 * @returns what the board knows of a load
 */
function stateOf(id) {
  const { loads, assignments } = fleet.value;
  const active = [...assignments.values()].find(({ loadId }) => loadId === id);
  return { load: loads.get(id), active };
}

/**
 * @param {number} id
 * @returns {Promise<Known>}
 */
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
      { class: "load-head", key: "head" },
      h(
        "div",
        null,
        h("p", { class: "eyebrow" }, `Load ${load.id}`),
        h("h1", null, h(RouteOf, { load })),
      ),
      h("span", { class: `status status-${load.status}` }, STATUS_NAMES[load.status]),
      h(Actions, { load, onSaved }),
    ),
    trouble && h(TroubleLine, { trouble, loadId: load.id, key: "trouble" }),
    h(
      "div",
      { class: "load-columns", key: "columns" },
      h(Facts, { known }),
      h(
        "section",
        null,
        h("h2", null, "What happened"),
        h(Timeline, { entries: timeline }),
        h(AuditTrail, { loadId: load.id, version }),
      ),
    ),
  ];
}

/** Where the button with the focus goes away or is disabled, another one in its place gets it. */
function useFocusKept() {
  /** @type {import("preact").RefObject<HTMLElement | null>} */
  const holder = useRef(null);
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

/** @param {{load: Load, onSaved: () => Promise<void>}} props */
function Actions({ load, onSaved }) {
  const isPending = useStore(pending).byLoad.has(load.id);
  const { active } = stateOf(load.id);
  const holder = useFocusKept();
  const driver = active && fleet.value.drivers.get(active.driverId);
  /**
   * @param {string} text
   * @param {() => unknown} onClick
   * @param {string} [more]
   */
  const button = (text, onClick, more = "") =>
    h("button", { type: "button", class: `button ${more}`, disabled: isPending, onClick }, text);
  const choose = () => {
    location.hash = "#/";
    startChoosing(load, active?.id);
  };

  return h(
    "div",
    { class: "actions", ref: holder },
    load.status === "OPEN" && [
      button("Cancel load", () => setStatus(load, "CANCELLED").then(onSaved)),
      button("Change", () => openDialog({ name: "load", load, onSaved })),
      button("Assign", choose, "primary"),
    ],
    load.status === "CANCELLED" && [
      button("Change", () => openDialog({ name: "load", load, onSaved })),
      button("Reopen", () => setStatus(load, "OPEN").then(onSaved), "primary"),
    ],
    active &&
      driver && [
        button("Give to another driver", choose),
        button(
          "Complete",
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
function Facts({ known }) {
  const { load } = known;
  const driver = driverOf(known);
  /** @type {Array<[string, string | null | undefined]>} */
  const facts = [
    ["Driver", driver && `${isolate(driver.name)}, ${isolate(driver.licenseNumber)}`],
    ["Cargo type", isolate(load.cargoType)],
    ["Reference", load.reference && isolate(load.reference)],
    ["Pickup", load.pickupAt && minuteTime(load.pickupAt)],
    ["Deliver by", load.deliverBy && minuteTime(load.deliverBy)],
    ["Created", fullTime(load.createdAt)],
    ["Last changed", fullTime(load.updatedAt)],
  ];
  return h(
    "section",
    { "aria-label": "Fields" },
    h(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => [
        h("dt", { key: name }, name),
        h("dd", { key: `${name} value` }, value || "–"),
      ]),
    ),
  );
}
