// A value that views follow.

import { useEffect, useState } from "preact/hooks";

/** Followers hear of changes at most so often: a burst of events is drawn at once. */
const PAUSE_MILLISECONDS = 80;

/**
 * @template T
 */
export class Store {
  /** @param {T} value */
  constructor(value) {
    this.value = value;
    /** @type {Set<() => void>} */
    this.followers = new Set();
    this.toldAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Replace some of the value's fields, and tell followers. @param {Partial<T>} changes */
  set(changes) {
    this.value = { ...this.value, ...changes };
    this.tell();
  }

  /** Tell followers that something in the value has changed: at once, or soon within a burst. */
  tell() {
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.toldAt + PAUSE_MILLISECONDS - performance.now());
    this.timer = setTimeout(() => this.tellNow(), wait);
  }

  tellNow() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.toldAt = performance.now();
    for (const follower of [...this.followers]) follower();
  }

  /** @param {() => void} follower @returns {() => void} what ends it */
  follow(follower) {
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }
}

/**
 * Draw a view again when a store changes.
 * @template T
 * @param {Store<T>} store @returns {T}
 */
export function useStore(store) {
  const [, draw] = useState(0);
  const { toldAt } = store;
  useEffect(() => {
    const drawAgain = () => draw((count) => count + 1);
    if (store.toldAt !== toldAt) drawAgain(); // since the view was drawn
    return store.follow(drawAgain);
  }, [store]);
  return store.value;
}
