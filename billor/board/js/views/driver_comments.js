// What a driver and the dispatchers say to each other about a load.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { request } from "../api/client.js";
import { refetchMine } from "../state/mine.js";
import { submit } from "../ui/button.js";
import { Field, Refusal, useSending } from "../ui/form.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { Lines } from "./panel.js";

const MAX_LENGTH = 2000;

/** @param {{comments: MyComment[]}} props */
export function Comments({ comments }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const { isBusy, errors, problem, onSubmit } = useSending(async (body, key) => {
    await request("POST", "/me/assignment/comments", { key, body });
    form.current?.reset();
    await refetchMine();
  });
  return h(
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
    h(
      "form",
      { class: "form", ref: form, onSubmit, noValidate: true },
      h(Refusal, { problem, fields: ["text"] }),
      h(Field, {
        name: "text",
        label: t("Write to your dispatcher"),
        error: errors.text,
        required: true,
        autocomplete: "off",
        maxLength: MAX_LENGTH,
      }),
      submit(t("Send"), { "aria-disabled": isBusy }),
    ),
  );
}
