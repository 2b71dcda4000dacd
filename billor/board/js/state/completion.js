// "Delivered", sent until it is answered, also after a reload: drivers are often offline.

import { useEffect, useRef, useState } from "preact/hooks";
import { newKey, Problem, request, untilOnline } from "../api/client.js";
import { t } from "../ui/words.js";
import { session } from "./session.js";

export const CHANGED = t("Your load has changed meanwhile. Look at it again.");
const KEY = "billor.completion";
const MAX_PAUSE_MILLISECONDS = 15_000;

/**
 * The ETag makes sure that it is this load that is completed, not the next one.
 *
 * @typedef {{key: string, etag: string, userId: number | undefined}} Completion
 */

/**
 * @param {() => Promise<void> | void} refresh called after the answer
 * @returns {{state: "sending" | "waiting" | null, detail: string,
 *   complete: (etag: string) => void}}
 */
export function useCompletion(refresh) {
  const [state, setState] = useState(/** @type {"sending" | "waiting" | null} */ (null));
  const [detail, setDetail] = useState("");
  const isSending = useRef(false);

  const run = async () => {
    const text = sessionStorage.getItem(KEY);
    if (!text || isSending.current) return;
    /** @type {Completion} */
    const completion = JSON.parse(text);
    if (completion.userId !== session.value.user?.id) return sessionStorage.removeItem(KEY);
    isSending.current = true;
    setDetail("");
    setState("sending");
    setDetail(await sendUntilAnswered(completion, () => setState("waiting")));
    sessionStorage.removeItem(KEY);
    await refresh();
    isSending.current = false;
    setState(null);
  };
  useEffect(() => void run(), []);

  return {
    state,
    detail,
    complete: (etag) => {
      sessionStorage.setItem(
        KEY,
        JSON.stringify({ key: newKey(), etag, userId: session.value.user?.id }),
      );
      run();
    },
  };
}

/**
 * @param {Completion} completion
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
