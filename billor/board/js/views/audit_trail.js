// The audit trail of a load or a driver, got when somebody opens it.

import { h } from "preact";
import { useState } from "preact/hooks";
import { usePages } from "../state/got.js";
import { fullTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { PagedTable } from "./lists.js";
import { whatHappened, whoOf } from "./what_happened.js";

const COLUMNS = {
  [t("Time")]: (/** @type {AuditDocument} */ { timestamp }) => fullTime(timestamp),
  [t("What")]: whatHappened,
  [t("Who")]: (/** @type {AuditDocument} */ { payload }) => whoOf(payload),
};

/** @param {{of: string, version: string}} props `of`: such as `loadId=7`; `version` changes with it */
export function AuditTrail({ of, version }) {
  const [isOpen, setOpen] = useState(false);
  return h(
    "details",
    {
      class: "audit",
      onToggle: (/** @type {Event} */ event) =>
        setOpen(/** @type {HTMLDetailsElement} */ (event.currentTarget).open),
    },
    h("summary", null, t("Audit trail")),
    isOpen && h(Documents, { path: `/audit?${of}&limit=200`, version }),
  );
}

/** @param {{path: string, version: unknown}} props */
export const Documents = ({ path, version }) =>
  h(PagedTable, { label: t("Audit trail"), columns: COLUMNS, got: usePages(path, version) });
