// The documents of a load, for dispatchers: to see, save and add, and for admins to delete.

import { h } from "preact";
import { newKey, request } from "../api/client.js";
import { usePages } from "../state/got.js";
import { tell } from "../state/people.js";
import { session } from "../state/session.js";
import { useStore } from "../state/store.js";
import { documentsChanged, replace, upload, uploads } from "../state/uploads.js";
import { button, iconButton } from "../ui/button.js";
import { isolate } from "../ui/text.js";
import { fullTime } from "../ui/times.js";
import { counted, t } from "../ui/words.js";
import { ask } from "./dialogs.js";
import { AddDocument, Documents, shownOf } from "./documents.js";
import { Paged } from "./lists.js";
import { useFocusKept } from "./page.js";

/** @param {{load: Load, version: string}} props they are got again when `version` changes */
export function LoadDocuments({ load: { id: loadId, status }, version }) {
  const { list, changes } = useStore(uploads);
  const own = list.filter((each) => each.loadId === loadId);
  const count = own.filter(({ refusal }) => !refusal).length;
  return h(
    "section",
    { class: "load-documents", ref: useFocusKept() },
    h("h2", null, t("Documents")),
    h(Paged, {
      got: usePages(`/loads/${loadId}/documents?limit=50`, `${version} ${changes}`),
      empty: t("No documents yet."),
      draw: (rows) => h(Documents, { key: "list", documents: rows.map(describe) }),
    }),
    h("p", { role: "status" }, count > 0 && t("Sending, {count} to go …", { count })),
    own.map((each) => each.refusal && h(Refused, { key: each.key, each })),
    h(AddDocument, {
      kind: status === "OPEN" ? "RATE_CONFIRMATION" : "POD",
      onFile: async (file, kind) => upload({ loadId, file, kind }),
      isDropZone: true,
    }),
    h("p", { class: "hint" }, t("Or drop files anywhere on this page.")),
  );
}

/** @param {LoadDocument} document @returns {import("./documents.js").Shown} */
function describe(document) {
  const { id, name, size, user, happenedAt, createdAt } = document;
  const { toOpen, toSave, ...shown } = shownOf(document, `/documents/${id}`);
  const kilobytes = t("{size} kB", { size: counted(Math.ceil(size / 1000)) });
  const facts = [isolate(name), kilobytes, isolate(user.name), fullTime(happenedAt ?? createdAt)];
  const label = { "aria-label": `${t("Delete")} ${name}` };
  const toDelete = button(t("Delete"), () => askToDelete(id, name), "small", label);
  const isAdmin = session.value.user?.role === "ADMIN";
  return {
    ...shown,
    about: facts.join(" · "),
    actions: [toOpen, toSave, isAdmin && toDelete],
  };
}

/** @param {number} id @param {string} name */
const askToDelete = (id, name) =>
  ask({
    title: t("Delete {name}?", { name: isolate(name) }),
    yes: t("Delete"),
    onYes: () =>
      tell(
        () => request("DELETE", `/documents/${id}`, { key: newKey() }).then(documentsChanged),
        t("{name} was deleted.", { name: isolate(name) }),
      ),
    children: t("Nobody can see it any more."),
  });

/** @param {{each: import("../state/uploads.js").Upload}} props */
const Refused = ({ each }) =>
  h(
    "div",
    { class: "trouble" },
    h("p", null, h("b", null, isolate(each.file.name)), ": ", each.refusal),
    button(t("Try again"), () => upload(each), "small"),
    iconButton("close", t("Dismiss"), () => replace(each.key)),
  );
