/** What `ccli bootstrap` puts on a host: a node-agent in a few files that need nothing but a Node. */
export interface Bundle {
  /** The package's version and a hash over all files: a rebuilt tree is another version. */
  readonly version: string;
  readonly files: readonly BundleFile[];
  readonly size_bytes: number;
}

export interface BundleFile {
  /** Below the directory of the version, with slashes. */
  readonly path: string;
  readonly mode: number;
  readonly size_bytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
}
