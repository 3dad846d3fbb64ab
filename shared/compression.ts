/**
 * The names of the encodings in which gradients lie in slots, travel and are logged, as recipe, wire and log spell
 * them. It holds no arithmetic: shared/replica/reduction/encoding.ts says what each encoding does to a gradient.
 */

/** Every encoding: `none` keeps float32, `bf16` and `int8` round. */
export const compressions = ['none', 'bf16', 'int8'] as const;
export type Compression = (typeof compressions)[number];
