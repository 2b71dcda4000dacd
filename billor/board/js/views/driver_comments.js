// What a driver and the dispatchers say to each other about a load.

import { h } from "preact";
import { refetchMine } from "../state/mine.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { CommentForm } from "./comment_form.js";
import { Lines } from "./panel.js";

/** @param {{comments: MyComment[]}} props */
export const Comments = ({ comments }) =>
  h(
    "section",
    { class: "comments" },
    h("h2", null, t("Comments")),
    h(
      "ul",
      null,
      comments.map(({ id, text, user, timestamp }) =>
        h(
          "li",
          { key: id },
          h(Lines, null, text),
          h("p", { class: "meta" }, `${isolate(user.name)} · ${shortTime(timestamp)}`),
        ),
      ),
    ),
    h(CommentForm, {
      path: "/me/assignment/comments",
      label: t("Write to your dispatcher"),
      action: t("Send"),
      onSent: refetchMine,
    }),
  );
