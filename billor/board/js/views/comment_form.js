// What dispatchers write about a load, for each other or for its driver, too.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { request } from "../api/client.js";
import { fleet } from "../state/fleet.js";
import { submit } from "../ui/button.js";
import { Field, Refusal, useSending } from "../ui/form.js";
import { t } from "../ui/words.js";

/** @param {{load: Load}} props */
export function CommentForm({ load }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const { isBusy, errors, problem, onSubmit } = useSending(async ({ text, visible }, key) => {
    const body = { text, visibleToDriver: visible !== undefined };
    await request("POST", `/loads/${load.id}/comments`, { key, body });
    form.current?.reset();
    fleet.value.putLoad(load); // so its page gets the timeline again
    fleet.tell();
  });
  return h(
    "form",
    { class: "form comment-form", ref: form, onSubmit, noValidate: true },
    h(Refusal, { problem, fields: ["text"] }),
    h(Field, {
      name: "text",
      label: t("Comment"),
      type: "lines",
      error: errors.text,
      required: true,
    }),
    h(
      "div",
      null,
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "visible" }),
        t("Visible to the driver"),
      ),
      submit(t("Add comment"), { "aria-disabled": isBusy }),
    ),
  );
}
