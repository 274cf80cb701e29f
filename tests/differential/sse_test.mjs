// SseParser against eventsource-parser (npm) on generated streams, split everywhere.
//
//   node sse_test.mjs PATH/sse_events [SEED]
//
// A stream is made of fields, comments, and rubbish, with LF, CR or CRLF after each line, and ends
// with a blank line (how a stream that breaks off is read is ours to define, and tested elsewhere).
// Left out is where we differ on purpose: NUL, which we refuse. Ours gets each stream in one piece,
// byte by byte, cut in two at every place, and in random pieces.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const STREAMS = 1500;
const RANDOM_CUTS = 5;
const LINES_MAX = 12;

let createParser;
try {
  const require = createRequire(new URL('../integration/node/package.json', import.meta.url));
  ({ createParser } = require('eventsource-parser'));
} catch (error) {
  console.error(`no Node packages (${error.message}); run ./dev test`);
  process.exit(process.env.CI ? 1 : 77);
}

const [program, seedText] = process.argv.slice(2);
const seed = seedText === undefined ? Date.now() % 2 ** 31 : Number(seedText);
console.log(`seed ${seed}`);

// Mulberry32: small, and the same everywhere.
let state = seed;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const VALUES = ['', ' ', '  two', ' {"choices":[{"delta":{"content":"hi"}}]}', '[DONE]',
                ' [DONE]', 'a:b', ': c', ' \u5e73\u66ff',
                '\u{1f600}', ' \u2028x\u0085', 'x\t', '\ufeff', ' data: nested'];
const LINES = [
  () => `data:${pick(VALUES)}`, () => `data:${pick(VALUES)}`, () => `data:${pick(VALUES)}`,
  () => 'data', () => '', () => '', () => `event:${pick(VALUES)}`, () => 'event',
  () => `:${pick(VALUES)}`,
  () => `id:${pick(VALUES)}`, () => `retry:${pick(['', ' 1', ' x'])}`, () => `dat:${pick(VALUES)}`,
  () => ` data:${pick(VALUES)}`, () => `Data:${pick(VALUES)}`, () => `data :${pick(VALUES)}`,
  () => pick(VALUES),
];

function makeStream() {
  const ends = pick([['\n'], ['\r'], ['\r\n'], ['\n', '\r', '\r\n']]);
  let text = random() < 0.1 ? '\ufeff' : '';
  for (let i = below(LINES_MAX); i > 0; --i) text += pick(LINES)() + pick(ends);
  return Buffer.from(`${text}\n\n`);
}

function expected(stream) {
  const events = [];
  const hex = (text) => Buffer.from(text ?? '').toString('hex');
  const onEvent = ({ event, data }) => events.push(`${hex(event)}:${hex(data)}`);
  const parser = createParser({ onEvent });
  // TextDecoder takes the byte order mark away, as the standard says.
  parser.feed(new TextDecoder().decode(stream));
  return events.join(',');
}

// `places` ascend.
function cutAt(stream, places) {
  const pieces = [];
  let from = 0;
  for (const to of [...places, stream.length]) {
    pieces.push(stream.subarray(from, to).toString('hex'));
    from = to;
  }
  return pieces.join(',');
}

const cases = [];
for (let i = 0; i < STREAMS; ++i) {
  const stream = makeStream();
  const everywhere = Array.from(stream.keys());
  const cuts = [[], everywhere, ...everywhere.map((place) => [place])];
  for (let n = 0; n < RANDOM_CUTS; ++n) cuts.push(everywhere.filter(() => random() < 0.2));
  const want = expected(stream);
  for (const places of cuts) cases.push({ stream, line: cutAt(stream, places), want });
}

const input = `${cases.map((c) => c.line).join('\n')}\n`;
const run = spawnSync(program, { input, maxBuffer: 2 ** 30 });
if (run.status !== 0) {
  console.error(`${program} failed: ${run.error ?? run.stderr}`);
  process.exit(1);
}
const got = run.stdout.toString().split('\n').slice(0, -1);
const wrong = cases.filter((c, i) => c.want !== got[i]);
const events = cases.reduce((sum, c) => sum + c.want.split(',').filter(Boolean).length, 0);
console.log(`${STREAMS} streams, ${cases.length} cases, ${events} events, ${wrong.length} differ`);
for (const c of wrong.slice(0, 5)) {
  const unhex = (hex) => Buffer.from(hex, 'hex').toString();
  const text = (list) => list.split(',').map((event) => event.split(':').map(unhex));
  console.error(JSON.stringify({ stream: c.stream.toString(), cut: c.line, want: text(c.want),
                                 got: text(got[cases.indexOf(c)] ?? '') }));
}
if (got.length !== cases.length || wrong.length > 0 || events < STREAMS) process.exit(1);
