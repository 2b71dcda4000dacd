// A driver's own page, made for a phone: the load, and one large button.

import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CHANGED, useCompletion } from "../state/completion.js";
import { useMyAssignments } from "../state/mine.js";
import { toast } from "../state/notices.js";
import { button } from "../ui/button.js";
import { useNow } from "../ui/clock.js";
import { Question } from "../ui/dialog.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";
import { Dialogs } from "./dialogs.js";
import { Account } from "./head.js";
import { STATUS_NAMES } from "./page.js";
import { aboutLoad, Facts, RouteOf, timesOf } from "./panel.js";

/** @param {{user: User}} props */
export function DriverPage({ user }) {
  const mine = useMyAssignments();
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
    h(
      "main",
      { class: "page driver-page" },
      mine.isStale &&
        h("p", { class: "banner", role: "status" }, t("No connection. This may be out of date.")),
      h(Current, { current: mine.current, etag: mine.etag ?? "", refresh: mine.refresh }),
      h(Past, { past: mine.past ?? [] }),
    ),
    h(Dialogs, null),
  );
}

/**
 * @param {object} props
 * @param {MyAssignment | null | undefined} props.current undefined: not known yet
 * @param {string} props.etag @param {() => void} props.refresh
 */
function Current({ current, etag, refresh }) {
  const { state, detail, complete } = useCompletion(refresh);
  const now = useNow();
  const [asked, setAsked] = useState(/** @type {{load: Load, etag: string} | null} */ (null));
  useEffect(() => {
    if (asked === null || asked.etag === etag) return;
    setAsked(null);
    toast(CHANGED, { isGood: false });
  }, [etag]);
  if (current === undefined) return h("p", { role: "status" }, t("Loading …"));
  if (current === null) {
    return h(
      "section",
      { class: "no-load" },
      h("h1", null, t("No load now")),
      h("p", null, detail || t("Your dispatcher will give you the next one. It appears here.")),
    );
  }
  const { load } = current;
  return h(
    "section",
    { class: "my-load" },
    h("p", { class: "eyebrow" }, t("Load {id}", { id: load.id })),
    h("h1", null, h(RouteOf, { load })),
    h("p", { class: "lead" }, aboutLoad(load)),
    h(Facts, { label: t("Fields"), facts: timesOf(load, now).filter(([, time]) => time) }),
    state && h("p", { class: "sending", role: "status" }, STATES[state]),
    detail && h("p", { class: "refusal", role: "alert" }, detail),
    button(t("Delivered"), () => state === null && setAsked({ load, etag }), "primary huge", {
      "aria-disabled": state !== null,
    }),
    asked &&
      h(
        Question,
        {
          title: t("Is the load delivered?"),
          yes: t("Yes, delivered"),
          onYes: () => complete(asked.etag),
          onClose: () => setAsked(null),
        },
        t("Load {id}: {route}", { id: asked.load.id, route: h(RouteOf, { load: asked.load }) }),
      ),
  );
}

const STATES = {
  sending: t("Sending …"),
  waiting: t("No connection. It will be sent when you are online again; keep this page open."),
};

/** @param {{past: MyAssignment[]}} props */
function Past({ past }) {
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
                STATUS_NAMES[status],
                " ",
                closedAt && shortTime(closedAt),
              ),
            ),
          ),
        ),
  );
}
