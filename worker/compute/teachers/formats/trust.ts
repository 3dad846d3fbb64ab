/**
 * Whether whoever started this process trusts the models that it opens (`--trust-models`). Operations that may do more
 * than compute take that word and the recipe's about the model (`trust: true`): a recipe may come from elsewhere, and a
 * worker's owner need not know the recipe.
 */
import { exitCodes, UserError } from '../../../../shared/errors.js';

let isGiven = false;

/** The word of whoever started this process; it cannot be taken back. */
export function trustModels(): void {
  isGiven = true;
}

/**
 * @param trust what the recipe says of the model
 * @param what it runs, for people
 * @throws UserError 77 unless both have given their word
 */
export function expectTrust(name: string, trust: boolean | undefined, what: string): void {
  if (isGiven && trust === true) return;
  const missing = [
    ...(trust === true ? [] : ["trust: true at the teacher's in the recipe"]),
    ...(isGiven ? [] : ['--trust-models on this machine']),
  ];
  throw new UserError(
    `teacher ${name}: ${what}, which may do more than compute, such as read and write files; a model without it was wanted, or ${missing.join(' and ')}`,
    exitCodes.refused,
  );
}
