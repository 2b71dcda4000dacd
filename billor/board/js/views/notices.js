// Messages that belong to no place on the board, and what screen readers say.

import { h } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { dismissToast, notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { button, iconButton } from "../ui/button.js";
import { focusContent } from "../ui/dialog.js";
import { shortTime } from "../ui/times.js";
import { hold } from "../ui/virtual_list.js";
import { t } from "../ui/words.js";
import { DriverLink } from "./page.js";
import { whatHappened, whoOf } from "./what_happened.js";

export function Announcer() {
  const { toasts, said } = useStore(notices);
  const holder = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => holder.current?.querySelectorAll("button").forEach(hold), [toasts]);
  return [
    h("div", { class: "unseen", "aria-live": "polite", key: "said" }, said),
    h(
      "aside",
      { class: "toasts", ref: holder, "aria-label": t("Messages"), key: "toasts" },
      toasts.map((shown) =>
        h(
          "div",
          { class: shown.isGood ? "toast" : "toast bad", key: shown.id },
          h("p", null, shown.detail, h(Reason, shown)),
          shown.undo && button(t("Undo"), () => press(shown, shown.undo), "small"),
          shown.plan && button(t("Plan as next"), () => press(shown, shown.plan), "small"),
          iconButton("close", t("Dismiss"), () => dismissToast(shown.id)),
        ),
      ),
    ),
  ];
}

/** @param {Toast} shown @param {(() => void) | undefined} run */
function press({ id }, run) {
  dismissToast(id);
  focusContent();
  run?.();
}

/**
 * The conflicting load, and who has done what; or whose papers have expired.
 * @param {Pick<Trouble, "conflict" | "by" | "driver">} props
 */
export function Reason({ conflict, by, driver }) {
  if (driver) return [" ", h(DriverLink, { driver })];
  const load = conflict && h("a", { href: `#/loads/${conflict.loadId}` }, conflict.text);
  const time = by && shortTime(by.timestamp);
  const reason = by
    ? load
      ? t("{load} by {who}, {time}", { load, who: whoOf(by), time })
      : t("{who} {what}, {time}.", { who: whoOf(by), what: whatHappened(by), time })
    : load;
  return reason && [" ", reason];
}
