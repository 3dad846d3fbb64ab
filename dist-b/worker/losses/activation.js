export {};
//# sourceMappingURL=activation.js.map