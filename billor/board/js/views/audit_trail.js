// The audit trail of a load, got when somebody opens it.

import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api/client.js";
import { Table } from "../ui/table.js";
import { isolate } from "../ui/text.js";
import { fullTime } from "../ui/times.js";

/** @import {Problem} from "../api/client.js" */
/** @import {AuditDocument} from "../types.js" */

const COLUMNS = ["Time", "What", "Who", "Document"];

/** @param {{loadId: number, version: string}} props `version` changes with the load */
export function AuditTrail({ loadId, version }) {
  const [isOpen, setOpen] = useState(false);
  const [documents, setDocuments] = useState(/** @type {AuditDocument[] | null} */ (null));
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (!isOpen) return;
    get(`/audit?loadId=${loadId}&limit=200`).then(
      (found) => {
        setDocuments(found);
        setProblem("");
      },
      (/** @type {Problem} */ refusal) => setProblem(refusal.message),
    );
  }, [isOpen, version]);
  return h(
    "details",
    {
      class: "audit",
      onToggle: (/** @type {Event} */ event) =>
        setOpen(/** @type {HTMLDetailsElement} */ (event.currentTarget).open),
    },
    h("summary", null, "Audit trail"),
    problem && h("p", { class: "refusal" }, problem),
    documents ? h(Documents, { documents }) : !problem && h("p", null, "Loading …"),
  );
}

/** @param {{documents: AuditDocument[]}} props */
function Documents({ documents }) {
  return h(
    Table,
    { label: "Audit trail", columns: COLUMNS },
    documents.map(({ _id, type, timestamp, payload }) =>
      h(
        "tr",
        { key: _id },
        h("td", null, fullTime(timestamp)),
        h("td", null, type),
        h("td", null, payload.user ? isolate(payload.user.name) : "–"),
        h("td", { class: "code" }, _id),
      ),
    ),
  );
}
