// The package under this name is a build of node-pty with binaries in it; its types are declared under its own name.
declare module 'node-pty' {
  export * from '@lydell/node-pty';
}
