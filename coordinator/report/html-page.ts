/** A whole page of HTML that needs nothing else: it loads nothing, runs nothing, and is light or dark as its reader has it. Pure. */
import { escaped } from './html.js';

/** @param parts HTML as it stands in the page's body */
export function htmlPage(title: string, parts: readonly string[]): string {
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"/>` +
    `<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'"/>` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"/><title>${escaped(title)}</title>` +
    `<style>${style}</style></head><body>${parts.join('')}</body></html>\n`
  );
}

/** A part of a page under a heading. @param content HTML */
export function section(title: string, content: string): string {
  return `<section><h2>${escaped(title)}</h2>${content}</section>`;
}

const light = ['#1f5fa8', '#c4570b', '#1a7f4b', '#8a3fa0', '#b3261e', '#0b7d86', '#7a6a00', '#59636e'];
const dark = ['#7db4f0', '#f0a263', '#5fce94', '#cf9be0', '#ff8f86', '#5cc7cf', '#d3c258', '#aab4bf'];
const colors = (all: readonly string[]): string => all.map((color, i) => `--c${i}:${color};`).join('');
const style = `
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--muted:#5b6470;--rule:#dfe3e8;${colors(light)}}
@media (prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e6e9ed;--muted:#9aa4b0;--rule:#323943;${colors(dark)}}}
body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
h3,figcaption{font-size:1rem}section{overflow-x:auto}figure{display:inline-block;vertical-align:top;margin:0 1rem 1rem 0;width:min(35rem,100%)}
svg text{fill:var(--muted);font-size:12px}.grid{stroke:var(--rule)}.line{fill:none;stroke-width:1.5}.dashed{stroke-dasharray:5 4}
${light.map((_, i) => `.line.c${i}{stroke:var(--c${i})}.key.c${i}{border-left:1rem solid var(--c${i});padding:0 .8rem 0 .3rem}`).join('')}
circle.c0{fill:var(--c0)}circle.c1{fill:var(--c1)}circle.c7{fill:none;stroke:var(--c7)}circle.best{stroke:var(--ink);stroke-width:2}
rect.bar,rect.right{fill:var(--c0)}rect.wrong{fill:var(--c1)}.frame{fill:none;stroke:var(--rule)}.spread{stroke:var(--ink);fill:var(--ink)}
svg text.on{fill:var(--ground)}svg text.off{fill:var(--ink)}
table{border-collapse:collapse}th,td{padding:.15rem 1rem .15rem 0;text-align:left;font-weight:400;overflow-wrap:anywhere}th{color:var(--muted)}
pre{overflow-x:auto}`;
