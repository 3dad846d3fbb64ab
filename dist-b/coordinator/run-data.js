export {};
//# sourceMappingURL=run-data.js.map