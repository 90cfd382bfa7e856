import { PassThrough } from 'node:stream';
import type { Command } from '../../src/cli/command.ts';
import { runProgram } from '../../src/cli/program.ts';
import type { Registered } from '../../src/cli/registry.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process and collects what it prints. */
export async function run(registry: readonly Registered[], ...args: string[]): Promise<Outcome> {
  const stdout = collector();
  const stderr = collector();
  const code = await runProgram(args, registry, { stdout: stdout.stream, stderr: stderr.stream });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** A registry of one command, called 'demo'. */
export function only(command: Command): Registered[] {
  return [{ name: 'demo', group: 'Tests', summary: 'a demonstration', load: async () => ({ command }) }];
}

export function collector(): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk) => chunks.push(String(chunk)));
  return { stream, text: () => chunks.join('') };
}
