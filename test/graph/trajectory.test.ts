/**
 * Training against PyTorch: the same start, the same data, no dropout; losses and weights after every few steps.
 */
import { expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.ts';
import { softmaxCrossEntropy } from '../../src/graph/ops/classification.ts';
import { input } from '../../src/graph/tensor.ts';
import { buildNetwork, parametersOf } from '../../src/models/build.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { Random } from '../../src/random.ts';
import { expectClose } from '../support/compare.ts';
import { useGpu } from '../support/gpu.ts';
import { hasPython, python } from '../support/oracle.ts';

const TORCH = `
import json, sys, torch
import torch.nn.functional as F
a = json.load(sys.stdin)
torch.set_num_threads(1)
P = {n: torch.tensor(v['data'], dtype=torch.float64).reshape(v['shape']).requires_grad_() for n, v in a['parameters'].items()}
x = torch.tensor(a['x'], dtype=torch.float64).reshape(a['shape']); y = torch.tensor(a['labels'])
V = {n: torch.zeros_like(p) for n, p in P.items()}
def forward(x):
    h = F.conv2d(x, P['conv1.weight'], P['conv1.bias'], stride=2)
    h = F.max_pool2d(F.local_response_norm(F.relu(h), 5, 1e-4, .75, 1.), 3, 2)
    h = F.conv2d(h, P['conv2.weight'], P['conv2.bias'], padding=2, groups=2)
    h = F.max_pool2d(F.local_response_norm(F.relu(h), 5, 1e-4, .75, 1.), 3, 2)
    h = F.relu(F.conv2d(h, P['conv3.weight'], P['conv3.bias'], padding=1))
    h = F.relu(F.conv2d(h, P['conv4.weight'], P['conv4.bias'], padding=1, groups=2))
    h = F.relu(F.conv2d(h, P['conv5.weight'], P['conv5.bias'], padding=1, groups=2))
    h = F.max_pool2d(h, 3, 2).flatten(1)
    h = F.relu(F.linear(h, P['fc6.weight'], P['fc6.bias']))
    h = F.relu(F.linear(h, P['fc7.weight'], P['fc7.bias']))
    return F.linear(h, P['fc8.weight'], P['fc8.bias'])
losses = []
for _ in range(a['steps']):
    for p in P.values(): p.grad = None
    loss = F.cross_entropy(forward(x), y)
    loss.backward(); losses.append(loss.item())
    with torch.no_grad():
        for n, p in P.items():
            m = a['masks'][n]
            if m == 0: continue
            decay = 0. if n.endswith('bias') else a['decay']
            V[n] = a['momentum'] * V[n] - a['rate'] * m * (p.grad + decay * p)
            p += V[n]
print(json.dumps({'losses': losses, 'parameters': {n: p.detach().flatten().tolist() for n, p in P.items()}}))
`;

const gpu = useGpu();

for (const momentum of [0.9, 0.99]) {
  it.skipIf(!hasPython('torch'))(
    `alexnet-small follows PyTorch: momentum ${momentum}, decay, masks 0, 1 and 10`,
    async () => {
      const network = alexnetSmall({ classes: 3, seed: 5 });
      const parameters = parametersOf(network);
      const masks = Object.fromEntries(
        [...parameters.keys()].map((name) => [name, /conv[12]/.test(name) ? 0 : /fc8/.test(name) ? 10 : 1]),
      );
      for (const [name, parameter] of parameters) parameter.mask = masks[name];
      const batch = 4;
      const random = new Random(11);
      const x = Float32Array.from({ length: batch * 3 * 64 * 64 }, () => random.normal());
      const labels = Uint32Array.of(0, 2, 1, 1);
      const settings = { steps: 12, rate: 0.002, momentum, decay: 0.01 };

      const expected = python<{ losses: number[]; parameters: Record<string, number[]> }>(
        TORCH,
        {
          ...settings,
          masks,
          x: Array.from(x),
          shape: [batch, 3, 64, 64],
          labels: Array.from(labels),
          parameters: Object.fromEntries(
            [...network.parameters].map(([name, { shape, data }]) => [name, { shape, data: Array.from(data) }]),
          ),
        },
        'torch',
      );

      const built = buildNetwork(network, { batch, parameters, withoutDropout: true });
      const labelTensor = input('labels', [batch], 'u32');
      const loss = softmaxCrossEntropy(built.logits, labelTensor);
      const graph = await compile(gpu(), { loss, update: true });
      graph.write(built.inputs.get('data')!, x);
      graph.write(labelTensor, labels);
      const losses: number[] = [];
      for (let step = 0; step < settings.steps; step++) {
        graph.setStep({ learningRate: settings.rate, momentum, weightDecay: settings.decay, step, seed: 0 });
        const [value] = await graph.run([loss]);
        losses.push(new Float32Array(value)[0]);
      }
      expectClose(losses, expected.losses, { absolute: 1e-6, relative: 1e-4 }, 'losses');
      for (const [name, parameter] of parameters) {
        const actual = await parameter.read(gpu());
        if (masks[name] === 0) {
          expect(
            Buffer.from(actual.buffer).equals(
              Buffer.from(Float32Array.from(network.parameters.get(name)!.data).buffer),
            ),
          ).toBe(true);
        } else {
          const theirs = expected.parameters[name];
          const distance = Math.hypot(...Array.from(actual, (value, i) => value - theirs[i]));
          expect(distance / Math.hypot(...theirs), name).toBeLessThan(1e-4);
        }
      }
      graph.destroy();
    },
  );
}
