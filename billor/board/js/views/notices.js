// Messages that belong to no place on the board, and what screen readers say.

import { h } from "preact";
import { dismissToast, notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { icon } from "../ui/icons.js";

/** @import {Trouble} from "../state/notices.js" */

export function Announcer() {
  const { toasts, said } = useStore(notices);
  return [
    h("div", { class: "unseen", "aria-live": "polite", key: "said" }, said),
    h(
      "div",
      { class: "toasts", key: "toasts" },
      toasts.map((shown) =>
        h(
          "div",
          { class: shown.isGood ? "toast" : "toast bad", key: shown.id },
          h("p", null, shown.detail, " ", h(ConflictLink, { trouble: shown })),
          h(
            "button",
            {
              type: "button",
              class: "icon-button",
              "aria-label": "Dismiss",
              onClick: () => dismissToast(shown.id),
            },
            icon("close"),
          ),
        ),
      ),
    ),
  ];
}

/** @param {{trouble: Pick<Trouble, "conflict">}} props */
export function ConflictLink({ trouble: { conflict } }) {
  return conflict && h("a", { href: `#/loads/${conflict.loadId}` }, conflict.text);
}
