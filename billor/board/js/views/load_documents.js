// The documents of a load, for dispatchers: to see, save and add, and for admins to delete.

import { h } from "preact";
import { newKey, request } from "../api/client.js";
import { getFile } from "../state/documents.js";
import { saveFile, urlOf } from "../state/exporting.js";
import { usePages } from "../state/got.js";
import { tell } from "../state/people.js";
import { session } from "../state/session.js";
import { useStore } from "../state/store.js";
import { dismissUpload, documentsChanged, upload, uploads } from "../state/uploads.js";
import { button, iconButton } from "../ui/button.js";
import { icon } from "../ui/icons.js";
import { isolate } from "../ui/text.js";
import { fullTime } from "../ui/times.js";
import { LOCALE, t } from "../ui/words.js";
import { ask } from "./dialogs.js";
import { AddDocument, Documents } from "./documents.js";
import { Paged } from "./lists.js";
import { useFocusKept } from "./page.js";

/** What browsers show. */
const PHOTOS = ["image/jpeg", "image/png", "image/webp"];

const SIZE = new Intl.NumberFormat(LOCALE, {
  style: "unit",
  unit: "kilobyte",
  maximumFractionDigits: 0,
});

/** @param {{load: Load, version: string}} props they are got again when `version` changes */
export function LoadDocuments({ load: { id: loadId, status }, version }) {
  const { list, changes } = useStore(uploads);
  const holder = useFocusKept();
  const path = `/loads/${loadId}/documents?limit=50`;
  return h(
    "section",
    { class: "load-documents", ref: holder },
    h("h2", null, t("Documents")),
    h(Paged, {
      got: usePages(path, `${version} ${changes}`),
      empty: t("No documents yet."),
      draw: (rows) => h(Documents, { key: "list", documents: rows.map(shownOf) }),
    }),
    h(Uploads, { list: list.filter((each) => each.loadId === loadId) }),
    h(AddDocument, {
      kind: status === "OPEN" ? "RATE_CONFIRMATION" : "POD",
      onFile: async (file, kind) => upload({ loadId, file, kind }),
      isDropZone: true,
    }),
    h("p", { class: "hint" }, t("Or drop files anywhere on this page.")),
  );
}

/** @param {LoadDocument} document @returns {import("./documents.js").Shown} */
function shownOf(document) {
  const { id, kind, name, mediaType, size, user, happenedAt, createdAt } = document;
  const file = () => getFile(`/documents/${id}`);
  const isPhoto = PHOTOS.includes(mediaType);
  /** @param {string} text @param {() => unknown} onClick */
  const action = (text, onClick) =>
    button(text, onClick, "small", { "aria-label": `${text} ${name}` });
  const facts = [
    name,
    SIZE.format(Math.ceil(size / 1000)),
    user.name,
    fullTime(happenedAt ?? createdAt),
  ];
  return {
    key: String(id),
    kind,
    about: facts.map(isolate).join(" · "),
    file: isPhoto ? file : null,
    actions: [
      isPhoto && action(t("Open"), () => tell(() => show(file))),
      action(t("Download"), () => tell(async () => saveFile(await file(), name))),
      session.value.user?.role === "ADMIN" && action(t("Delete"), () => askToDelete(document)),
    ],
  };
}

/** In a tab of its own, where it can be enlarged. @param {() => Promise<Blob>} file */
async function show(file) {
  const tab = open(""); // a browser opens none after an answer
  try {
    tab?.location.replace(urlOf(await file()));
  } catch (error) {
    tab?.close();
    throw error;
  }
}

/** @param {LoadDocument} document */
const askToDelete = ({ id, name }) =>
  ask({
    title: t("Delete {name}?", { name: isolate(name) }),
    yes: t("Delete"),
    onYes: () =>
      tell(
        async () => {
          await request("DELETE", `/documents/${id}`, { key: newKey() });
          documentsChanged();
        },
        t("{name} was deleted.", { name: isolate(name) }),
      ),
    children: t("Nobody can see it any more."),
  });

/** Files on their way, and why others were not added. @param {{list: import("../state/uploads.js").Upload[]}} props */
function Uploads({ list }) {
  const count = list.filter(({ refusal }) => !refusal).length;
  return [
    h(
      "div",
      { key: "sending", role: "status" },
      count > 0 && [t("Sending, {count} to go …", { count }), " ", h("progress", null)],
    ),
    ...list.flatMap((each) => (each.refusal ? h(Refused, { key: each.key, each }) : [])),
  ];
}

/** @param {{each: import("../state/uploads.js").Upload}} props */
const Refused = ({ each }) =>
  h(
    "div",
    { class: "trouble" },
    icon("warning"),
    h("p", null, h("b", null, isolate(each.file.name)), ": ", each.refusal),
    each.mayPass && button(t("Try again"), () => upload(each), "small"),
    iconButton("close", t("Dismiss"), () => dismissUpload(each.key)),
  );
