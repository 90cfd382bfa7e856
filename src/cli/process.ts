import { Deferred } from './deferred.ts';
import { runProgram } from './program.ts';
import type { Registered } from './registry.ts';

/** Runs the process's own command line: its streams, signals and exit code around `runProgram`. */
export async function runProcess(registry: readonly Registered[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      // A reader that goes away (`frostline ... | head`) is no error of ours.
      if (code === 'EPIPE') process.exit();
      const remedy = 'free some space where the output goes, or send it elsewhere';
      if (stream === process.stdout)
        process.stderr.write(`frostline: cannot print the results: ${message}; ${remedy}\n`);
      process.exit(2);
    });
  }
  const deferred = new Deferred();
  const interruption = new AbortController();
  const stopping = new AbortController();
  const stop = { signal: stopping.signal, heeded: false };
  // SIGUSR1 is what batch systems are told to send some time before they kill; by itself it would start Node's inspector.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGUSR1', 138],
  ] as const) {
    process.on(signal, async () => {
      // One that comes again after the first (to the process and to its group) asks for nothing else, SIGINT does.
      if (stop.heeded && signal !== 'SIGINT') return stopping.abort();
      // A second Ctrl-C does not wait for the first one's cleaning up.
      if (interruption.signal.aborted) process.exit(code);
      process.exitCode = code;
      // At once: what runs on the device, or decodes, may take some time to end.
      process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}interrupted; ending (once more to end at once)\n`);
      interruption.abort();
      await deferred.run();
      process.exit(code);
    });
  }
  const { stdout, stderr } = process;
  const code = await runProgram(process.argv.slice(2), registry, {
    stdout,
    stderr,
    signal: interruption.signal,
    stop,
    deferred,
  });
  // Not process.exit(): what is still on its way to a pipe must arrive. After a signal, its handler exits.
  if (!interruption.signal.aborted) process.exitCode = code;
}
