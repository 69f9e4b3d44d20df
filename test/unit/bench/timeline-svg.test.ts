import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timelineSvg } from '../../../bench/timeline-svg.js';

const span = fc
  .record({
    who: fc.constantFrom('node', 'shim', 'process'),
    step: fc.constantFrom('-', 'pivot', 'rest', 'exec'),
    what: fc.string({ unit: 'grapheme' }),
    began: fc.nat({ max: 5000 }),
    took: fc.option(fc.nat({ max: 5000 })),
  })
  .map(({ began, took, ...rest }) => ({
    ...rest,
    beganMs: 1000 + began / 1000,
    endedMs: took === null ? null : 1000 + (began + took) / 1000,
  }));

describe('the picture of a timeline', () => {
  it('has a box for each span, within the picture, and no markup of anybody else', () => {
    fc.assert(
      fc.property(fc.array(span, { minLength: 1 }), (spans) => {
        const svg = timelineSvg({ name: '<run>', spans }, '&');
        const boxes = [...svg.matchAll(/<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g)].map(([, x, , width]) => [
          Number(x),
          Number(width),
        ]);
        expect(boxes).toHaveLength(spans.length);
        for (const [x = -1, width = -1] of boxes) {
          expect(x).toBeGreaterThanOrEqual(70);
          expect(x + width).toBeLessThanOrEqual(1100);
        }
        expect(svg.replaceAll(/<\/?(svg|rect|text|title|line)\b[^<>]*>/g, '')).not.toMatch(/[<>]/);
        expect(svg).toContain('&lt;run&gt;');
      }),
    );
  });

  it('names the longest, but for what waits', () => {
    const at = { who: 'process', beganMs: 0 } as const;
    const spans = [
      { ...at, step: 'pivot', what: 'make the new root the root', endedMs: 0.5 },
      { ...at, step: 'rest', what: 'wait for the rest of the plan', endedMs: 3 },
    ];
    const svg = timelineSvg({ name: 'a run', spans }, '');
    expect(svg).toContain('1. 0.500 ms  process: pivot, make the new root the root');
    expect(svg).not.toContain('2. ');
    expect(svg).toContain('>3 ms<');
  });
});
