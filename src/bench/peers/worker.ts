/** The process of one peer: requests come from the parent and go one after the other. */
import { openPeer } from './list.ts';
import { PeerServer, type Request } from './protocol.ts';

const server = new PeerServer(openPeer);
let last: Promise<unknown> = Promise.resolve();

process.on('message', (request: Request) => {
  last = last.then(async () => process.send!(await server.answer(request)));
});
// Without a parent nobody waits for the answer.
process.on('disconnect', () => process.exit());
