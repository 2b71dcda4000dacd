// The steps of a driver's load: the next one as a large button, and those that are done.

import { h } from "preact";
import { useState } from "preact/hooks";
import { apiTime } from "../api/client.js";
import { say } from "../state/notices.js";
import { tell } from "../state/people.js";
import { takeBack, undoCheckIn } from "../state/taps.js";
import { button } from "../ui/button.js";
import { focusContent } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { STEP_NAMES, stepOf } from "./progress.js";

/** What is done: as the API has it, or not answered yet. @typedef {CheckIn | Tap<Step>} Done */

/** @type {Array<Step["kind"]>} */
const STEPS = ["ACCEPTED", "AT_PICKUP", "LOADED", "AT_DELIVERY", "DELIVERED"];
const BUTTONS = { ...STEP_NAMES, ACCEPTED: t("Accept") };
/** A double tap is one: what follows takes none for so long. */
const REST_MILLISECONDS = 700;
const UNDO_MILLISECONDS = 5 * 60_000;

/**
 * @param {object} props @param {Done[]} props.done
 * @param {(kind: Step["kind"]) => void} props.onStep
 */
export function NextStep({ done, onStep }) {
  const [isResting, setResting] = useState(false);
  const last = done.findLast(({ kind }) => kind !== "DELAYED");
  const [next = "DELIVERED", ...later] = STEPS.slice(last ? STEPS.indexOf(last.kind) + 1 : 0);
  const isOver = last?.kind === "DELIVERED";
  const take = () => {
    if (isOver || isResting) return;
    setResting(true);
    setTimeout(() => setResting(false), REST_MILLISECONDS);
    say(BUTTONS[next]);
    onStep(next);
  };
  return h(
    "div",
    { class: "next-step" },
    button(BUTTONS[next], take, "primary huge", { "aria-disabled": isOver || isResting }),
    !isOver && button(BUTTONS.DELAYED, () => onStep("DELAYED")),
    later.length > 0 &&
      h(
        Menu,
        {
          label: t("Other step"),
          class: "button",
          choices: later.map((kind) => ({ text: BUTTONS[kind], action: () => onStep(kind) })),
        },
        t("Other step"),
      ),
  );
}

/** @param {{done: Done[], user: User, now: string}} props */
export const Steps = ({ done, user, now }) =>
  h(
    "ol",
    { class: "steps", "aria-label": t("Steps done") },
    done.map((each) =>
      h(
        "li",
        { key: each.happenedAt },
        icon(each.kind === "DELAYED" ? "clock" : "check"),
        h("p", null, stepOf(each), h("span", { class: "meta" }, aboutStep(each, user))),
        mayUndo(each, user, now) &&
          button(t("Undo"), () => undo(each), "small", {
            "aria-label": t("Undo: {step}", { step: STEP_NAMES[each.kind] }),
          }),
      ),
    ),
  );

/** @param {Done} step @param {User} user @returns {string} when, and by whom else */
function aboutStep(step, user) {
  const time = shortTime(step.happenedAt);
  const isOwn = !("user" in step) || step.user.id === user.id;
  return isOwn ? time : `${time} · ${isolate(step.user.name)}`;
}

/** @param {Done} step @param {User} user @param {string} now */
const mayUndo = (step, user, now) =>
  "user" in step
    ? step.user.id === user.id &&
      Date.parse(step.receivedAt) + UNDO_MILLISECONDS > apiTime(new Date(now))
    : step.kind !== "DELIVERED";

/** @param {Done} step */
function undo(step) {
  focusContent(); // the button will go
  return "key" in step ? takeBack(step) : tell(() => undoCheckIn(step.id));
}
