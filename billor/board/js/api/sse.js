// Server-Sent Events from a response of `fetch`, since EventSource sends no token.

/**
 * Read events as Billor writes them: each has its data in one line.
 * @param {string} text a part of the stream, cut anywhere
 * @returns {{events: ServerEvent[], rest: string}} those that are complete, and what follows them
 */
export function readEvents(text) {
  const blocks = text.split("\n\n");
  const rest = /** @type {string} */ (blocks.pop());
  const events = blocks.map(fieldsOf).filter(({ event }) => event); // comments are heartbeats
  return { events, rest };
}

/** @param {string} block @returns {any} */
const fieldsOf = (block) =>
  Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/)));
