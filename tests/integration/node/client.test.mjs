// A running server as @grpc/grpc-js sees it.
//
// Environment: PINGTI_SOURCE, the repository; PINGTI_BUILD, the build tree with bin/;
// PINGTI_TEST_SLOWDOWN, how much slower than a release build the programs may be.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { startPrograms } from './programs.mjs';

const SLOWDOWN = Math.max(1, Number(process.env.PINGTI_TEST_SLOWDOWN ?? 1));
const WAIT_MS = 20_000 * SLOWDOWN;
const ABORT_MS = 100 * SLOWDOWN;
const ABORT_TRIES = 3;
const MIB = 1 << 20;

const definitions = loadSync(
  ['pingti/v1/completion_service.proto', 'pingti/v1/models_service.proto',
   'google/rpc/status.proto', 'google/rpc/error_details.proto'],
  { includeDirs: [join(process.env.PINGTI_SOURCE, 'proto')], keepCase: true, longs: Number,
    enums: String, oneofs: true, defaults: true });
const { Completion, Models } = grpc.loadPackageDefinition(definitions).pingti.v1;

let programs;
let completion;
let models;

before(async () => {
  programs = await startPrograms();
  const target = `127.0.0.1:${programs.server.port}`;
  const options = { 'grpc.max_send_message_length': -1 };
  completion = new Completion(target, grpc.credentials.createInsecure(), options);
  models = new Models(target, grpc.credentials.createInsecure(), options);
});

after(async () => {
  completion.close();
  models.close();
  assert.equal(await programs.server.stop(), 0, programs.server.errors);
  await programs.provider.stop();
});

const provider = (path, options) =>
  fetch(`http://127.0.0.1:${programs.provider.port}${path}`, options);

const forgetRequests = () => provider('/sim/reset', { method: 'POST' });

beforeEach(forgetRequests);

const ask = (prompt) =>
  ({ model: 'chat', messages: [{ role: 'ROLE_USER', parts: [{ text: prompt }] }] });

