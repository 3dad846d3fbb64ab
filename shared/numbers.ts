/** zod schemas of the numbers that the keys of a recipe are. Pure. */
import { z } from 'zod';

export const positive = z.number().positive();
export const positiveInt = z.number().int().positive();
export const nonNegative = z.number().min(0);
export const fraction = z.number().min(0).max(1);
