// Keeps the board up to date: by the stream of changes, or by polling without it. One tab of a
// browser leads: it has the stream, and tells the others what it brings. When it is closed or
// silent, another one leads, and goes on where the stream was.

import { applyChange } from "../state/fleet.js";
import { showUnreached } from "../state/notices.js";
import { Store } from "../state/store.js";
import { sharedName } from "./address.js";
import { apiTime, get, LONG_MILLISECONDS, send, sleep, untilOnline } from "./client.js";
import { readEvents } from "./sse.js";

/** @typedef {"connecting" | "live" | "polling" | "lost"} Mode */
/**
 * What the leading tab tells the others; without events it says that it is there.
 * @typedef {{events: ServerEvent[], lastId: string, mode: Mode, since: Date | null}} News
 */

/** A stream without anything, even a heartbeat, for this long is dead. */
const SILENCE_MILLISECONDS = 12_000;
/** A leading tab tells more often that it is there. */
const LEADER_SILENCE_MILLISECONDS = SILENCE_MILLISECONDS + 10_000;
/** Without a first event for this long, a proxy buffers the stream. */
const READY_MILLISECONDS = 8_000;
/** Between the attempts, lists are asked for. */
const POLL_MILLISECONDS = 5_000;
const MAX_PAUSE_MILLISECONDS = 4_000;
/** A connection that is back sooner was not lost: the server ends each after some minutes. */
const GRACE_MILLISECONDS = 2_000;

/** A tab that has come asks whether there is a leading one. */
const HELLO = "hello";
const CHANGED = { event: "many", data: "{}" };

/** `since`: when the board was last up to date, while it is not. */
export const connection = new Store({
  mode: /** @type {Mode} */ ("connecting"),
  since: /** @type {Date | null} */ (null),
});

/** Its signal aborts after a silence that is too long, or when the device goes offline. */
class Watch {
  /** @param {AbortSignal} stopped @param {number} [silence] */
  constructor(stopped, silence = SILENCE_MILLISECONDS) {
    this.silence = silence;
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
    this.expect(this.silence);
  }

  end() {
    clearTimeout(this.timer);
    this.controller.abort();
  }
}

export class Live {
  /**
   * @param {string} path of the stream
   * @param {(since?: number) => Promise<void>} getAll gets all, or what has changed since
   */
  constructor(path, getAll) {
    this.path = path;
    this.getAll = getAll;
    this.lastId = "";
    this.upToDate = connection.value.since ?? new Date();
    this.stopped = new AbortController();
    this.failures = 0;
    this.isLeading = false;
    /** Whether the lists are there, or asked for. */
    this.hasLists = false;
    /** Whether the API cannot see what changes. */
    this.isStale = false;
    /** Whether the API has seen all since the stream began, so that a database is not an older one. */
    this.isSettled = false;
    this.channel = new BroadcastChannel(sharedName("live"));
    this.channel.onmessage = ({ data }) => this.hear(data);
  }

  stop() {
    this.stopped.abort();
    this.channel.close();
  }

  /** Lead, or follow until no other tab leads. Without locks, as without HTTPS, each tab leads. */
  async run() {
    const { locks } = navigator;
    if (!locks) return this.lead(this.stopped.signal);
    let isSilent = false;
    while (!this.stopped.signal.aborted) {
      this.watch = new Watch(this.stopped.signal, LEADER_SILENCE_MILLISECONDS);
      const term = new AbortController();
      this.stopped.signal.addEventListener("abort", () => term.abort(), { signal: term.signal });
      const options = isSilent ? { steal: true } : { signal: this.watch.signal };
      /** @type {Promise<void> | undefined} */
      let leading;
      const lead = () => (leading = this.lead(term.signal));
      this.channel.postMessage(HELLO);
      try {
        await locks.request(sharedName("leader"), options, lead);
      } catch {
        this.hasLists = false; // the leader is silent, or this tab was, and another one leads now
      }
      term.abort();
      await leading;
      isSilent = this.watch.expired;
      if (isSilent) this.report("lost");
    }
  }

  /** Take what the leading tab tells. @param {News | "hello"} news */
  hear(news) {
    if (this.isLeading && news === HELLO) this.tell();
    if (this.isLeading || news === HELLO) return;
    this.watch?.hear();
    for (const event of news.events) this.take(event);
    this.isSettled = news.mode === "live" || news.mode === "polling";
    if (!this.hasLists) this.refetch();
    this.lastId = news.lastId;
    this.upToDate = new Date();
    this.report(news.mode, news.since);
  }

