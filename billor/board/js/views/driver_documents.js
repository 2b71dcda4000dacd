// A driver's photos and papers of the load: those that are sent, and those that wait for the network.

import { h } from "preact";
import { shrunk } from "../state/documents.js";
import { ofLoad, tap } from "../state/taps.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { AddDocument, Documents, OF_DRIVERS, shownOf } from "./documents.js";
import { WAITS } from "./driver_comments.js";

/**
 * `kind`: what is probably added next.
 * @param {{documents?: LoadDocument[], assignmentId: number, kind: DocumentKind}} props
 */
export function DriverDocuments({ documents = [], assignmentId, kind }) {
  const waiting = ofLoad(assignmentId).flatMap((each) =>
    each.kind === "DOCUMENT"
      ? {
          key: each.key,
          kind: each.documentKind,
          about: `${shortTime(each.happenedAt)} · ${WAITS}`,
          file: async () => each.file,
        }
      : [],
  );
  const sent = documents.map((document) => {
    const { toOpen, toSave, ...shown } = shownOf(document, `/me/documents/${document.id}`);
    const about = shortTime(document.happenedAt ?? document.createdAt);
    return { ...shown, about, actions: toOpen ?? toSave };
  });
  return h(
    "section",
    { class: "my-documents" },
    h("h2", null, t("Documents")),
    h(Documents, { documents: [...sent.reverse(), ...waiting] }),
    h(AddDocument, {
      kind,
      kinds: OF_DRIVERS,
      onFile: async (photo, documentKind) =>
        tap(assignmentId, { kind: "DOCUMENT", documentKind, file: await shrunk(photo) }),
    }),
  );
}
