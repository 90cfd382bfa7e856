/**
 * A kernel's text, rewritten so that each thread writes down which elements it touches: every index of an array in memory
 *
 *   slab[k * 68u + ty]   becomes   slab[touch(7u, u32(k * 68u + ty))]
 *
 * and `touch` keeps the first `kept` indices of access 7 of this thread and counts the rest. Indices do not depend on what
 * arrays hold in most kernels, so buffers may be empty and shorter than they should be.
 *
 * Read as text, not as a syntax tree: it knows module-scope arrays, and refuses a text in which a local name hides one.
 */
import { FrostlineError } from '../../errors.ts';

/** One place in the text that reads or writes an array. */
export interface Access {
  readonly array: string;
  readonly space: 'storage' | 'workgroup';
  /** an update reads and writes (`x[i] += 1.0`), an atomic is an argument of an atomic function */
  readonly kind: 'load' | 'store' | 'update' | 'atomic';
  /** bytes that one thread touches, and between elements that are neighbours */
  readonly bytes: number;
  readonly stride: number;
  /** from the beginning of the element, where the access is to a component of a vector */
  readonly offset: number;
}

export interface Instrumented {
  readonly text: string;
  readonly accesses: readonly Access[];
  /** threads of a workgroup */
  readonly lanes: number;
  /** words of the buffer behind the kernel's own bindings: a record for each access of each thread */
  readonly words: number;
  /** Where the record of an access begins: how often it was made, then the first `kept` indices. */
  recordAt(group: number, lane: number, access: number): number;
  readonly kept: number;
}

interface Declared {
  readonly space: Access['space'];
  /** of an element, and of a component of it */
  readonly bytes: number;
  readonly scalar: number;
  readonly stride: number;
  /** elements of each dimension but the first, times those behind it */
  readonly pitches: readonly number[];
}

const SCALARS: Readonly<Record<string, number>> = { f32: 4, u32: 4, i32: 4, f16: 2 };

/** Bytes of an element, of a component of it, and from one element to the next. */
function sizeOf(type: string): { bytes: number; scalar: number; stride: number } {
  const atomic = /^atomic<(\w+)>$/.exec(type);
  if (atomic) return sizeOf(atomic[1]);
  const vector = /^vec([234])(?:<(\w+)>|([fuih]))$/.exec(type);
  if (vector) {
    const of = vector[2] ?? { f: 'f32', u: 'u32', i: 'i32', h: 'f16' }[vector[3]]!;
    const scalar = SCALARS[of];
    const bytes = Number(vector[1]) * scalar;
    return { bytes, scalar, stride: vector[1] === '3' ? 4 * scalar : bytes };
  }
  if (type in SCALARS) return { bytes: SCALARS[type], scalar: SCALARS[type], stride: SCALARS[type] };
  throw new FrostlineError(`kernels analyze: elements of type ${type} are not known. Known are scalars and vectors.`);
}

function declaredArrays(text: string): Map<string, Declared> {
  const found = new Map<string, Declared>();
  for (const [, space, name, type] of text.matchAll(/var<(storage|workgroup)[^>]*>\s+(\w+)\s*:\s*([^;]+);/g)) {
    const counts: number[] = [];
    let element = type.trim();
    for (;;) {
      const array = /^array<(.+?)(?:,\s*(\d+)u?\s*)?>$/.exec(element);
      if (array === null) break;
      counts.push(Number(array[2] ?? 0));
      element = array[1].trim();
    }
    if (counts.length === 0) continue;
    const pitches = counts.map((_, i) => counts.slice(i + 1).reduce((product, count) => product * count, 1));
    found.set(name, { space: space as Access['space'], ...sizeOf(element), pitches });
  }
  return found;
}

/** The end of a bracket that opens at `start`. */
function closing(text: string, start: number): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '[' || text[i] === '(') depth++;
    else if ((text[i] === ']' || text[i] === ')') && --depth === 0) return i;
  }
  throw new FrostlineError('kernels analyze: a bracket is not closed.');
}

const kindOf = (before: string, after: string): Access['kind'] => {
  if (/&\s*$/.test(before)) return 'atomic';
  if (/^\s*=(?!=)/.test(after)) return 'store';
  if (/^\s*([-+*/%&|^]|<<|>>)=(?!=)|^\s*(\+\+|--)/.test(after)) return 'update';
  return 'load';
};

/** A function that hides an array by a name of its own, and uses both, is not understood. */
function refuseHidden(functionText: string, names: Iterable<string>): void {
  for (const name of names) {
    const hidden = new RegExp(`\\b(let|var)\\s+${name}\\b|[(,]\\s*${name}\\s*:`).test(functionText);
    if (hidden && new RegExp(`\\b${name}\\[`).test(functionText)) {
      throw new FrostlineError(`kernels analyze: a local name hides the array ${name}. Give it another name.`);
    }
  }
}

/**
 * @param groups numbers of the workgroups to run, which stand in the text: what a buffer holds is not known to be uniform
 * @param budget words that the records of one workgroup may take
 */