  /** @param {ServerEvent[]} [events] */
  tell(events = []) {
    if (this.stopped.signal.aborted) return;
    this.channel.postMessage({ events, lastId: this.lastId, ...connection.value });
  }

  /** @param {AbortSignal} ended */
  async lead(ended) {
    this.watch?.end();
    this.isLeading = true;
    while (!ended.aborted) {
      const outcome = await this.follow(ended);
      if (outcome === "unavailable") await this.poll();
      else if (!ended.aborted) await this.pause(outcome);
    }
    this.isLeading = false;
  }

  /**
   * Follow the stream to its end.
   * @param {AbortSignal} ended @returns {Promise<"closed" | "lost" | "unavailable">}
   */
  async follow(ended) {
    const watch = new Watch(ended);
    this.isStale = this.isSettled = false;
    try {
      const response = await send("GET", this.path, {
        headers: this.lastId ? { "Last-Event-ID": this.lastId } : {},
        signal: watch.signal,
        timeout: LONG_MILLISECONDS,
      });
      if (!response.ok || !response.body) return "unavailable";
      return await this.read(response.body, watch);
    } catch {
      if (watch.expired && !watch.hasHeard) return "unavailable";
      if (watch.expired) this.report("lost");
      return "lost";
    } finally {
      watch.end();
    }
  }

  /**
   * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body @param {Watch} watch
   * @returns {Promise<"closed">}
   */
  async read(body, watch) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let [events, rest] = [/** @type {ServerEvent[]} */ ([]), ""];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "closed";
      watch.hear();
      ({ events, rest } = readEvents(rest + value));
      for (const event of events) this.take(event, watch);
      this.isSettled = !this.isStale;
      if (!this.isStale) this.upToDate = new Date();
      this.report(this.isStale ? "lost" : "live");
      this.tell(events);
    }
  }

  /** @param {ServerEvent} event @param {Watch} [watch] */
  take({ event, data, id = this.lastId }, watch) {
    // Each tab needs a new token, or a login.
    if (event === "end") get("/me").catch(() => {});
    else if (event === "stale" || event === "live") this.isStale = event === "stale";
    else if (event === "change") showUnreached(applyChange(JSON.parse(data)));
    else if (event === "many") this.refetch(watch, this.isSettled ? this.upToDate : undefined);
    else if (event === "ready" && !JSON.parse(data).resumed) this.refetch(watch);
    this.lastId = id;
    this.failures = 0;
  }

  /**
   * Get the lists while the stream goes on: what it brings meanwhile is newer.
   * @param {Watch} [watch]
   * @param {Date} [since] when the lists were up to date; without it all of them are read
   */
  refetch(watch, since) {
    this.hasLists = true;
    this.getAll(since && apiTime(since)).catch(() => {
      this.hasLists = false;
      this.lastId = ""; // the next stream begins with `ready`
      watch?.controller.abort();
    });
  }

  /** Ask for what has changed, and wait before the stream is tried again. */
  async poll() {
    const now = new Date();
    try {
      await this.getAll(this.failures ? undefined : apiTime(this.upToDate));
    } catch {
      return this.pause("lost");
    }
    this.upToDate = now;
    this.failures = 0;
    this.report("polling");
    this.tell([CHANGED]);
    await sleep(POLL_MILLISECONDS);
    this.tell();
  }

  /**
   * Wait before the next attempt, longer after each failure, but not once the device is online.
   * @param {"closed" | "lost"} outcome
   */
  async pause(outcome) {
    if (outcome === "lost") this.failures += 1;
    const longest = Math.min(MAX_PAUSE_MILLISECONDS, 300 * 2 ** this.failures);
    const grace = setTimeout(() => this.report("lost"), this.failures > 1 ? 0 : GRACE_MILLISECONDS);
    await untilOnline(longest * (0.5 + Math.random() / 2));
    clearTimeout(grace);
    this.tell();
  }

  /** @param {Mode} mode @param {Date | null} [since] */
  report(mode, since = mode === "lost" ? this.upToDate : null) {
    if (this.stopped.signal.aborted || connection.value.mode === mode) return;
    connection.set({ mode, since });
    if (this.isLeading) this.tell();
  }
}
