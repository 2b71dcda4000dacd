// How people come in: they log in, ask for a link, or choose a password behind one in a mail.

import { Store } from "./store.js";

/**
 * `token` and `email` are those of the link.
 * @type {Store<{step: "login" | "ask" | "asked" | "choose" | "chosen", token: string, email: string}>}
 */
export const entry = new Store({ step: "login", token: "", email: "" });

/** Take what a link has out of the address and its history, at once. */
function takeLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const token = link.get("reset");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  entry.set({ step: "choose", token, email: link.get("email") ?? "" });
}

takeLink();
addEventListener("hashchange", takeLink);
