// What a driver and the dispatchers say to each other about a load.

import { h } from "preact";
import { ofLoad, tap } from "../state/taps.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { CommentForm } from "./comment_form.js";
import { Lines } from "./panel.js";

export const WAITS = t("waiting for the network");

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
