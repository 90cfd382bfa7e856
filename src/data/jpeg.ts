/**
 * JPEG files as cameras and old programs wrote them: faults in the headers that every decoder reads over, and the
 * decoder used here would only on condition that it reads over damaged pixels as well. They are put right beforehand, so
 * that what it complains of afterwards is damage.
 */

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP14 = 0xee;

/** Markers of baseline and extended sequential frames. */
const isSequential = (marker: number) => marker === 0xc0 || marker === 0xc1;

export interface MendedJpeg {
  readonly bytes: Uint8Array;
  /** what was put right, in words */
  readonly remarks: readonly string[];
}

/**
 * Puts right, up to the first scan: bytes between segments are dropped; an unknown revision of JFIF becomes 1.01; a
 * sequential scan that does not say that it holds all coefficients says so; an unknown colour transform of Adobe becomes
 * the one that decoders take for it. A missing end is added where all lies in one scan: a scan cut short still shows.
 */
export function mendJpeg(file: Uint8Array): MendedJpeg {
  const remarks: string[] = [];
  const parts: Uint8Array[] = [file.subarray(0, 2)];
  let sequential = false;
  let components = 0;
  for (let at = 2; at + 4 <= file.length; ) {
    let marker = at;
    while (marker + 1 < file.length && !(file[marker] === 0xff && file[marker + 1] !== 0xff && file[marker + 1] !== 0))
      marker++;
    if (marker + 4 > file.length) break;
    if (file.subarray(at, marker).some((byte) => byte !== 0xff)) remarks.push(`${marker - at} bytes before a marker`);
    const kind = file[marker + 1];
    if (kind === SOI || kind === EOI) break;
    const end = marker + 2 + ((file[marker + 2] << 8) | file[marker + 3]);
    if (end > file.length) break;
    // Copied: a Buffer's slice would be the caller's own bytes.
    const segment = Uint8Array.from(file.subarray(marker, end));
    parts.push(segment);
    at = end;
    if (kind >= 0xc0 && kind <= 0xcf && kind !== 0xc4 && kind !== 0xc8 && kind !== 0xcc) {
      sequential = isSequential(kind);
      components = segment[9] ?? 0;
    } else if (
      kind === APP0 &&
      segment.length > 10 &&
      text(segment, 4, 9) === 'JFIF\0' &&
      segment[9] !== 1 &&
      segment[9] !== 2
    ) {
      remarks.push(`JFIF revision ${segment[9]}.${segment[10]}`);
      segment.set([1, 1], 9);
    } else if (kind === APP14 && text(segment, 4, 9) === 'Adobe' && segment[15] > 2) {
      remarks.push(`Adobe colour transform ${segment[15]}`);
      segment[15] = components === 4 ? 2 : 1;
    } else if (kind === SOS) {
      const spectral = 5 + 2 * segment[4];
      const isWhole = segment.length === spectral + 3;
      if (
        isWhole &&
        sequential &&
        (segment[spectral] !== 0 || segment[spectral + 1] !== 63 || segment[spectral + 2] !== 0)
      ) {
        remarks.push('a scan that does not name all its coefficients');
        segment.set([0, 63, 0], spectral);
      }
      const rest = file.subarray(end);
      parts.push(rest);
      if (sequential && segment[4] === components && !hasEnd(rest)) {
        remarks.push('no end marker');
        parts.push(Uint8Array.of(0xff, EOI));
      }
      return { bytes: Buffer.concat(parts), remarks };
    }
  }
  return { bytes: file, remarks: [] };
}

const text = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.subarray(from, to)).toString('latin1');

function hasEnd(scan: Uint8Array): boolean {
  for (let at = scan.indexOf(0xff); at >= 0; at = scan.indexOf(0xff, at + 1)) if (scan[at + 1] === EOI) return true;
  return false;
}
