/** PyTorch on the processor, for scale: a Python process that gets arrays as files and is asked in lines of JSON. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Peer } from './peer.ts';
import { firstAndLastWeight, training, type Work } from './work.ts';

const script = `
import json, sys, torch
import torch.nn.functional as F

def load(file, shape, kind=torch.float32):
    size = 1
    for extent in shape: size *= extent
    return torch.from_file(file, size=size, dtype=kind).clone().reshape(shape)

def save(tensor, file):
    torch.from_file(file, shared=True, size=tensor.numel(), dtype=torch.float32).copy_(tensor.detach().reshape(-1))

def forward(nodes, x, P):
    for node in nodes:
        op, kind = node['op'], node['op']['kind']
        w, b = P.get(node['parameters'].get('weight')), P.get(node['parameters'].get('bias'))
        if kind == 'conv2d':
            top, left, bottom, right = op['pads']
            if (top, left) == (bottom, right): pads = (top, left)
            else: x, pads = F.pad(x, (left, right, top, bottom)), 0
            x = F.conv2d(x, w, b, op['strides'], pads, op['dilations'], op['groups'])
        elif kind == 'linear': x = F.linear(x, w, b)
        elif kind == 'relu': x = F.relu(x)
        elif kind == 'lrn': x = F.local_response_norm(x, op['size'], op['alpha'], op['beta'], op['bias'])
        elif kind == 'maxPool':
            assert not any(op['pads']) and not op['ceilMode'], 'pooling with padding'
            x = F.max_pool2d(x, op['kernel'], op['strides'])
        elif kind == 'flatten': x = x.flatten(1)
        else: raise NotImplementedError(kind)
    return x

class Case:
    def __init__(self, request):
        self.direction, self.nodes, self.rates = request['direction'], request['nodes'], request['training']
        self.x = load(request['x'], request['inputShape'])
        self.P = {n: load(v['file'], v['shape']) for n, v in request['parameters'].items()}
        if self.direction == 'training step':
            self.labels = torch.tensor(request['labels'])
            self.compared = {n: self.P[n].clone() for n in request['compared']}
            self.velocity = {n: torch.zeros_like(p) for n, p in self.P.items()}
            for p in self.P.values(): p.requires_grad_()
            self.decayed = {node['parameters'].get('weight') for node in self.nodes}
        elif self.direction != 'forward':
            self.dy = load(request['dy'], request['outputShape'])
            self.wanted = self.x if self.direction == 'gradient of input' else self.P[self.nodes[0]['parameters']['weight']]
            self.wanted.requires_grad_()
            self.y = forward(self.nodes, self.x, self.P)

    def run(self):
        if self.direction == 'forward':
            with torch.no_grad(): self.results = {'output': forward(self.nodes, self.x, self.P)}
        elif self.direction == 'training step':
            loss = F.cross_entropy(forward(self.nodes, self.x, self.P), self.labels)
            loss.backward()
            rates = self.rates
            with torch.no_grad():
                for n, p in self.P.items():
                    g = p.grad.add_(p, alpha=rates['weightDecay']) if n in self.decayed else p.grad
                    p.add_(self.velocity[n].mul_(rates['momentum']).add_(g, alpha=-rates['learningRate']))
                    p.grad = None
            self.loss = loss.detach()
        else:
            gradient, = torch.autograd.grad(self.y, self.wanted, self.dy, retain_graph=True)
            self.results = {'gradient': gradient}

    def outputs(self):
        if self.direction != 'training step': return self.results
        changes = {'change of ' + n: self.P[n] - before for n, before in self.compared.items()}
        return {'loss': self.loss.reshape(1), **changes}

print(json.dumps({'version': torch.__version__}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {}
        if request['do'] == 'prepare': case = Case(request)
        elif request['do'] == 'run': case.run()
        elif request['do'] == 'dispose': case = None
        else:
            for i, (name, tensor) in enumerate(case.outputs().items()):
                answer[name] = request['folder'] + '/' + str(i) + '.f32'
                save(tensor, answer[name])
        print(json.dumps({'ok': answer}), flush=True)
    except Exception as error:
        print(json.dumps({'failed': type(error).__name__ + ': ' + str(error)}), flush=True)
`;

/** The first Python that has PyTorch. */
export function pythonWithTorch(): string | undefined {
  return ['python3', '/usr/bin/python3'].find((python) => {
    const { status } = spawnSync(python, ['-c', 'import importlib.util as u; exit(u.find_spec("torch") is None)']);
    return status === 0;
  });
}

export async function openTorch(): Promise<Peer> {
  const python = pythonWithTorch();
  if (python === undefined) throw new Error('no python3 with torch');
  const torch = new PythonProcess(spawn(python, ['-u', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] }));
  process.on('exit', () => torch.kill());
  const { version } = await torch.next<{ version: string }>();
  return {
    version,
    async prepare(work) {
      const folder = await mkdtemp(join(tmpdir(), 'frostline-peer-'));
      await torch.ask({ do: 'prepare', ...(await describe(work, folder)) });
      return {
        run: async () => void (await torch.ask({ do: 'run' })),
        async outputs() {
          const files = await torch.ask<Record<string, string>>({ do: 'outputs', folder });
          const read = async (file: string) => {
            const { buffer, byteOffset, byteLength } = await readFile(file);
            return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
          };
          const named = Object.entries(files).map(async ([name, file]) => [name, await read(file)] as const);
          return new Map(await Promise.all(named));
        },
        async dispose() {
          await torch.ask({ do: 'dispose' });
          await rm(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

/** The work as JSON, its arrays as files in `folder`. */
async function describe(work: Work, folder: string) {
  const { direction, network, inputShape, outputShape } = work;
  let count = 0;
  const put = async (values: Float32Array) => {
    const file = join(folder, `in${count++}.f32`);
    await writeFile(file, values);
    return file;
  };
  const parameters: Record<string, { file: string; shape: readonly number[] }> = {};
  for (const [name, { shape, data }] of network.parameters) parameters[name] = { file: await put(data), shape };
  const trained = direction === 'training step';
  return {
    direction,
    nodes: network.nodes,
    inputShape,
    outputShape,
    parameters,
    training,
    x: await put(work.x()),
    ...(trained && { labels: [...work.labels()], compared: firstAndLastWeight(work) }),
    ...(!trained && direction !== 'forward' && { dy: await put(work.dy()) }),
  };
}

class PythonProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async next<T>(): Promise<T> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('Python ended');
    return JSON.parse(value) as T;
  }

  async ask<T>(request: object): Promise<T> {
    this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    const reply = await this.next<{ ok: T } | { failed: string }>();
    if ('failed' in reply) throw new Error(reply.failed);
    return reply.ok;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
