// What this browser keeps for times without a network, in IndexedDB.

import { sharedName } from "../api/address.js";

/** `mine`: what a driver was shown last. `taps`: what is not answered yet, by its key. */
const STORES = ["mine", "taps"];

/** @type {Promise<IDBDatabase> | undefined} */
let opening;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(sharedName("kept"));
    asked.onupgradeneeded = () => {
      for (const name of STORES) asked.result.createObjectStore(name);
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  const forget = () => {
    opening = undefined;
  };
  opening.then((database) => database.addEventListener("close", forget), forget);
  return opening;
}

/**
 * Use what is kept, in a transaction of its own.
 * @template T
 * @param {"mine" | "taps"} name @param {(store: IDBObjectStore) => IDBRequest<T>} use
 * @returns {Promise<T>} Raises where the browser keeps nothing, or has no room.
 */
export async function kept(name, use) {
  const transaction = (await open()).transaction(name, "readwrite", {
    durability: "strict", // phones are switched off
  });
  return new Promise((resolve, reject) => {
    const asked = use(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onabort = () => reject(transaction.error);
  });
}
