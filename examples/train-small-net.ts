/** Trains a small network on images that are drawn here: bright above, or bright below. `node train-small-net.js` */
import {
  argMax,
  compile,
  conv2d,
  countCorrect,
  flatten,
  Gpu,
  input,
  linear,
  maxPool,
  Parameter,
  Random,
  relu,
  softmaxCrossEntropy,
} from 'frostline';

const BATCH = 16;
const random = new Random(7);
const normal = (count: number, scale = 1) => Float32Array.from({ length: count }, () => scale * random.normal());

const gpu = await Gpu.open();
console.log(gpu.describe());

const images = input('images', [BATCH, 1, 12, 12]);
const labels = input('labels', [BATCH], 'u32');
const filters = new Parameter('filters', [8, 1, 3, 3], normal(72, 0.3));
const weight = new Parameter('weight', [2, 200], normal(400, 0.1));
const bias = new Parameter('bias', [2], new Float32Array(2), { decayFactor: 0 });
const features = maxPool(relu(conv2d(images, filters, undefined)), { kernel: [2, 2], strides: [2, 2] });
const logits = linear(flatten(features), weight, bias);
const loss = softmaxCrossEntropy(logits, labels);
const correct = countCorrect(argMax(logits), labels);

/** A batch: noise, and 1 more in the half that its label says. */
function draw(): { pixels: Float32Array<ArrayBuffer>; of: Uint32Array<ArrayBuffer> } {
  const of = Uint32Array.from({ length: BATCH }, () => random.integer(2));
  const pixels = normal(BATCH * 144);
  pixels.forEach((value, i) => {
    const below = i % 144 >= 72 ? 1 : 0;
    if (below === of[Math.floor(i / 144)]) pixels[i] = value + 1;
  });
  return { pixels, of };
}

const step = await compile(gpu, { loss, outputs: [correct], update: true });
for (let i = 0; i < 60; i++) {
  const { pixels, of } = draw();
  step.write(images, pixels);
  step.write(labels, of);
  step.setStep({ learningRate: 0.02, momentum: 0.9, weightDecay: 1e-4, step: i, seed: 1 });
  const [lossBytes, correctBytes] = await step.run([loss, correct]);
  if (i % 10 === 9) {
    const right = new Uint32Array(correctBytes)[0];
    console.log(`step ${i + 1}: loss ${new Float32Array(lossBytes)[0].toFixed(3)}, ${right} of ${BATCH} right`);
  }
}
step.destroy();
gpu.destroy();
