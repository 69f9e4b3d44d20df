import type { Span, Timeline } from '../lib/native/timeline.js';

const WIDTH = 1100;
const LEFT = 70;
const LANE = 34;
const TOP = 44;
/** How many of the longest have a number in the picture and a line below it. */
const NAMED = 14;
const LINE = 17;

const lanes = ['node', 'shim', 'process'] as const;
const colours: Readonly<Record<Span['who'], string>> = { node: '#4c78a8', shim: '#f58518', process: '#54a24b' };

/** What waits for somebody else: pale, and never among the longest. */
const waits = (span: Span): boolean => span.what.startsWith('wait') || span.step === 'rest' || span.step === 'exec';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const tookMs = ({ beganMs, endedMs }: Span): number => Math.max(0, (endedMs ?? beganMs) - beganMs);

/** A timeline as a picture: a lane for each actor, a box for each span, and the longest by name. Pure. */
export function timelineSvg({ name, spans }: Timeline, caption: string): string {
  const from = Math.min(...spans.map(({ beganMs }) => beganMs));
  const to = Math.max(...spans.map(({ beganMs, endedMs }) => endedMs ?? beganMs));
  const scale = (WIDTH - LEFT - 10) / Math.max(to - from, 0.001);
  const x = (ms: number): number => LEFT + (ms - from) * scale;
  const named = [...spans]
    .filter((span) => !waits(span))
    .sort((a, b) => tookMs(b) - tookMs(a))
    .slice(0, NAMED);
  const bottom = TOP + lanes.length * LANE + 24;
  const height = bottom + named.length * LINE + 12;
  const boxes = spans.map((span) => {
    const y = TOP + lanes.indexOf(span.who) * LANE;
    const width = Math.max(0.6, tookMs(span) * scale - 0.3);
    const title = `${span.step === '-' ? '' : `${span.step}: `}${span.what}, ${tookMs(span).toFixed(3)} ms`;
    const box = `<rect x="${x(span.beganMs).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${LANE - 10}" fill="${colours[span.who]}" opacity="${waits(span) ? 0.2 : 0.9}">`;
    return `${box}<title>${escaped(title)}</title></rect>`;
  });
  const numbers = named.map((span, place) => {
    const y = TOP + lanes.indexOf(span.who) * LANE - 2;
    return `<text x="${(x(span.beganMs) + (tookMs(span) * scale) / 2).toFixed(1)}" y="${y}" text-anchor="middle" font-size="9">${place + 1}</text>`;
  });
  const labels = lanes.map((lane, place) => `<text x="8" y="${TOP + place * LANE + 16}">${lane}</text>`);
  const ticks = Array.from({ length: Math.floor(to - from) + 1 }, (_, ms) => {
    const at = x(from + ms).toFixed(1);
    const line = `<line x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom - 22}" stroke="#999" stroke-width="0.5"/>`;
    return `${line}<text x="${at}" y="${bottom - 8}" text-anchor="middle" font-size="10">${ms} ms</text>`;
  });
  const legend = named.map((span, place) => {
    const words = `${place + 1}. ${tookMs(span).toFixed(3)} ms  ${span.who}: ${span.step === '-' ? '' : `${span.step}, `}${span.what}`;
    return `<text x="${LEFT}" y="${bottom + 8 + (place + 1) * LINE - 6}" fill="${colours[span.who]}">${escaped(words)}</text>`;
  });
  const title = `<text x="8" y="18" font-weight="bold">${escaped(`${name}, ${(to - from).toFixed(2)} ms. ${caption}`)}</text>`;
  const content = [title, ...labels, ...ticks, ...boxes, ...numbers, ...legend].join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${content}
</svg>
`;
}
