// All about one load: its fields, what may be done, what happened, and the audit trail.

import { h } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { get, request } from "../api/client.js";
import { close, give, pending, setStatus } from "../state/actions.js";
import { startChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { useGot } from "../state/got.js";
import { notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { useNow } from "../ui/clock.js";
import { isolate } from "../ui/text.js";
import { fullTime } from "../ui/times.js";
import { hold } from "../ui/virtual_list.js";
import { t } from "../ui/words.js";
import { CheckInDialog } from "./check_in_dialog.js";
import { CommentForm } from "./comment_form.js";
import { askToComplete, openDialog } from "./dialogs.js";
import { LoadDialog } from "./load_dialog.js";
import { LoadDocuments } from "./load_documents.js";
import { DriverLink, Page, PageHead, Status, useFocusKept } from "./page.js";
import { contactsOf, Facts, factsOf, filled, RouteOf, TroubleLine, timesOf } from "./panel.js";
import { progressOf, waitsOf } from "./progress.js";
import { ReopenDialog } from "./reopen_dialog.js";
import { AuditTrail, Timeline } from "./timeline.js";

/**
 * `last`: what is or was driven.
 * @typedef {{load: Load, last?: AssignmentWithDriver, checkIns: CheckIn[]}} Known
 */

/** @param {{id: number}} props */
export function LoadPage({ id }) {
  useStore(fleet);
  const { load, active } = stateOf(id);
  const version = `${load && fleet.value.received.get(load)} ${active?.id}`;
  const { data: known, problem, refresh } = useGot(() => getAll(id), [version]);
  return h(
    Page,
    { look: "load-page", back: [t("Board"), "#/"], problem, isKnown: known !== null },
    known && h(Details, { known, version, onSaved: refresh }),
  );
}

/** @param {number} id @returns what the board knows of a load */
function stateOf(id) {
  const { loads, assignments, plans, drivers } = fleet.value;
  const active = [...assignments.values()].find(({ loadId }) => loadId === id);
  const planned = [...plans.values()].find(({ loadId }) => loadId === id);
  return { load: loads.get(id), active, planned, next: drivers.get(planned?.driverId ?? 0) };
}

/** @param {number} id @returns {Promise<Known>} */
async function getAll(id) {
  const path = `/assignments?loadId=${id}&status=ASSIGNED&status=COMPLETED&expand=driver&limit=1`;
  const [load, [last]] = await Promise.all([get(`/loads/${id}`), get(path)]);
  const checkIns = last ? await get(`/assignments/${last.id}/check-ins?limit=200`) : [];
  return { load, last, checkIns };
}

/** @param {{known: Known, version: string, onSaved: () => Promise<void>}} props */
function Details({ known, version, onSaved }) {
  const { load, last, checkIns } = known;
  const driver = last && (fleet.value.drivers.get(last.driverId) ?? last.driver);
  const { next } = stateOf(load.id);
  const { troubles } = useStore(notices);
  const trouble = troubles.get(load.id);
  const now = useNow();
  /** @param {object} body @param {string} key */
  const comment = async (body, key) => {
    await request("POST", `/loads/${load.id}/comments`, { key, body });
    fleet.value.putLoad(load); // so that the timeline is got again
    fleet.tell();
  };
  return [
    h(
      PageHead,
      { key: "head", eyebrow: t("Load {id}", { id: load.id }), title: h(RouteOf, { load }) },
      h(Status, { look: next ? "PLANNED" : load.status }),
      h(Actions, { known, onSaved }),
    ),
    trouble && h(TroubleLine, { trouble, loadId: load.id, key: "trouble" }),
    h(
      "div",
      { class: "load-columns", key: "columns" },
      h(
        "div",
        null,
        h(Facts, {
          label: t("Fields"),
          facts: [
            [
              t("Driver"),
              driver && [h(DriverLink, { driver }), ", ", isolate(driver.licenseNumber)],
            ],
            ...filled([[t("Next for"), next && h(DriverLink, { driver: next })]]),
            ...factsOf(load),
            ...timesOf(load, now, last),
            ...filled([[t("Progress"), last?.status === "ASSIGNED" && progressOf(last, now)]]),
            ...(last ? waitsOf(last, checkIns, now) : []),
            ...contactsOf(load),
            [t("Created"), fullTime(load.createdAt)],
            [t("Last changed"), fullTime(load.updatedAt)],
          ],
        }),
        h(LoadDocuments, { load, version }),
      ),
      h(
        "section",
        null,
        h("h2", null, t("What happened")),
        h(Timeline, { path: `/loads/${load.id}/timeline?limit=200`, version }),
        h(
          CommentForm,
          {
            label: t("Comment"),
            type: "lines",
            action: t("Add comment"),
            send: comment,
          },
          h(
            "label",
            { class: "check" },
            h("input", { type: "checkbox", name: "visible" }),
            t("Visible to the driver"),
          ),
        ),
        h(AuditTrail, { of: `loadId=${load.id}`, version }),
      ),
    ),
  ];
}

/** @param {{known: Known, onSaved: () => Promise<void>}} props */
function Actions({ known: { load, last }, onSaved }) {
  const isPending = useStore(pending).byLoad.has(load.id);
  const { active, planned, next } = stateOf(load.id);
  const holder = useFocusKept();
  useLayoutEffect(() => void hold(holder.current), [load.status]);
  const driver = active && fleet.value.drivers.get(active.driverId);
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
      action(t("Change"), () => openDialog(LoadDialog, { load, onSaved })),
    action(t("Copy"), () => openDialog(LoadDialog, { copy: load })),
    planned &&
      next && [
        action(t("Cancel the plan"), () => close(planned, "CANCELLED")),
        action(t("Give to another driver"), choose),
        !fleet.value.activeOf(next) && action(t("Start now"), () => give(load, next), "primary"),
      ],
    load.status === "OPEN" &&
      !planned && [
        action(t("Cancel load"), () => setStatus(load, "CANCELLED").then(onSaved)),
        action(t("Assign"), choose, "primary"),
      ],
    load.status === "CANCELLED" &&
      action(t("Reopen"), () => setStatus(load, "OPEN").then(onSaved), "primary"),
    load.status === "COMPLETED" &&
      last &&
      action(t("Reopen"), () => openDialog(ReopenDialog, { assignment: last }), "primary"),
    active &&
      driver && [
        action(t("Check in"), () => openDialog(CheckInDialog, { load, assignment: active })),
        action(t("Cancel assignment"), () => close(active, "CANCELLED").then(onSaved)),
        action(t("Give to another driver"), choose),
        action(t("Complete"), () => askToComplete({ load, driver, assignment: active }), "primary"),
      ],
  );
}
