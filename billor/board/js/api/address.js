/** Where the API is: beside the board, which a proxy may have below a prefix. */

const BASE = new URL(".", location.href).pathname;

/** @param {string} path one of the API @returns {string} where it is seen from here */
export function addressOf(path) {
  return BASE + path.slice(1);
}

/**
 * @param {string} address one that the API has given
 * @returns {string} its path and query as the API has them
 */
export function pathOf(address) {
  const { pathname, search } = new URL(address, location.href);
  return (pathname.startsWith(BASE) ? `/${pathname.slice(BASE.length)}` : pathname) + search;
}

/**
 * @param {string} name
 * @returns {string} of what all tabs with this board share, but no other board at this origin
 */
export const sharedName = (name) => `billor.${name}${BASE}`;
