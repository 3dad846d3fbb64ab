/** The names of the planes, each of which has a file here. */
export const planeNames = ['socket', 'memory'] as const;

/** One word for the way of a connection's bulk bytes. */
export type PlaneName = (typeof planeNames)[number];
