// Whether the API pushes notifications to this browser, also while the page is closed. The browser
// asks the user only after a press of the button.

import { get, Problem, request } from "../api/client.js";
import { t } from "../ui/words.js";
import { toast } from "./notices.js";
import { Store } from "./store.js";

/** `unknown`: also where the browser or the API has no such notifications. */
export const push = new Store({
  state: /** @type {"unknown" | "off" | "on" | "denied"} */ ("unknown"),
});

/** The API's key, and what it knows this browser by. */
const known = { key: "", id: 0 };

const managed = async () => (await navigator.serviceWorker?.getRegistration())?.pushManager;
const setOff = () => push.set({ state: Notification.permission === "denied" ? "denied" : "off" });

/** The API is told at each start, since it may have lost it. */
export async function findPush() {
  if (!globalThis.PushManager) return;
  await navigator.serviceWorker.ready;
  const { publicKey } = await get("/me/push-key");
  if (!publicKey) return;
  known.key = publicKey;
  const found = await (await managed())?.getSubscription();
  if (found) await tellApi(found);
  else setOff();
}

export async function beginPush() {
  if ((await Notification.requestPermission()) !== "granted") return setOff();
  const options = { userVisibleOnly: true, applicationServerKey: known.key };
  try {
    await dropPush(); // it may be of another key
    const made = await (await managed())?.subscribe(options);
    if (made) await tellApi(made);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    toast(t("This browser can't be notified now. Try again later."), { isGood: false });
  }
}

/** Before a logout. The API also finds it out by itself, when it pushes. */
export async function endPush() {
  if (push.value.state !== "on") return;
  await request("DELETE", `/me/push-subscriptions/${known.id}`).catch((error) => {
    if (!(error instanceof Problem)) throw error;
  });
  await dropPush();
}

export async function dropPush() {
  const found = await (await managed())?.getSubscription();
  await found?.unsubscribe().catch(() => {}); // without a network, in some browsers
  if (found) setOff();
}

/** @param {PushSubscription} subscription */
async function tellApi(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  const { data } = await request("POST", "/me/push-subscriptions", { body: { endpoint, keys } });
  known.id = data.id;
  push.set({ state: "on" });
}
