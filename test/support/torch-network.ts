/** A `Network` in PyTorch, in float64: what PyTorch's own operations make of its nodes. */
import type { Network } from '../../src/models/network.ts';

/**
 * Defines `tensors(parameters)` and `forward(nodes, x, P, masks, by_batch)`: `masks` holds dropout's, by node, as 0 and 1;
 * `by_batch` the names of the batch normalisations that go by the batch, and keep their running statistics in P.
 */
export const torchNetwork = `
import torch
import torch.nn.functional as F
torch.set_num_threads(1)
def tensor(v): return torch.tensor(v['data'], dtype=torch.float64).reshape(v['shape'])
def tensors(parameters): return {n: tensor(v).requires_grad_() for n, v in parameters.items()}
def forward(nodes, x, P, masks={}, by_batch=()):
    V = {nodes[0]['inputs'][0]: x}
    for node in nodes:
        x = V[node['inputs'][0]]
        op, kind = node['op'], node['op']['kind']
        w, b = P.get(node['parameters'].get('weight')), P.get(node['parameters'].get('bias'))
        if kind == 'conv2d':
            top, left, bottom, right = op['pads']
            x = F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, op['strides'], 0, op['dilations'], op['groups'])
        elif kind == 'linear': x = F.linear(x, w, b)
        elif kind == 'relu': x = F.relu(x)
        elif kind == 'lrn': x = F.local_response_norm(x, op['size'], op['alpha'], op['beta'], op['bias'])
        elif kind == 'maxPool':
            assert not any(op['pads']) and not op['ceilMode']
            x = F.max_pool2d(x, op['kernel'], op['strides'])
        elif kind == 'flatten': x = x.flatten(1)
        elif kind == 'dropout':
            if node['name'] in masks: x = x * masks[node['name']].reshape(x.shape) / (1 - op['ratio'])
        elif kind == 'batchNormalization':
            scale, shift, mean, variance = [P[node['parameters'][role]] for role in ('scale', 'shift', 'mean', 'variance')]
            batch = node['name'] in by_batch
            # PyTorch's momentum is the share of the new.
            x = F.batch_norm(x, mean.detach(), variance.detach(), scale, shift, batch, 1 - op['momentum'], op['epsilon'])
        elif kind == 'add': x = x + V[node['inputs'][1]]
        elif kind == 'globalAveragePool': x = x.mean((2, 3), keepdim=True)
        elif kind == 'softmax': pass # F.cross_entropy takes logits
        else: raise NotImplementedError(kind)
        V[node['outputs'][0]] = x
    return x
`;

/** The network's part of the argument of a script. */
export function describeForTorch(network: Network) {
  return {
    nodes: network.nodes,
    parameters: Object.fromEntries(
      [...network.parameters].map(([name, { shape, data }]) => [name, { shape, data: Array.from(data) }]),
    ),
  };
}
