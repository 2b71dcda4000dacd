// Messages that belong to no place on the board, and what screen readers say.

import { h } from "preact";
import { dismissToast, notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { button, iconButton } from "../ui/button.js";
import { shortTime } from "../ui/times.js";
import { whatHappened, whoOf } from "./what_happened.js";

/** @import {Toast, Trouble} from "../state/notices.js" */

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
          h("p", null, shown.detail, h(Reason, shown)),
          shown.undo && button("Undo", () => undo(shown), "small"),
          iconButton("close", "Dismiss", () => dismissToast(shown.id)),
        ),
      ),
    ),
  ];
}

/** @param {Toast} shown */
function undo({ id, undo: run }) {
  dismissToast(id);
  document.getElementById("content")?.focus({ preventScroll: true });
  run?.();
}

/**
 * The conflicting load, and who has done what.
 *
 * @param {Pick<Trouble, "conflict" | "by">} props
 */
export function Reason({ conflict, by }) {
  return [
    conflict && [" ", h("a", { href: `#/loads/${conflict.loadId}` }, conflict.text)],
    by && conflict && ` by ${whoOf(by)}, ${shortTime(by.timestamp)}`,
    by && !conflict && [` ${whoOf(by)} `, whatHappened(by), `, ${shortTime(by.timestamp)}.`],
  ];
}
