/**
 * What a loss term on logits is: a pure function of logits and targets that gives each sample's value and adds its
 * gradient, scaled by the recipe's weight and the divisor of the whole global batch, to the total's.
 */
export {};
//# sourceMappingURL=term.js.map