// The whole page: the login, and what the user's role lets them do.

import { h } from "preact";
import { useEffect } from "preact/hooks";
import { get } from "../api/client.js";
import { entry } from "../state/entry.js";
import { useGot } from "../state/got.js";
import { forgetMine, restoreMine } from "../state/mine.js";
import { toast } from "../state/notices.js";
import { session, userIdOfTokens, whoseWorkWasDropped } from "../state/session.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { useNow } from "../ui/clock.js";
import { isolate } from "../ui/text.js";
import { LANGUAGE, languageOf, t } from "../ui/words.js";
import { DispatchApp } from "./dispatch.js";
import { DriverPage } from "./driver_page.js";
import { LoginDialog, LoginPage } from "./login.js";
import { Announcer } from "./notices.js";

const RETRY_SECONDS = 5;

export function App() {
  const { user, needsLogin } = useStore(session);
  const { step } = useStore(entry);
  useEffect(() => {
    if (user && languageOf(user.id) !== LANGUAGE) location.reload();
    if (user) forgetMine(user.id);
    const other = user && whoseWorkWasDropped();
    if (!other || other === user.name) return;
    const names = { other: isolate(other), name: isolate(user.name) };
    toast(t("You are logged in as {name}. What {other} had not finished was dropped.", names), {
      isGood: false,
    });
  }, [user?.id]);
  if (["ask", "asked", "choose"].includes(step)) return h(LoginPage, null);
  if (!user) return h(needsLogin ? LoginPage : Start, null);
  return [
    h(user.role === "DRIVER" ? DriverPage : DispatchApp, { user, key: user.id }),
    h(Announcer, null),
    needsLogin && h(LoginDialog, { user }),
  ];
}

/** Asks who is logged in, again and again where Billor cannot be reached; a driver need not wait. */
function Start() {
  const { problem, refresh } = useGot(
    async () => session.set({ user: await get("/me") }),
    [useNow(RETRY_SECONDS)],
  );
  useEffect(() => void restoreMine(userIdOfTokens()), []);
  return h(
    "main",
    { class: "starting" },
    h("p", { role: "status" }, problem || t("Starting …")),
    problem && button(t("Try again now"), refresh),
  );
}
