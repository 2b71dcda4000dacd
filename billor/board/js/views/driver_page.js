// A driver's own page, made for a phone: the load, one large button for the next step, and what is
// said about the load.

import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { apiTime } from "../api/client.js";
import { mine, refetchMine } from "../state/mine.js";
import { toast } from "../state/notices.js";
import { tell } from "../state/people.js";
import { beginPush, findPush, push } from "../state/push.js";
import { useStore } from "../state/store.js";
import { CHANGED, ofLoad, sendTaps, tap, taps, timeOf, unanswered } from "../state/taps.js";
import { button } from "../ui/button.js";
import { useListener, useNow } from "../ui/clock.js";
import { Question } from "../ui/dialog.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { ConnectionBanner, useLive } from "./connection.js";
import { DelayDialog } from "./delay_dialog.js";
import { Dialogs } from "./dialogs.js";
import { Comments, DriverDocuments } from "./driver_additions.js";
import { NextStep, Steps } from "./driver_steps.js";
import { Account } from "./head.js";
import { Pod, STATUS_NAMES } from "./page.js";
import { aboutLoad, contactsOf, Facts, filled, RouteOf, timesOf } from "./panel.js";

/** @param {{user: User}} props */
export function DriverPage({ user }) {
  const { current, next, past } = useStore(mine);
  useLive("/me/changes", refetchMine);
  useEffect(() => {
    sendTaps();
    findPush().catch(() => {}); // without a network, say; then the button is not there
  }, []);
  // A phone that wakes finds only later that its stream has ended.
  useListener(["visibilitychange"], () => !document.hidden && tell(refetchMine));
  return h(
    "div",
    { class: "app driver-app" },
    h(
      "header",
      { class: "head" },
      h("span", { class: "wordmark" }, "Billor"),
      h("span", { class: "me" }, isolate(user.name)),
      h(Account, { user }),
    ),
    h(ConnectionBanner, null),
    h(
      "main",
      { id: "content", class: "page driver-page", tabIndex: -1 },
      h(Current, { user }),
      next && h(Next, { next }),
      h(NotifyMe, null),
      current !== undefined && h(Past, { past }),
    ),
    h(Dialogs, null),
  );
}

/** @param {{user: User}} props */
function Current({ user }) {
  const { current, about } = useStore(mine);
  const { isWaiting, isUnkept, refusal } = useStore(taps);
  const now = useNow();
  const [asked, setAsked] = useState(/** @type {Asked | null} */ (null));
  const onClose = () => setAsked(null);
  useEffect(() => {
    if (asked) toast(CHANGED, { isGood: false });
    onClose();
  }, [current?.id]);
  if (current === undefined) return h("p", { role: "status" }, t("Loading …"));
  const sending = isWaiting ? WAITING : t("Sending …");
  const said = [
    // It has its place also without text: nothing moves below a finger.
    h("p", { class: "sending", role: "status" }, unanswered().length > 0 ? sending : ""),
    isUnkept && h("p", { class: "refusal", role: "alert" }, UNKEPT),
    refusal && h("p", { class: "refusal", role: "alert" }, refusal),
  ];
  if (current === null) {
    return h(
      "section",
      { class: "no-load" },
      h("h1", null, t("No load now")),
      h("p", null, t("Your dispatcher will give you the next one. It appears here.")),
      said,
    );
  }
  const { id, load } = current;
  const done = doneTo(current, about);
  const isThere = done.some(({ kind }) => kind === "AT_DELIVERY" || kind === "DELIVERED");
  return h(
    "section",
    { class: "my-load" },
    h("p", { class: "eyebrow" }, t("Load {id}", { id: load.id })),
    h("h1", null, h(RouteOf, { load })),
    h("p", { class: "lead" }, aboutLoad(load)),
    said,
    h(NextStep, {
      done,
      onStep: (kind) =>
        kind === "DELIVERED" || kind === "DELAYED" ? setAsked(kind) : tap(id, { kind }),
    }),
    h(Steps, { done, user, now }),
    h(Facts, {
      label: t("Fields"),
      facts: filled([...timesOf(load, now), ...contactsOf(load)]),
    }),
    h(DriverDocuments, {
      key: `documents of ${id}`,
      documents: about.documents,
      assignmentId: id,
      kind: isThere ? "POD" : "BOL",
    }),
    h(Comments, { comments: about.comments, assignmentId: id, key: id }),
    asked === "DELAYED" &&
      h(DelayDialog, {
        expectedAt: current.expectedAt ?? load.deliverBy,
        onDelay: (delay) => tap(id, delay),
        onClose,
      }),
    asked === "DELIVERED" &&
      h(
        Question,
        {
          title: t("Is the load delivered?"),
          yes: t("Yes, delivered"),
          onYes: () => tap(id, { kind: "DELIVERED" }),
          onClose,
        },
        t("Load {id}: {route}", { id: load.id, route: h(RouteOf, { load }) }),
      ),
  );
}

/**
 * @param {MyAssignment} current @param {import("../state/mine.js").About} about
 * @returns {import("./driver_steps.js").Done[]} in the order in which it was done
 */
function doneTo({ id }, { checkIns }) {
  const taps = ofLoad(id).flatMap((each) =>
    each.kind === "COMMENT" || each.kind === "DOCUMENT" ? [] : each,
  );
  const byTime = new Map([...taps, ...checkIns].map((each) => [timeOf(each), each]));
  for (const each of taps) if (each.isUndone) byTime.delete(timeOf(each));
  return [...byTime.values()].sort((one, other) => timeOf(one) - timeOf(other));
}

const DAY = 24 * 60 * 60_000;

/** What a dialog is open about. @typedef {"DELIVERED" | "DELAYED"} Asked */

const WAITING = t("Offline. It will be sent later.");
const UNKEPT = t("This browser has no room to keep it: leave this page open until it is sent.");

/** @param {{next: MyAssignment}} props */
function Next({ next: { load } }) {
  const now = useNow();
  return h(
    "details",
    { class: "next" },
    h("summary", null, t("Next: {route}", { route: h(RouteOf, { load }) })),
    h("p", { class: "lead" }, aboutLoad(load)),
    h(Facts, { label: t("Next load"), facts: filled(timesOf(load, now)) }),
  );
}

function NotifyMe() {
  const { state } = useStore(push);
  if (state === "off") return button(t("Notify me on this phone"), () => tell(beginPush));
  const blocked = t("Notifications are blocked here. Allow them in the browser's settings.");
  return state === "denied" && h("p", { class: "hint", role: "status" }, blocked);
}

/** @param {{past: MyAssignment[]}} props */
function Past({ past }) {
  const last = past.slice(0, 1).find(takesDocuments);
  return h(
    "section",
    { class: "past" },
    h("h2", null, t("Before")),
    past.length === 0
      ? h("p", { class: "hint" }, t("Nothing yet."))
      : h(
          "ul",
          null,
          past.map(({ id, load, status, closedAt }) =>
            h(
              "li",
              { key: id },
              h(RouteOf, { load }),
              h(
                "span",
                { class: "meta" },
                id === last?.id && h(Pod, { load }),
                STATUS_NAMES[status],
                " ",
                closedAt && shortTime(closedAt),
              ),
              id === last?.id && h(DriverDocuments, { assignmentId: id, kind: "POD" }),
            ),
          ),
        ),
  );
}

/** @param {MyAssignment} assignment @returns {boolean} whether more pages of its POD are taken */
const takesDocuments = ({ status, closedAt }) =>
  status === "COMPLETED" && Date.parse(closedAt ?? "") + DAY > apiTime(new Date());
