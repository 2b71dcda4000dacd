// Keeps the page for times without a network, by a service worker, where the browser has them; and
// goes over to a new version when nothing is lost by it.

import { Store } from "../state/store.js";
import { addressOf } from "./address.js";

const WORKER = addressOf("/board/sw.js");

/** `isOld`: a newer one has taken over. */
export const version = new Store({ isOld: false });

export async function keepPage() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  // With this policy, a script of this one address may be loaded.
  const types = /** @type {any} */ (globalThis).trustedTypes;
  const policy = types?.createPolicy("billor", { createScriptURL: () => WORKER });
  workers.addEventListener("message", ({ data }) => {
    version.set({ isOld: !import.meta.url.includes(data) });
    reloadIfQuiet();
  });
  const address = policy?.createScriptURL("") ?? WORKER;
  const scope = addressOf("/board");
  // Where the browser refuses it, as in some private windows, the page needs a network.
  const registration = await workers.register(address, { scope }).catch(() => undefined);
  document.addEventListener("visibilitychange", () => {
    reloadIfQuiet();
    if (!document.hidden) registration?.update().catch(() => {}); // there is no network
  });
}

/** Have the browser ask before the page goes, while something would be lost by it. @param {() => boolean} isNeeded */
export const stayWhile = (isNeeded) =>
  addEventListener("beforeunload", (event) => isNeeded() && event.preventDefault());

/** Reload while nobody looks, unless something is typed, asked or would be lost. */
function reloadIfQuiet() {
  /** @type {NodeListOf<HTMLInputElement>} */
  const fields = document.querySelectorAll("input, textarea");
  const isTyped = [...fields].some(({ value, defaultValue }) => value !== defaultValue);
  const isQuiet = document.hidden && !isTyped && !document.querySelector("dialog");
  if (version.value.isOld && isQuiet && mayLeave()) location.reload();
}

const mayLeave = () => dispatchEvent(new Event("beforeunload", { cancelable: true }));
