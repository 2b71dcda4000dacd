// "Delivered", sent until it is answered, also after a reload: drivers are often offline.

import { useEffect, useState } from "preact/hooks";
import { newKey, Problem, request, untilOnline } from "../api/client.js";
import { t } from "../ui/words.js";
import { session } from "./session.js";

export const CHANGED = t("Your load has changed meanwhile. Look at it again.");
const KEY = "billor.completion";
const MAX_PAUSE_MILLISECONDS = 15_000;

/** @param {() => Promise<void> | void} refresh called after the answer */
export function useCompletion(refresh) {
  const [state, setState] = useState(/** @type {"sending" | "waiting" | null} */ (null));
  const [detail, setDetail] = useState("");

  const run = async () => {
    const text = sessionStorage.getItem(KEY);
    if (!text) return;
    const completion = JSON.parse(text);
    if (completion.userId !== session.value.user?.id) return sessionStorage.removeItem(KEY);
    setDetail("");
    setState("sending");
    setDetail(await sendUntilAnswered(completion, () => setState("waiting")));
    sessionStorage.removeItem(KEY);
    await refresh();
    setState(null);
  };
  useEffect(() => void run(), []);

  const complete = (/** @type {string} */ etag) => {
    const completion = { key: newKey(), etag, userId: session.value.user?.id };
    sessionStorage.setItem(KEY, JSON.stringify(completion));
    run();
  };
  return { state, detail, complete };
}

/**
 * @param {{key: string, etag: string}} completion The ETag is that of this load, not of the next one.
 * @param {() => void} onWaiting called when the API cannot be reached
 * @returns {Promise<string>} why it was refused; empty if it was not
 */
async function sendUntilAnswered({ key, etag }, onWaiting) {
  for (let attempt = 0; ; attempt++) {
    try {
      await request("PATCH", "/me/assignment/status", {
        key,
        headers: { "If-Match": etag },
        body: { status: "COMPLETED" },
      });
      return "";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status > 0 && error.status < 500) return refusal(error);
      onWaiting();
      await untilOnline(Math.min(MAX_PAUSE_MILLISECONDS, 1000 * 2 ** attempt));
    }
  }
}

/** @param {Problem} problem */
const refusal = (problem) => (problem.code === "precondition_failed" ? CHANGED : problem.message);