function credentials(key = programs.key) {
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${key}`);
  return metadata;
}

const deadline = (ms = WAIT_MS) => ({ deadline: Date.now() + ms });

// The answer, or the error, and the initial metadata.
function unary(spec, { key, ms } = {}) {
  return new Promise((resolve) => {
    let initial;
    const call = completion.GenerateCompletion(
      { spec }, credentials(key), deadline(ms),
      (error, answer) => resolve({ error, answer, initial }));
    call.on('metadata', (metadata) => { initial = metadata; });
  });
}

const stream = (spec) => completion.StreamCompletion({ spec }, credentials(), deadline());

// The events of a stream, and the error with which it ended.
async function readAll(call) {
  const events = [];
  try {
    for await (const event of call) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events };
}

const textOf = (events) => events.map(({ delta }) => delta?.text ?? '').join('');

// The google.rpc details of an error, by the name of their type.
function detailsOf(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = definitions['google.rpc.Status'].deserialize(bytes);
  assert.equal(status.code, error.code);
  assert.equal(status.message, error.details);
  return Object.fromEntries(status.details.map(({ type_url: url, value }) => {
    const name = url.slice(url.lastIndexOf('/') + 1);
    return [name.slice(name.lastIndexOf('.') + 1), definitions[name].deserialize(value)];
  }));
}

// When the provider saw that its client had gone, on process.hrtime's clock, in milliseconds.
async function waitForDisconnect() {
  const end = Date.now() + WAIT_MS;
  while (Date.now() < end) {
    const [request] = await (await provider('/sim/requests?last=1')).json();
    if (request && request.disconnect_ns !== 0) return request.disconnect_ns / 1e6;
  }
  return assert.fail('the provider never saw a disconnect');
}

// The best of a few tries: a machine that is busy elsewhere says nothing about the server.
async function assertAbortsSoon(abortedAfterMs) {
  const took = [];
  do {
    await forgetRequests();
    took.push(await abortedAfterMs());
  } while (Math.min(...took) >= ABORT_MS && took.length < ABORT_TRIES);
  assert.ok(Math.min(...took) < ABORT_MS, `aborted after ${took.join(', ')} ms`);
}

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

test('unary', async () => {
  const { answer, error } = await unary(ask('What is the weather?'));
  assert.ifError(error);
  const [choice] = answer.choices;
  assert.ok(choice.text.includes('You said: "What is the weather?"'), choice.text);
  assert.equal(choice.finish_reason, 'FINISH_REASON_STOP');
  assert.equal(answer.usage.source, 'USAGE_SOURCE_MEASURED');
  assert.equal(answer.usage.output_tokens, Math.ceil(Buffer.byteLength(choice.text) / 4));
  assert.equal(answer.cost, null);
});

test('a stream has the text of the unary answer', async () => {
  const { answer } = await unary(ask('Say something long'));
  const { events, error } = await readAll(stream(ask('Say something long')));
  assert.ifError(error);
  assert.equal(events[0].event, 'started');
  assert.equal(events.at(-1).event, 'finished');
  assert.ok(events.slice(1, -1).every(({ event }) => event === 'delta'));
  assert.equal(textOf(events), answer.choices[0].text);
  assert.deepEqual(events.at(-1).finished.usage, answer.usage);
});

test('Chinese text', async () => {
  const prompt = '你好，平替是什么？🐼[sim:chunk_bytes=1]';
  const { answer } = await unary(ask(prompt));
  const { events } = await readAll(stream(ask(prompt)));
  assert.ok(textOf(events).includes('你好，平替是什么？🐼'));
  assert.equal(textOf(events), answer.choices[0].text);
});

test('cancel after the first response', () => assertAbortsSoon(async () => {
  const call = stream(ask('Endless [sim:chunk_interval_ms=20,chunks=3000]'));
  let cancelled = 0;
  call.once('data', () => {
    cancelled = nowMs();
    call.cancel();
  });
  const error = await new Promise((resolve) => { call.on('error', resolve); });
  assert.equal(error.code, grpc.status.CANCELLED);
  return await waitForDisconnect() - cancelled;
}));

test('deadline of a slow answer', () => assertAbortsSoon(async () => {
  const ms = 1000 * SLOWDOWN;
  const due = nowMs() + ms;
  const { error } = await unary(ask('Slow [sim:latency_ms=60000]'), { ms });
  assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED);
  return await waitForDisconnect() - due;
}));

test('an image of 5 MB passes', async () => {
  const spec = ask('What is this?');
  spec.messages[0].parts.push({ image: { data: randomBytes(5 * MIB), media_type: 'image/png' } });
  const { answer, error } = await unary(spec);
  assert.ifError(error);
  assert.ok(answer.choices[0].text);
});

test('a message of 25 MB is refused, and the connection goes on', async () => {
  const spec = ask('What is this?');
  spec.messages[0].parts.push({ image: { data: Buffer.alloc(25 * MIB), media_type: 'image/png' } });
  const { error } = await unary(spec);
  assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
  assert.ifError((await unary(ask('Still there?'))).error);
});

test('an image over the limit names the field', async () => {
  const spec = ask('What is this?');
  spec.messages[0].parts.push({ image: { data: Buffer.alloc(11 * MIB), media_type: 'image/png' } });
  const { error } = await unary(spec);
  assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
  const [violation] = detailsOf(error).BadRequest.field_violations;
  assert.equal(violation.field, 'spec.messages[0].parts[1].image.data');
});

test('metadata', async () => {
  const { answer, initial } = await unary(ask('Hello'));
  assert.deepEqual(initial.get('x-request-id'), [answer.request_id]);
  assert.deepEqual(initial.get('x-ratelimit-limit-requests'), ['1000000']);
  assert.ok(Number(initial.get('x-ratelimit-remaining-requests')[0]) < 1000000);
  assert.deepEqual(initial.get('x-ratelimit-limit-tokens'), ['100000000']);
  assert.match(initial.get('x-ratelimit-reset-tokens')[0], /^[0-9.]+m?s$/);
});

test('details of a bad field', async () => {
  const { error } = await unary({ ...ask('Hello'), sampling: { temperature: 9 } });
  assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
  const { ErrorInfo, BadRequest } = detailsOf(error);
  assert.equal(ErrorInfo.reason, 'FIELD_INVALID');
  assert.equal(ErrorInfo.domain, 'pingti');
  assert.ok(ErrorInfo.metadata.request_id);
  assert.equal(BadRequest.field_violations[0].field, 'spec.sampling.temperature');
});

test('details of an empty bucket', async () => {
  assert.ifError((await unary(ask('Hello'), { key: programs.tinyKey })).error);
  const { error, initial } = await unary(ask('Hello'), { key: programs.tinyKey });
  assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
  const { ErrorInfo, RetryInfo, QuotaFailure } = detailsOf(error);
  assert.equal(ErrorInfo.reason, 'QUOTA_EXCEEDED');
  assert.ok(RetryInfo.retry_delay.seconds >= 50 && RetryInfo.retry_delay.seconds <= 60);
  assert.equal(QuotaFailure.violations[0].subject, 'tenant:tiny/class:chat');
  assert.deepEqual(initial.get('x-ratelimit-remaining-requests'), ['0']);
});

test('a wrong key', async () => {
  const { error } = await unary(ask('Hello'), { key: 'pt_wrong_key' });
  assert.equal(error.code, grpc.status.UNAUTHENTICATED);
  assert.equal(detailsOf(error).ErrorInfo.reason, 'KEY_INVALID');
});

test('a cut stream is an error with the usage so far', async () => {
  const { events, error } = await readAll(stream(ask('Cut [sim:fault=18]')));
  assert.equal(error.code, grpc.status.UNAVAILABLE);
  assert.ok(events.some(({ event }) => event === 'delta'));
  assert.ok(!events.some(({ event }) => event === 'finished'));
  const { ErrorInfo } = detailsOf(error);
  assert.equal(ErrorInfo.reason, 'ANSWER_INCOMPLETE');
  assert.ok(Number(ErrorInfo.metadata.output_tokens) > 0);
});

test('models', async () => {
  const listed = await new Promise((resolve, reject) => {
    models.ListModels({}, credentials(), deadline(),
                      (error, answer) => (error ? reject(error) : resolve(answer.models)));
  });
  assert.deepEqual(listed.map(({ name }) => name), ['chat']);
});
