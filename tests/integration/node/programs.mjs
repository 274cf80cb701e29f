// Starts the programs under test and stops them.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BIN = join(process.env.PINGTI_BUILD, 'bin');
const CONFIG = join(process.env.PINGTI_SOURCE, 'tests/integration/clients.yaml');

class Program {
  // Resolves when the program has said where it listens.
  static async start(name, args, pattern, env = {}) {
    const program = new Program();
    const stdio = ['ignore', 'pipe', 'pipe'];
    // The kernel ends it when this process ends, however that happens.
    program.child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', join(BIN, name), ...args],
                          { stdio, env: { ...process.env, ...env } });
    program.ended = once(program.child, 'exit');
    program.errors = '';
    program.child.stderr.on('data', (data) => { program.errors += data; });
    for await (const line of createInterface(program.child.stdout)) {
      const match = pattern.exec(line);
      if (match) {
        program.port = Number(match[1]);
        program.child.stdout.resume();
        return program;
      }
    }
    throw new Error(`${name} did not start:\n${program.errors}`);
  }

  // The exit code.
  async stop() {
    this.child.kill('SIGTERM');
    const [code] = await this.ended;
    return code;
  }
}

function makeKey() {
  const made = execFileSync(join(BIN, 'pingti-server'), ['--make-key'], { encoding: 'utf8' });
  return { key: /^key: (\S+)$/m.exec(made)[1], record: /^record: (\S+)$/m.exec(made)[1] };
}

// The simulated provider, and a server in front of it.
export async function startPrograms() {
  const provider = await Program.start('simulated-provider', ['--port', '0'],
                                       /^listening on 127\.0\.0\.1:(\d+)/);
  const acme = makeKey();
  const tiny = makeKey();
  const server = await Program.start(
    'pingti-server',
    ['--config', CONFIG, '--grpc', '127.0.0.1:0', '--metrics', '127.0.0.1:0'],
    /^grpc listening on 127\.0\.0\.1:(\d+)/, {
      PINGTI_SIMULATED_PROVIDER_URL: `http://127.0.0.1:${provider.port}/v1`,
      PINGTI_TEST_ACME: acme.record,
      PINGTI_TEST_TINY: tiny.record,
    });
  return { provider, server, key: acme.key, tinyKey: tiny.key };
}
