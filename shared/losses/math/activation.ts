/** Values of one output (a tap, logits) for a micro-batch: [rows x shape], channels last. */
export interface Activation {
  readonly values: Float32Array;
  /** One sample's: [D], [H, W, C] or [T, F]. */
  readonly shape: readonly number[];
}
