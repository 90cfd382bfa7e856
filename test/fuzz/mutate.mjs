/** Damaged and strange inputs, drawn from seeds: bytes, words of a format, and fields of protobuf with their lengths kept. */

/** Values at which sizes, counts and signs go wrong. */
const edges = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** @param random has integer(n): a whole number below n */
function damaged(random, bytes, words) {
  const at = random.integer(bytes.length + 1);
  const length = Math.min(1 + random.integer(1 + random.integer(64)), bytes.length - at);
  const part = bytes.subarray(at, at + length);
  const between = (...middle) => Buffer.concat([bytes.subarray(0, at), ...middle, bytes.subarray(at + length)]);
  const changed = Buffer.from(bytes);
  switch (random.integer(9)) {
    case 0:
      if (at < bytes.length) changed[at] ^= 1 << random.integer(8);
      return changed;
    case 1:
      if (at < bytes.length) changed[at] = edges[random.integer(6)];
      return changed;
    case 2: {
      if (at + 4 > bytes.length) return changed;
      const value = edges[random.integer(edges.length)];
      if (random.integer(2) === 0) changed.writeUInt32LE(value, at);
      else changed.writeUInt32BE(value, at);
      return changed;
    }
    case 3:
      return between();
    case 4:
      return between(part, part);
    case 5:
      return bytes.subarray(0, at);
    case 6:
      return between(Buffer.from(words[random.integer(words.length)]), part);
    case 7: {
      // A number that is text.
      const text = bytes.toString('latin1');
      const numbers = [...text.matchAll(/\d+/g)];
      if (numbers.length === 0) return between(part, part, part);
      const one = numbers[random.integer(numbers.length)];
      const number = ['-1', '0', '1e999', '99999999999', '4294967296', '0.5', ''][random.integer(7)];
      return Buffer.from(`${text.slice(0, one.index)}${number}${text.slice(one.index + one[0].length)}`, 'latin1');
    }
    default: {
      const from = random.integer(bytes.length + 1);
      return between(bytes.subarray(from, from + random.integer(64)));
    }
  }
}

/** One to eight changes. */
export function mutated(random, seeds, { words = ['\0'], protobuf = false }) {
  let bytes = seeds[random.integer(seeds.length)];
  for (let changes = 1 + random.integer(8); changes > 0; changes--) {
    const other = seeds[random.integer(seeds.length)];
    if (protobuf && random.integer(3) > 0) bytes = fieldChanged(random, bytes, other) ?? bytes;
    else bytes = damaged(random, bytes, words);
  }
  return bytes.length < 1e6 ? bytes : bytes.subarray(0, 1e6);
}

function varint(bytes, at) {
  let value = 0;
  for (let i = 0; i < 10 && at + i < bytes.length; i++) {
    value += (bytes[at + i] & 0x7f) * 2 ** (7 * i);
    if (bytes[at + i] < 0x80) return [value, at + i + 1];
  }
  return undefined;
}

function asVarint(value) {
  const bytes = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    if (rest <= 0x7fn) return Buffer.from(bytes);
  }
}

/** The fields of a message, or nothing where the bytes are none. */
function fieldsOf(bytes) {
  const fields = [];
  for (let at = 0; at < bytes.length; ) {
    const key = varint(bytes, at);
    if (key === undefined || key[0] < 8) return undefined;
    const wire = key[0] & 7;
    let end = key[1] + { 1: 8, 5: 4 }[wire];
    let from = key[1];
    if (wire === 0) end = varint(bytes, key[1])?.[1];
    if (wire === 2) {
      const length = varint(bytes, key[1]);
      [from, end] = length === undefined ? [0, undefined] : [length[1], length[1] + length[0]];
    }
    if (!(end <= bytes.length)) return undefined;
    fields.push({ key: key[0], wire, body: bytes.subarray(from, end) });
    at = end;
  }
  return fields;
}

const encoded = (fields) =>
  Buffer.concat(
    fields.flatMap(({ key, wire, body }) => [asVarint(key), ...(wire === 2 ? [asVarint(body.length)] : []), body]),
  );

const integers = [0, 1, 2, 3, 7, 8, -1, -2, 255, 65536, 2 ** 31 - 1, 2 ** 31, 10 ** 9, 2 ** 53, 2 ** 62, -(2 ** 62)];

/** A field somewhere in the tree of messages changed, doubled, moved, taken away or put in from another file. */
function fieldChanged(random, bytes, other) {
  const fields = fieldsOf(bytes);
  if (fields === undefined || fields.length === 0) return undefined;
  const at = random.integer(fields.length);
  const one = fields[at];
  if (one.wire === 2 && one.body.length > 0 && random.integer(6) > 0) {
    const inner = fieldChanged(random, one.body, other);
    if (inner !== undefined) return encoded(fields.with(at, { ...one, body: inner }));
  }
  switch (random.integer(6)) {
    case 0:
      return encoded(fields.toSpliced(at, 1));
    case 1:
      return encoded(fields.toSpliced(at, 0, one));
    case 2:
      return encoded(fields.toSpliced(random.integer(fields.length), 0, ...fields.splice(at, 1)));
    case 3: {
      const more = fieldsOf(other) ?? [];
      return more.length === 0 ? undefined : encoded(fields.with(at, more[random.integer(more.length)]));
    }
    case 4:
      // The text, or bytes, of another field.
      if (one.wire === 2) return encoded(fields.with(at, { ...one, body: fields[random.integer(fields.length)].body }));
      return encoded(fields.with(at, { ...one, key: one.key ^ (8 << random.integer(5)) }));
    default: {
      const value = integers[random.integer(integers.length)];
      if (one.wire === 0) return encoded(fields.with(at, { ...one, body: asVarint(value) }));
      if (one.wire !== 2) return encoded(fields.with(at, { ...one, body: Buffer.alloc(one.body.length, value & 255) }));
      const changed = Buffer.from(one.body);
      if (changed.length > 0) changed[random.integer(changed.length)] = value & 255;
      return encoded(fields.with(at, { ...one, body: changed }));
    }
  }
}
