// Runs client.test.mjs. Where the packages are missing it ends with 77, which ctest shows as
// skipped, or under CI, where nothing may be skipped, with 1.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

if (!existsSync(here('node_modules/@grpc/grpc-js'))) {
  console.error('no Node packages; run `npm ci` in tests/integration/node, or ./dev test');
  process.exit(process.env.CI ? 1 : 77);
}
const { status } = spawnSync(process.execPath, ['--test', here('client.test.mjs')],
                             { stdio: 'inherit' });
process.exit(status ?? 1);
