/** What was waited for is wanted no more: the run's trainer ends. */
export class WaitEnded extends Error {
}
//# sourceMappingURL=compute.js.map