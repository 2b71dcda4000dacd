// Says when what is shown may be out of date.

import { h } from "preact";
import { useEffect } from "preact/hooks";
import { connection, Live } from "../api/live.js";
import { version } from "../api/page.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { icon } from "../ui/icons.js";
import { shortTime } from "../ui/times.js";
import { t } from "../ui/words.js";

/** Keep a page up to date while it is shown. @param {ConstructorParameters<typeof Live>} of */
export const useLive = (...of) =>
  useEffect(() => {
    const live = new Live(...of);
    live.run();
    return () => live.stop();
  }, []);

export function ConnectionBanner() {
  const { mode, since } = useStore(connection);
  const { isOld } = useStore(version);
  const time = since && shortTime(since.toISOString());
  const isLost = mode === "lost";
  return h(
    "div",
    { role: "status" },
    time &&
      h(
        "p",
        { class: "banner" },
        icon("warning"),
        isLost
          ? t("Not live since {time}. Trying to reconnect …", { time })
          : t("As of {time}. Connecting …", { time }),
      ),
    isOld &&
      h(
        "p",
        { class: "banner" },
        t("There is a new version."),
        button(t("Reload"), () => location.reload(), "small"),
      ),
  );
}

const TEXTS = {
  connecting: t("Connecting"),
  live: t("Live"),
  polling: t("Updated every few seconds"),
  lost: t("Not live"),
};

export function ConnectionDot() {
  const { mode } = useStore(connection);
  return h("span", { class: `dot dot-${mode}`, title: TEXTS[mode] }, h("span", null, TEXTS[mode]));
}
