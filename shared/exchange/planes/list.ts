/** The planes, a line each. */
import type { Plane } from '../plane.js';
import { socketPlane } from './socket.js';

export const planes: readonly Plane[] = [socketPlane];
