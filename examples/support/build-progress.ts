import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { BuildEvent } from 'nacelle';

type Step = Extract<BuildEvent, { type: 'step' }>;

/** Shows a build until its events end, as docker does: on a terminal bars of what goes on, under what is over; lines elsewhere. */
export async function showBuild(events: AsyncIterable<BuildEvent>): Promise<void> {
  const screen = process.stderr.isTTY ? bars() : lines;
  const steps = new Map<number, Step>();
  const cut = new Map<string, string>();
  try {
    for await (const event of events) {
      if (event.type === 'step') {
        steps.set(event.number, event);
        screen.begin(event);
      } else if (event.type === 'output') {
        // whole lines alone, since those of several steps come at once
        const key = `${event.number} ${event.stream}`;
        const [last = '', ...whole] = `${cut.get(key) ?? ''}${event.text}`.split('\n').reverse();
        cut.set(key, last);
        for (const line of whole.reverse()) screen.say(`#${event.number} ${line}`);
      } else if (event.type === 'done') {
        const rest = ['stdout', 'stderr'].map((stream) => cut.get(`${event.number} ${stream}`) ?? '');
        for (const line of rest) if (line !== '') screen.say(`#${event.number} ${line}`);
        const step = steps.get(event.number);
        const time = event.cached === true ? 'CACHED' : `${(event.durationMs / 1000).toFixed(1)} s`;
        if (step) screen.end(step, `#${event.number} ${nameOf(step)}: ${time}`);
      } else if (event.type === 'pull' && event.layer.status === 'downloaded') {
        screen.say(`pull ${event.reference}: ${event.layer.digest.slice(7, 19)}`);
      }
    }
  } finally {
    screen.stop();
  }
}

function nameOf({ stage, number, of, instruction }: Step): string {
  return `[${stage} ${number}/${of}] ${instruction.split('\n')[0]}`;
}

interface Screen {
  begin(step: Step): void;
  say(line: string): void;
  end(step: Step, line: string): void;
  stop(): void;
}

const lines: Screen = {
  begin: (step) => console.error(`#${step.number} ${nameOf(step)}`),
  say: (line) => console.error(line),
  end: (_, line) => console.error(line),
  stop: () => undefined,
};

function bars(): Screen {
  const all = new MultiBar({ stream: process.stderr, hideCursor: true }, Presets.shades_classic);
  const total = all.create(0, 0, {}, { format: '{bar} {value}/{total} steps' });
  const running = new Map<number, SingleBar>();
  let over = 0;
  return {
    begin: (step) => {
      total.setTotal(step.of);
      running.set(step.number, all.create(1, 0, { name: nameOf(step) }, { format: '=> {name} {duration} s' }));
    },
    say: (line) => all.log(`${line}\n`),
    end: ({ number }, line) => {
      const bar = running.get(number);
      if (bar) all.remove(bar);
      total.update(++over);
      all.log(`${line}\n`);
    },
    stop: () => all.stop(),
  };
}