export function instrument(source: string, groups: readonly number[], budget = 2 ** 22): Instrumented {
  const bare = source.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  // A text that only asks for its lane runs where there are no subgroups, too.
  const text = (/\bsubgroup[A-Z]\w*\(/.test(bare) ? bare : bare.replace(/^enable subgroups;$/m, ''))
    // Lanes of a workgroup that is one subgroup: whatever the width of subgroups here.
    .replace('@builtin(subgroup_invocation_id)', '@builtin(local_invocation_index)');
  const arrays = declaredArrays(text);
  for (const functionText of text.split(/^(?=fn |@compute)/m)) refuseHidden(functionText, arrays.keys());
  const accesses: Access[] = [];
  const head = /@compute\s+@workgroup_size\((\d+)u?\)\s*fn main\(([^{]*)\)\s*\{/.exec(text);
  const folded = 'workgroup_id.x + workgroup_id.y * workgroup_count.x';
  if (head === null || !text.includes(folded)) {
    throw new FrostlineError('kernels analyze: this is not the text of a kernel made by defineKernel.');
  }
  const lanes = Number(head[1]);

  /** The text from `start` to `end` with its accesses noted. */
  function rewrite(start: number, end: number): string {
    let out = '';
    let at = start;
    const names = /\b[A-Za-z_]\w*\b/g;
    names.lastIndex = start;
    for (let match = names.exec(text); match !== null && match.index < end; match = names.exec(text)) {
      const declared = arrays.get(match[0]);
      const open = match.index + match[0].length;
      if (declared === undefined || text[open] !== '[' || text[match.index - 1] === '.') continue;
      const number = accesses.length;
      // Its place is taken before those within its indices get theirs.
      accesses.push(undefined as unknown as Access);
      let replaced = match[0];
      let from = open;
      for (const [dimension, pitch] of declared.pitches.entries()) {
        const to = closing(text, from);
        const last = dimension === declared.pitches.length - 1;
        const touch = last ? 'touch' : 'touch_outer';
        const index = rewrite(from + 1, to);
        replaced += `[${touch}(${number}u, u32(${index}), ${pitch}u)]`;
        from = to + 1;
      }
      const component = /^\.([xyzwrgba])\b(?!\s*\()|^\[(\d+)u?\]/.exec(text.slice(from, from + 8));
      const scalar = component !== null && declared.bytes > declared.scalar;
      const place = scalar ? (component[2] ? Number(component[2]) : 'xyzwrgba'.indexOf(component[1]) % 4) : 0;
      const after = text.slice(from + (component?.[0].length ?? 0), from + 12);
      accesses[number] = {
        array: match[0],
        space: declared.space,
        kind: kindOf(text.slice(0, match.index), after),
        bytes: scalar ? declared.scalar : declared.bytes,
        stride: declared.stride,
        offset: declared.scalar * place,
      };
      out += text.slice(at, match.index) + replaced;
      at = from;
      names.lastIndex = from;
    }
    return out + text.slice(at, end);
  }

  const bodyAt = head.index + head[0].length;
  const declarations = rewrite(0, head.index);
  const body = rewrite(bodyAt, text.length).replace(
    folded,
    `array(${groups.map((group) => `${group}u`).join(', ')})[workgroup_id.x]`,
  );
  const kept = Math.max(1, Math.min(256, Math.floor(budget / (lanes * Math.max(1, accesses.length))) - 1));
  const record = kept + 1;
  const bindings = [...text.matchAll(/@binding\((\d+)\)/g)].length;
  return {
    accesses,
    lanes,
    kept,
    words: groups.length * lanes * accesses.length * record,
    recordAt: (group, lane, access) => ((group * lanes + lane) * accesses.length + access) * record,
    text: `${declarations}
@group(0) @binding(${bindings}) var<storage, read_write> traced: array<u32>;
var<private> traced_thread: u32;
var<private> counts: array<u32, ${Math.max(1, accesses.length)}>;
var<private> outer_index: array<u32, ${Math.max(1, accesses.length)}>;
fn touch_outer(access: u32, index: u32, pitch: u32) -> u32 {
  outer_index[access] += index * pitch;
  return index;
}
fn touch(access: u32, index: u32, pitch: u32) -> u32 {
  let count = counts[access];
  if (count < ${kept}u) { traced[traced_thread + access * ${record}u + 1u + count] = outer_index[access] + index; }
  counts[access] = count + 1u;
  outer_index[access] = 0u;
  return index;
}
fn traced_main(workgroup_id: vec3u, workgroup_count: vec3u, lane: u32) {
${body}
${head[0]}
  traced_thread = (workgroup_id.x * ${lanes}u + lane) * ${accesses.length * record}u;
  traced_main(workgroup_id, workgroup_count, lane);
${accesses.map((_, i) => `  traced[traced_thread + ${i * record}u] = counts[${i}];`).join('\n')}
}
`,
  };
}
