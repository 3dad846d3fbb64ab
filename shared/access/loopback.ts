/** Whether a name or address is that of this machine to itself. */
export function isLoopback(host: string): boolean {
  return /^localhost\.?$/i.test(host) || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
