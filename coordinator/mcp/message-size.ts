/** How much of a text one message takes: clients end a connection on which a message is longer than 10 MiB. */
export const MOST_TEXT_BYTES = 8 * 1024 * 1024;

/** Whether a text, escaped as it is in a message, is short enough. */
export const fitsMessage = (text: string): boolean =>
  text.length <= MOST_TEXT_BYTES && Buffer.byteLength(JSON.stringify(text)) <= MOST_TEXT_BYTES;
