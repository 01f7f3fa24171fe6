// A worker, the real program, on a queue of the emulator, with a handler that remembers what it was given.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EMULATOR, REGION } from './emulator.ts';

const PROGRAM = process.env['LONGSHORE_PROGRAM'] ?? 'longshore';
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };

/** A running worker. */
export interface Worker {
  /** The bodies that the handler was given so far. */
  readonly bodies: string[];
  /** Ends it by SIGTERM; its exit code. */
  stop(): Promise<number | null>;
}

/** Starts it. */
export async function startWorker(queueUrl: string): Promise<Worker> {
  const bodies: string[] = [];
  const server = createServer((request, response) => void read(request).then((body) => (bodies.push(body), response.writeHead(204).end())));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const options = ['run', '--queue-url', queueUrl, '--endpoint-url', EMULATOR, '--region', REGION, '--handler', `http://127.0.0.1:${port}/`, '--admin-listen', '127.0.0.1:0'];
  const worker = spawn(PROGRAM, options, { env: { ...process.env, ...CREDENTIALS }, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(worker, 'exit') as Promise<[number | null]>;
  return {
    bodies,
    async stop() {
      worker.kill('SIGTERM');
      const [code] = await ended;
      server.close();
      return code;
    },
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
