// Runs client.test.mjs; exit code 77, which ctest shows as skipped, where the packages are missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

if (!existsSync(here('node_modules/@grpc/grpc-js'))) {
  console.error('skipped: no Node packages; run `npm ci` in tests/integration/node, or ./dev test');
  process.exit(77);
}
const { status } = spawnSync(process.execPath, ['--test', here('client.test.mjs')],
                             { stdio: 'inherit' });
process.exit(status ?? 1);
