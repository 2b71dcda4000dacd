// The whole page: the login, and what the user's role lets them do.

import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api/client.js";
import { session } from "../state/session.js";
import { useStore } from "../state/store.js";
import { DispatchApp } from "./dispatch.js";
import { DriverPage } from "./driver_page.js";
import { LoginDialog, LoginPage } from "./login.js";
import { Announcer } from "./notices.js";

/** @import {Problem} from "../api/client.js" */

export function App() {
  const { user, needsLogin } = useStore(session);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    if (needsLogin || user) return;
    setProblem("");
    get("/me").then(
      (found) => session.set({ user: found }),
      (/** @type {Problem} */ refusal) => setProblem(refusal.message),
    );
  }, [needsLogin, user]);

  if (!user) {
    if (needsLogin) return h(LoginPage, null);
    return h("p", { class: "starting", role: "status" }, problem || "Starting …");
  }
  return [
    h(user.role === "DRIVER" ? DriverPage : DispatchApp, { user, key: user.id }),
    h(Announcer, null),
    needsLogin && h(LoginDialog, { user }),
  ];
}
