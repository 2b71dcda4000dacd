// What a driver adds to the load, papers and comments, also while it waits for the network; and what
// dispatchers write.

import { h } from "preact";
import { shrunk } from "../state/documents.js";
import { ofLoad, tap } from "../state/taps.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { CommentForm } from "./comment_form.js";
import { AddDocument, Documents, OF_DRIVERS, shownOf } from "./documents.js";
import { Lines } from "./panel.js";

const WAITS = t("waiting for the network");

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
    const time = shortTime(document.happenedAt ?? document.createdAt);
    const about = `${isolate(document.name)} · ${time}`;
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

/** @param {{comments: MyComment[], assignmentId: number}} props */
export const Comments = ({ comments, assignmentId }) =>
  h(
    "section",
    { class: "comments" },
    h("h2", null, t("Comments")),
    h(
      "ul",
      null,
      comments.map(({ id, text, user, timestamp }) =>
        h(Comment, { key: id, text, about: `${isolate(user.name)} · ${shortTime(timestamp)}` }),
      ),
      ofLoad(assignmentId).map(
        (each) =>
          each.kind === "COMMENT" &&
          h(Comment, {
            key: each.key,
            text: each.text,
            about: `${shortTime(each.happenedAt)} · ${WAITS}`,
          }),
      ),
    ),
    h(CommentForm, {
      label: t("Write to your dispatcher"),
      action: t("Send"),
      send: ({ text }) => tap(assignmentId, { kind: "COMMENT", text }),
    }),
  );

/** @param {{text: string, about: string}} props */
const Comment = ({ text, about }) =>
  h("li", null, h(Lines, null, text), h("p", { class: "meta" }, about));
