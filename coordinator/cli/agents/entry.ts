/** One agent of a file, as it stands there. */
export interface Entry {
  readonly line: number;
  /** The name it has where the list is a map from names. */
  readonly key?: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
