/** Names of directories in `versions/`. Pure. */

/** An upload that was not finished, or is under way. */
export const isPartial = (name: string): boolean => name.includes('.partial');

export const isVersion = (name: string): boolean => /^[\w+-][\w.+-]*$/.test(name) && !isPartial(name);
