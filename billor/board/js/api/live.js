// Keeps the board up to date: by the stream of changes, or by polling without it.

import { Store } from "../state/store.js";
import { send, sleep } from "./client.js";
import { EventParser } from "./sse.js";

/** @import {Change} from "../types.js" */
/** @import {ServerEvent} from "./sse.js" */

/** A stream without anything, even a heartbeat, for this long is dead. */
const SILENCE_MILLISECONDS = 35_000;
/** Without a first event for this long, a proxy buffers the stream. */
const READY_MILLISECONDS = 8_000;
const POLL_MILLISECONDS = 5_000;
/** How often the stream is tried again while polling. */
const RETRY_STREAM_MILLISECONDS = 60_000;
const MAX_PAUSE_MILLISECONDS = 10_000;
/** A connection that is back sooner was not lost: the server ends each after some minutes. */
const GRACE_MILLISECONDS = 2_000;

/**
 * `since`: when the board was last up to date, while it is not.
 *
 * @type {Store<{mode: "connecting" | "live" | "polling" | "lost", since: Date | null}>}
 */
export const connection = new Store({
  mode: /** @type {"connecting" | "live" | "polling" | "lost"} */ ("connecting"),
  since: /** @type {Date | null} */ (null),
});

/**
 * @typedef {object} Handlers
 * @property {(change: Change) => void} apply
 * @property {() => Promise<void>} refetch gets all lists again
 */

/** Ends a stream that is silent for too long, or when the device goes offline. */
class Watch {
  /** @param {AbortSignal} stopped */
  constructor(stopped) {
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    this.hasHeard = false;
    this.expired = false;
    this.expect(READY_MILLISECONDS);
    const abort = () => this.controller.abort();
    addEventListener("offline", abort, { signal: this.signal });
    stopped.addEventListener("abort", abort, { signal: this.signal });
  }

  /** @param {number} milliseconds */
  expect(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.expired = true;
      this.controller.abort();
    }, milliseconds);
  }

  hear() {
    this.hasHeard = true;
    this.expect(SILENCE_MILLISECONDS);
  }

  end() {
    clearTimeout(this.timer);
    this.controller.abort();
  }
}

export class Live {
  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
    this.lastId = "";
    this.upToDate = new Date();
    this.stopped = new AbortController();
    this.failures = 0;
  }

  stop() {
    this.stopped.abort();
  }

  async run() {
    while (!this.stopped.signal.aborted) {
      const outcome = await this.follow();
      if (outcome === "unavailable") await this.poll();
      else await this.pause(outcome);
    }
  }

  /**
   * Follow the stream to its end.
   *
   * @returns {Promise<"closed" | "lost" | "unavailable">}
   */
  async follow() {
    const watch = new Watch(this.stopped.signal);
    try {
      const response = await send("GET", "/changes", {
        headers: this.lastId ? { "Last-Event-ID": this.lastId } : {},
        signal: watch.signal,
      });
      if (!response.ok || !response.body) return "unavailable";
      return await this.read(response.body, watch);
    } catch {
      return watch.expired && !watch.hasHeard ? "unavailable" : "lost";
    } finally {
      watch.end();
    }
  }

  /**
   * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
   * @param {Watch} watch
   * @returns {Promise<"closed">}
   */
  async read(body, watch) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "closed";
      watch.hear();
      for (const event of parser.push(value)) this.handle(event, watch);
      this.upToDate = new Date();
    }
  }

  /**
   * @param {ServerEvent} event
   * @param {Watch} watch
   */
  handle({ event, data, id }, watch) {
    if (event === "end") return; // the next connection gets a new token, or a login
    if (event === "change") this.handlers.apply(JSON.parse(data));
    else if (event === "many" || !JSON.parse(data).resumed) this.refetch(watch);
    this.lastId = id;
    this.failures = 0;
    this.report("live");
  }

  /**
   * Get the lists while the stream goes on: what it brings meanwhile is newer.
   *
   * @param {Watch} watch
   */
  refetch(watch) {
    this.handlers.refetch().catch(() => {
      this.lastId = ""; // the next stream begins with `ready`
      watch.controller.abort();
    });
  }

  /** Ask for the lists every few seconds, for a minute. Browsers do so with the lists' ETags. */
  async poll() {
    const end = Date.now() + RETRY_STREAM_MILLISECONDS;
    this.lastId = "";
    while (Date.now() < end && !this.stopped.signal.aborted) {
      try {
        await this.handlers.refetch();
        this.upToDate = new Date();
        this.failures = 0;
        this.report("polling");
        await sleep(POLL_MILLISECONDS);
      } catch {
        await this.pause("lost");
      }
    }
  }

  /**
   * Wait before the next attempt, longer after each failure, but not once the device is online.
   *
   * @param {"closed" | "lost"} outcome
   */
  async pause(outcome) {
    if (outcome === "lost") this.failures += 1;
    const longest = Math.min(MAX_PAUSE_MILLISECONDS, 300 * 2 ** this.failures);
    const grace = setTimeout(() => this.report("lost"), this.failures > 1 ? 0 : GRACE_MILLISECONDS);
    await Promise.race([
      sleep(longest * (0.5 + Math.random() / 2)),
      new Promise((resolve) => addEventListener("online", resolve, { once: true })),
    ]);
    clearTimeout(grace);
  }

  /** @param {"live" | "polling" | "lost"} mode */
  report(mode) {
    if (this.stopped.signal.aborted || connection.value.mode === mode) return;
    connection.set({ mode, since: mode === "lost" ? this.upToDate : null });
  }
}
