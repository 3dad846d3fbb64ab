/** The few parts of the WebAssembly API that are used here; TypeScript has them only among the browser's types. */
declare namespace WebAssembly {
  function validate(bytes: Uint8Array): boolean;
  class Memory {
    constructor(limits: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
  }
  class Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module';
    constructor(bytes: Uint8Array);
    static exports(module: Module): { name: string; kind: string }[];
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: Readonly<Record<string, Exported>>;
  }
  /** The kernels' functions take numbers alone. */
  type Exported = ((...args: number[]) => unknown) | Memory | { readonly value: unknown };
}
