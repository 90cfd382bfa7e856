/** What whole steps are to reach: proportional to their arithmetic, near the least memory, quick to begin. */
import type { FirstStep } from './first-step.ts';
import { overLeast, type StepRow } from './steps.ts';
import { type Target, target } from './targets.ts';

const GIB = 2 ** 30;

/** What the targets are of: in a network of a few milliseconds other things take the time and the memory. */
const FULL_SIZE = ['alexnet', 'vgg16'];

export function stepTargets(all: readonly StepRow[], firstSteps: readonly FirstStep[]): Target[] {
  const rows = all.filter(({ network }) => FULL_SIZE.includes(network));
  const most = (values: readonly number[]) => (values.length === 0 ? undefined : Math.max(...values));
  const shares = rows.flatMap(({ overShare, step }) => (overShare === undefined || step === 'none' ? [] : [overShare]));
  const memory = rows.filter(({ step }) => step !== 'forward').map(overLeast);
  const vgg = rows.find(({ network, batch, step }) => network === 'vgg16' && batch === 10 && step === 'none');
  const first = firstSteps.find(({ network, batch }) => network === 'alexnet' && batch === 10);
  return [
    target('frozen layers: time over share of the arithmetic, the worst step', 1.25, 1.1, most(shares), true),
    target('bytes on the device over the least, the worst training step', 1.25, 1.1, most(memory), true),
    target('VGG16 training step, batch 10: GiB on the device', 4, 3, vgg && vgg.bytes / GIB, true),
    target('AlexNet, process start to first training step, caches cold: s', 20, 8, first && first.cold / 1000, true),
    target('AlexNet, the same, caches warm: s', 6, 3, first && first.warm / 1000, true),
  ];
}
