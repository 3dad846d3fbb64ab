/** All operators with the settings and shapes that exports use, for tests of their gradients. */
import type { Case } from './case.js';
import { layerCases } from './layer-cases.js';
import { numberCases } from './number-cases.js';
import { placeCases } from './place-cases.js';

export const cases: readonly Case[] = [...numberCases, ...placeCases, ...layerCases];
