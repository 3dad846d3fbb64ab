/** Numbers as people read them. Pure. */

/** A whole number with its thousands apart. */
export function wholeText(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? ''}`;
}

/** Seconds as the two largest units that they have. */
export function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = Math.max(
    0,
    parts.findIndex(([value]) => value > 0),
  );
  const shown = whole === 0 ? parts.slice(3) : parts.slice(first, first + 2);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(' ');
}

export function percentText(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** A figure such as an accuracy: shares as percentages, others as they are. */
export function figureText(name: string | null, value: number | null): string {
  if (value === null) return '–';
  return name === 'R2' ? value.toFixed(4) : percentText(value, 2);
}

export function clockText(atMs: number): string {
  return new Date(atMs).toLocaleTimeString(undefined, { hour12: false });
}
