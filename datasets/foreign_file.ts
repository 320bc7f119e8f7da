/** What lies under a picture's name and is none, by its first bytes, so that people know what to do. */

/** By how files begin; dots stand for any byte. */
const kinds: readonly (readonly [begin: RegExp, kind: string])[] = [
  [/^GIF8/, "a GIF; convert it to PNG"],
  [/^BM/, "a BMP; convert it to PNG"],
  [/^RIFF....WEBP/s, "a WebP; convert it to PNG"],
  [/^(?:II\*\0|MM\0\*)/, "a TIFF; convert it to PNG"],
  [/^....ftyp/s, "an AVIF, HEIC or MP4; convert it to PNG"],
  [/^P[1-6]\s/, "a PNM; convert it to PNG"],
  [/^\s*<(?:!doctype|html|\?xml|svg)/i, "a web page or drawing; download the file again"],
  [/^version https:\/\/git-lfs/, "a pointer of Git LFS; get the file itself with git lfs pull"],
];
const headBytes = 64;

/** Ends a sentence that says what was expected; empty for what is not known. */
export function foreignKind(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, headBytes));
  const kind = kinds.find(([begin]) => begin.test(head))?.[1];
  return kind === undefined ? "" : `: it is ${kind}`;
}
