/** Short hash of a text, in 64 bits and without node:crypto: two FNV-1a sums that start apart, mixed at the end. */
export function textHash(text: string): string {
  let [a, b] = [0x811c9dc5, 0x9747b28c];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code ^ (a >>> 15), 0x85ebca6b);
  }
  return [a ^ (b >>> 13), b ^ (a >>> 16)].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
}
