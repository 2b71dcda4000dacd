// The service worker: keeps the page and the assets of its version, for times without a network.
// It keeps nothing else, and leaves alone whatever else the page asks for. A new version takes over
// at once; the assets of the one before stay, since its page may still be open.

/** @type {any} */
const worker = globalThis;
const VERSION = "{version}";
const NAMES = ["{names}"];
/** On a network that is slower, the page that is kept is shown. */
const PATIENCE_MILLISECONDS = 3_000;

/** @type {string} */
const PAGE = worker.registration.scope;
const OURS = `billor ${PAGE} `;
const CACHE = OURS + VERSION;

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(install()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  /** @type {Request} */
  const request = event.request;
  const [address] = request.url.split(/[?#]/);
  if (request.mode === "navigate" && address === PAGE) event.respondWith(page(request));
  else if (address?.startsWith(`${PAGE}/`)) event.respondWith(asset(request));
});

worker.addEventListener("push", (/** @type {any} */ event) => {
  const { title, body } = event.data.json();
  const icon = `${PAGE}/${VERSION}/icon-192.png`;
  event.waitUntil(worker.registration.showNotification(title, { body, icon }));
});
worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(showPage());
});

async function showPage() {
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = windows.find((/** @type {any} */ { url }) => url.split(/[?#]/)[0] === PAGE);
  await (open ? open.focus() : worker.clients.openWindow(PAGE));
}

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(NAMES.map((name) => `${PAGE}/${VERSION}/${name}`));
  const isThisVersion = await keep(await fetch(PAGE));
  if (!isThisVersion) throw new Error("another version is served by now");
  await worker.skipWaiting();
}

async function activate() {
  const kept = (await caches.keys()).filter((name) => name.startsWith(OURS));
  await Promise.all(kept.slice(0, -2).map((name) => caches.delete(name)));
  await worker.clients.claim();
  for (const client of await worker.clients.matchAll()) client.postMessage(VERSION);
}

/** @param {Response} response with the page @returns {Promise<boolean>} whether it is of this version */
async function keep(response) {
  const text = await response.clone().text();
  const isThisVersion = text.includes(VERSION);
  if (isThisVersion) await (await caches.open(CACHE)).put(PAGE, response);
  return isThisVersion;
}

/** @param {Request} request @returns {Promise<Response>} the page, from the network if it answers soon */
async function page(request) {
  const kept = await caches.match(PAGE, { cacheName: CACHE, ignoreVary: true });
  const fresh = fetch(request);
  if (!kept) return fresh;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MILLISECONDS));
  const answer = fresh.then(
    async (response) => {
      if (!response.ok) return kept;
      await keep(response.clone());
      return response;
    },
    () => kept,
  );
  return Promise.race([answer, late.then(() => kept)]);
}

/** @param {Request} request */
const asset = async (request) =>
  (await caches.match(request, { ignoreVary: true })) ?? fetch(request);
